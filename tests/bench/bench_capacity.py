"""How long capacity questions take at scale: python tests/bench/bench_capacity.py

On the measured curves of Qwen/Qwen3-32B with every layout, formats as the checkpoint has them. CPU seconds of
the solve alone (curves priced before), the gap, and what was found; and a trace of a million requests.
"""

import argparse
import csv
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from aicfg.experiments.ask.loader import load
from aicfg.experiments.capacity.asks import capacity_ask, joined
from aicfg.experiments.capacity.case import prepare_capacity
from aicfg.experiments.capacity.reduction import reduce_requests
from aicfg.experiments.capacity.trace import read_trace
from aicfg.experiments.solving.assemble import MODES
from aicfg.solver.capacity_solve import solve_capacity

MODEL = {"model": "Qwen/Qwen3-32B", "sla": {"ttft_ms": 3000, "tpot_ms": 30}}
CLASSES = [
    {"name": "chat", "isl": 1500, "osl": 400, "share": 0.7},
    {"name": "code", "isl": 6000, "osl": 800, "share": 0.2},
    {"name": "report", "isl": 12000, "osl": 300, "share": 0.1},
]


def pools(*given: tuple[str, int, float]) -> dict[str, Any]:
    """A fleet of pools by system, GPUs and price."""
    return {"pools": [{"system": s, "gpus": n, "price_per_gpu_hour": c} for s, n, c in given]}


def day(path: Path, steps: int) -> str:
    """A day of two peaks as a profile."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "requests_per_s"])
        for step in range(steps):
            hour = 24 * step / steps
            two = 50 * math.exp(-(((hour - 10.5) / 3) ** 2)) + 70 * math.exp(-(((hour - 20) / 2.4) ** 2))
            rows.writerow([f"{hour:.2f}", f"{30 + two:.1f}"])
    return str(path)


def questions(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and experiment of each benchmark."""
    three = pools(("h100_sxm", 1536, 2.5), ("h200_sxm", 1536, 3.1), ("b200_sxm", 1024, 5.2))
    two = pools(("h100_sxm", 256, 2.5), ("h200_sxm", 256, 3.1))
    for types in (1, 2, "any"):
        for objective, rate in (("cost", 1500), ("gpus", 1500), ("tokens_per_s", None)):
            yield (
                f"3 pools, 4,096 GPUs, 3 classes, {types} types a role, {objective}",
                {
                    **MODEL,
                    "workload": {"classes": CLASSES},
                    "fleet": three,
                    "serving": {"types_per_role": types},
                    "objective": objective,
                    "load": {"requests_per_s": rate, "utilisation": 0.8} if rate else {"utilisation": 0.8},
                },
            )
    for types in (1, 2):
        for objective in ("gpus", "cost"):
            yield (
                f"24 steps on 2 pools, {types} types a role, {objective}",
                {
                    **MODEL,
                    "workload": {"isl": 3000, "osl": 400},
                    "fleet": two,
                    "serving": {"types_per_role": types},
                    "objective": objective,
                    "load": {"profile": day(folder / "day.csv", 24), "utilisation": 0.8},
                    "spare": 1,
                },
            )


def solved(name: str, experiment: dict[str, Any], limit_s: float) -> None:
    """One line a mode."""
    case = prepare_capacity(load(experiment)[0])
    of = joined(case)
    for mode in MODES[case.experiment.serving.mode]:
        ask = capacity_ask(case, of, mode, limit_s)
        started = process_time()
        answer = solve_capacity(of.points, ask)
        took, size = process_time() - started, answer.statistics
        value = None if answer.value is None else answer.value / answer.per_unit
        gap = "-" if answer.gap is None else f"{answer.gap:.1e}"
        print(
            f"{name:62} {mode:7} {took:7.2f} s  {answer.status:10} gap {gap:8} value {value}  "
            f"({size.points_considered:,} points, {size.rows:,} rows, {size.columns:,} columns)",
            flush=True,
        )


def trace(folder: Path, count: int) -> None:
    """Read and reduce ``count`` requests with heavy-tailed lengths."""
    random = np.random.default_rng(0)
    isl = np.clip(np.rint(random.lognormal(7, 1.2, count)), 1, 120_000).astype(int)
    osl = np.clip(np.rint(random.lognormal(5, 1, count)), 2, 8_000).astype(int)
    arrival = np.cumsum(random.exponential(0.05, count))
    path = folder / "requests.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("arrival,isl,osl\n")
        file.writelines(f"{t:.3f},{i},{o}\n" for t, i, o in zip(arrival, isl, osl, strict=True))
    started = process_time()
    read = read_trace(path)
    after = process_time()
    for classes in (4, 8, 16, 32):
        begun = process_time()
        reduced = reduce_requests(read.isl, read.osl, read.prefix, classes)
        print(
            f"{count:,} requests read in {after - started:.2f} s, reduced to {classes} classes in "
            f"{process_time() - begun:.2f} s, error {reduced.work_error:.1%}",
            flush=True,
        )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="benchmarks whose name holds this text")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each solve")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.only in "trace":
            trace(Path(folder), 1_000_000)
        for name, experiment in questions(Path(folder)):
            if options.only in name:
                solved(name, experiment, options.limit)


if __name__ == "__main__":
    main()
