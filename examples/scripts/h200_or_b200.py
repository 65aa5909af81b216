"""Which GPUs to buy for a load: H200 or B200?  h200_or_b200.py [FOLDER]"""

import sys
from pathlib import Path

import pandas as pd

import aicfg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
PRICES = {"h200_sxm": 32_000, "b200_sxm": 46_000}  # of a GPU with its share of the server; yours will differ
WATTS = {"h200_sxm": 1_300, "b200_sxm": 1_800}  # of a GPU with its share of the server
YEARS, PER_KWH = 4, 0.12

rows = []
for system, price in PRICES.items():
    for load in (20, 40, 80, 160):
        plan = aicfg.solve({
            "model": "Qwen/Qwen3-32B-FP8",
            "workload": {"isl": 4000, "osl": 500},
            "sla": {"ttft_ms": 1000, "tpot_ms": 15},
            "load": {"requests_per_s": load, "utilisation": 0.8},
            "spare": {"nodes": 1},
            "fleet": {"system": system, "gpus": 512},
            "serving": {"backend": "trtllm"},
            "objective": "gpus",
        })  # fmt: skip
        power = plan.gpus_used * WATTS[system] / 1000 * 24 * 365 * YEARS * PER_KWH
        rows.append({"system": system, "requests_per_s": load, "gpus": plan.gpus_used,
                     "million_in_4_years": (plan.gpus_used * price + power) / 1e6})  # fmt: skip
table = pd.DataFrame(rows).pivot(index="requests_per_s", columns="system")
print(table.round(2).to_string())
axes = table["million_in_4_years"].plot.bar(ylabel="million in 4 years, with power", rot=0)
axes.figure.savefig(folder / "h200_or_b200.png")
