"""How many GPUs, and which workers, if the load grows by 10 % a month for two years?  growth.py [FOLDER]"""

import sys
from pathlib import Path

import pandas as pd

import aicfg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
experiment = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 4000, "osl": 500},
    "sla": {"ttft_ms": 2000, "tpot_ms": 20},
    "fleet": {"system": "h100_sxm", "gpus": 512, "price_per_gpu_hour": 2.5},
    "objective": "gpus",
}
rows = []
for month in range(25):
    load = round(10 * 1.1**month, 1)
    plan = aicfg.solve({**experiment, "load": {"requests_per_s": load}})
    workers = " + ".join(f"{p.workers} x {p.gpus_per_worker}-GPU {p.role}" for p in plan.pools)
    rows.append({"month": month, "requests_per_s": load, "gpus": plan.gpus_used,
                 "cost_per_month": 730 * plan.cost_per_hour, "workers": workers})  # fmt: skip
table = pd.DataFrame(rows)
print(table.iloc[::3].to_string(index=False))
print(f"In two years {table.gpus.iloc[-1]} GPUs, {table.cost_per_month.sum():,.0f} in all.")

axes = table.plot(x="month", y="gpus", drawstyle="steps-post", ylabel="GPUs", title="10 % more a month")
axes.figure.savefig(folder / "growth.png")
