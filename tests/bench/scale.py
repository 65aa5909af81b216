"""Times at scale, with real curves: three pools of 4,096 GPUs together for DeepSeek-V3, and 200 what-ifs.

    python tests/bench/scale.py

Prints, for each way to serve, what pricing took (curves into points) and what the solver took (filter, prune,
state, solve, prove), in seconds of wall and CPU time, and the gap; then the time of a 200-point sweep of a
dense model over its TPOT bound.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

import aicfg
from aicfg.experiments.ask.loader import load
from aicfg.experiments.solving.assemble import ask, candidates, modes
from aicfg.experiments.solving.prepare import prepare
from aicfg.solver.solve import solve

FLEET = {
    "model": "deepseek-ai/DeepSeek-V3",
    "workload": {"isl": 4000, "osl": 1000},
    "sla": {"ttft_ms": 2000, "tpot_ms": 30},
    "fleet": {
        "pools": [
            {"system": "h100_sxm", "gpus": 2048, "price_per_gpu_hour": 2.5},
            {"system": "h200_sxm", "gpus": 1024, "price_per_gpu_hour": 3.5},
            {"system": "b200_sxm", "gpus": 1024, "price_per_gpu_hour": 5.5},
        ]
    },
}
WAYS = (
    ("auto, one type a role", {"mode": "auto"}, {}),
    ("auto, any types", {"mode": "auto", "types_per_role": "any"}, {}),
    ("mixed, any types", {"mode": "mixed", "types_per_role": "any"}, {}),
    (
        "mixed, any types, any chunk",
        {"mode": "mixed", "types_per_role": "any", "search": {"agg": {"chunk_tokens": "auto"}}},
        {},
    ),
    (
        "lowest cost of 500 requests/s",
        {"mode": "mixed", "types_per_role": "any"},
        {"objective": "cost", "load": {"requests_per_s": 500}},
    ),
)
DENSE = Path(__file__).parents[2] / "examples" / "qwen3-32b-h100-vllm.yaml"

Found = TypeVar("Found")


class Took(NamedTuple):
    """Seconds."""

    wall_s: float
    cpu_s: float


def timed(do: Callable[[], Found]) -> tuple[Took, Found]:
    """What ``do`` finds, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = do()
    return Took(time.perf_counter() - wall, time.process_time() - cpu), found


def main() -> None:
    """Measure and print."""
    print(f"{'4,096 GPUs':32}{'points':>9}{'pricing s':>15}{'solver s':>15}  gap, value")
    for name, serving, more in WAYS:
        (experiment,) = load({**FLEET, "serving": {"backend": "vllm", **serving}, **more})
        case = prepare(experiment)
        priced, found = timed(lambda: candidates(case))  # noqa: B023
        solved, answers = timed(
            lambda: [solve(found.points, ask(case, found, mode, None)) for mode in modes(case)]  # noqa: B023
        )
        pick = max if experiment.objective == "tokens_per_s" else min
        best = pick((each for each in answers if each.value), key=lambda each: each.value or 0)
        print(
            f"{name:32}{len(found.points):9,}{_shown(priced):>15}{_shown(solved):>15}  "
            f"{best.gap}, {(best.value or 0) / 1e6:,.1f} ({', '.join(each.status for each in answers)})",
            flush=True,
        )
    bounds = np.round(np.arange(6.0, 46.0, 0.2), 1).tolist()
    took, rows = timed(lambda: aicfg.sweep(DENSE, {"sla.tpot_ms": bounds}))
    print(f"sweep of {len(rows)} TPOT bounds, dense: {_shown(took)} s (wall / CPU)")


def _shown(took: Took) -> str:
    return f"{took.wall_s:.2f} / {took.cpu_s:.2f}"


if __name__ == "__main__":
    main()
