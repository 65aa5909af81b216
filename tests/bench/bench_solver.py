"""Times of the solver on points of real sizes: ``python tests/bench/bench_solver.py``. Not a test."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "solver"))

from large import MS, fleet

from aicfg.solver.alternatives import alternatives
from aicfg.solver.pareto import frontier
from aicfg.solver.price import prices
from aicfg.solver.solve import solve
from aicfg.solver.whatif import WhatIf

LOAD = 2_000_000_000


def timed(do: Callable[[], Any], runs: int = 1) -> tuple[float, Any]:
    """Lowest wall time in seconds, and the last result."""
    best = float("inf")
    for _ in range(runs):
        started = perf_counter()
        found = do()
        best = min(best, perf_counter() - started)
    return best, found


def default() -> None:
    """One pool of 64 GPUs: the solve, and what is asked around its optimum."""
    for mode in ("agg", "disagg", "mixed"):
        for layouts in (40, 300):
            points, ask = fleet((64,), mode, layouts=layouts)
            seconds, answer = timed(lambda: solve(points, ask), 7)  # noqa: B023
            corners_s, corners = timed(lambda: frontier(points, ask), 3)  # noqa: B023
            others_s, _ = timed(lambda: alternatives(points, ask, answer, 3))  # noqa: B023
            prices_s, _ = timed(lambda: prices(points, ask))  # noqa: B023
            asks = [replace(ask, tpot_ns=(8_000 + 200 * i) * 1000) for i in range(200)]
            asks = asks[::20] if mode == "mixed" else asks
            sweep_s, _ = timed(lambda: WhatIf(points).sweep(asks))  # noqa: B023
            print(
                f"64 GPUs, {mode:6} {layouts:3} layouts a role, {len(points):6} points: "
                f"solve {1e3 * seconds:5.1f} ms, frontier of {len(corners):3} corners "
                f"{1e3 * corners_s:5.1f} ms, 3 alternatives {others_s:.2f} s, "
                f"prices {prices_s:.2f} s, {len(asks)} what-ifs {sweep_s:.2f} s",
                flush=True,
            )


def scale() -> None:
    """Three pools, 4,096 GPUs together, and 4,096 each: one, two, any number of types; disagg and mixed."""
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"objective": "cost", "load": LOAD},
        {"objective": "tpot", "load": LOAD},
        {"request_latency_ns": 12_000 * MS},
        {"constraints": ("decode.tp >= prefill.tp", "gpus <= 3000")},
    )
    for gpus in ((2048, 1024, 1024), (4096, 4096, 4096), (2313, 1001, 782)):
        for mode in ("disagg", "mixed"):
            for types in (1, 2, None):
                for more in asked if gpus[0] == 2048 else asked[:1]:
                    points, ask = fleet(gpus, mode, types_per_role=types, **more)
                    seconds, answer = timed(lambda: solve(points, ask))  # noqa: B023
                    print(
                        f"{gpus!s:20} {mode:7} types {types or 'any'!s:4} {more or ''}: "
                        f"{seconds:5.2f} s, {answer.status}, gap {answer.gap}, "
                        f"{len(answer.points)} types, {answer.gpus_used} GPUs",
                        flush=True,
                    )


if __name__ == "__main__":
    default()
    scale()
