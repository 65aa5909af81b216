"""300,000 summaries every night beside a chat's day: what does it take?  night_batch.py [FOLDER]"""

import sys
from math import exp
from pathlib import Path

import pandas as pd

import aicfg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
CHAT = [4 + 20 * exp(-(((hour - 14) / 4.5) ** 2)) for hour in range(24)]
CLASSES = [
    {"name": "chat", "isl": 1500, "osl": 400, "sla": {"ttft_ms": 800, "tpot_ms": 20}},
    {"name": "batch", "isl": 6000, "osl": 200},
]
NIGHT = (22, 23, 0, 1, 2, 3, 4, 5)


def planned(name, hours):
    """The plan of a day on which the batch is spread over ``hours``."""
    batch = [300_000 / 3600 / len(hours) if hour in hours else 0.0 for hour in range(24)]
    times = [f"{hour:02d}:00" for hour in range(24)]
    pd.DataFrame({"time": times, "chat": CHAT, "batch": batch}).to_csv(folder / f"{name}.csv", index=False)
    return aicfg.solve({
        "model": "Qwen/Qwen3-32B",
        "workload": {"classes": CLASSES},
        "load": {"profile": str(folder / f"{name}.csv"), "utilisation": 0.85},
        "fleet": {"system": "h100_sxm", "gpus": 256},
        "objective": "gpus",
    })  # fmt: skip


plans = {"night": planned("night", NIGHT), "all_day": planned("all_day", range(24))}
for name, plan in plans.items():
    print(f"{name}: {plan.objective.value:,.0f} GPU-hours a day, {plan.gpus_used} GPUs at most")
days = {name: [step.gpus for step in plan.capacity.steps] for name, plan in plans.items()}
axes = pd.DataFrame(days).plot(drawstyle="steps-post", xlabel="hour", ylabel="GPUs")
axes.figure.savefig(folder / "night_batch.png")
