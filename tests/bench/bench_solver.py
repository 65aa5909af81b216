"""Times of the solver on points of real sizes: ``python tests/bench/bench_solver.py``. Not a test."""

import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "solver"))

from large import fleet

from aicfg.solver.solve import solve

SPLIT = (2048, 1024, 1024)
EACH = (4096, 4096, 4096)
UNEVEN = (2313, 1001, 782)


def scale() -> None:
    """Three pools, 4,096 GPUs together, and 4,096 each: one, two, any number of types; disagg and mixed."""
    for gpus in (SPLIT, EACH, UNEVEN):
        for mode in ("disagg", "mixed"):
            for types in (1, 2, None):
                points, ask = fleet(gpus, mode, types_per_role=types)
                started = perf_counter()
                answer = solve(points, ask)
                print(
                    f"{gpus!s:20} {mode:7} types {types or 'any'!s:4} {len(points):7} points, "
                    f"{answer.statistics.points_in_program:3} in program: {perf_counter() - started:6.2f} s, "
                    f"{answer.status}, gap {answer.gap}, {(answer.value or 0) / 1e6:.3f} tokens/s, "
                    f"{len(answer.points)} types, {answer.gpus_used} GPUs",
                    flush=True,
                )


if __name__ == "__main__":
    scale()
