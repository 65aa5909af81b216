"""Timing of the solver on realistic synthetic points: ``python tests/solver/bench.py``. Not a test."""

import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import join, realistic

from aicfg.solver.cpsat import solve_cpsat
from aicfg.solver.points import Ask, Points, Pool, Role
from aicfg.solver.solve import solve

MS = 1_000_000
POOL = (Pool("h100_sxm", 32, 8),)
DISAGG = Ask(POOL, "disagg", 500, 499)
AGG = Ask(POOL, "agg", 500, 499)


def cases() -> list[tuple[str, Points, Ask]]:
    """16 x 512 decode with 16 x 8 prefill points, and 16 x 512 x 3 agg points; two kinds of SLA each."""
    split = join([realistic(Role.PREFILL, 16, 8), realistic(Role.DECODE, 16, 512)])
    whole = realistic(Role.AGG, 16, 512, 3)
    return [
        ("disagg, ttft and tpot", split, replace(DISAGG, ttft_ns=300 * MS, tpot_ns=20 * MS)),
        ("disagg, request latency", split, replace(DISAGG, request_latency_ns=12_000 * MS)),
        ("agg, ttft and tpot", whole, replace(AGG, ttft_ns=1_300 * MS, tpot_ns=25 * MS)),
        ("agg, request latency", whole, replace(AGG, request_latency_ns=14_000 * MS)),
    ]


def main() -> None:
    """First and median solve on HiGHS, the proof on CP-SAT."""
    for name, points, ask in cases():
        times = [solve(points, ask).statistics.solve_ms for _ in range(21)]
        started = perf_counter()
        proof = solve_cpsat(points, ask)
        seconds = perf_counter() - started
        print(
            f"{name:25} {len(points):6} points   "
            f"highs: first {times[0]:.1f} ms, median {sorted(times)[10]:.1f} ms"
            f"   cpsat: {proof.ended.name}, {seconds:.2f} s"
        )


if __name__ == "__main__":
    main()
