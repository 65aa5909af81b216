"""The lowest bound on a latency with which a plan exists: bisection over the points' own latencies.

A looser bound never loses a plan, so whether one exists is monotone in the bound. TTFT and TPOT of a plan are
those of points, so only these values can be the lowest; a request latency is a sum, so every ns can.
"""

from collections.abc import Callable

import numpy as np

from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import bounded
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.unique import unique

Plan = dict[int, int]
Finder = Callable[[Ask], Plan | None]
"""A plan of an ask, or None when none exists."""


def lowest(points: Points, ask: Ask, latency: str, plan: Plan, find: Finder) -> tuple[int, Plan]:
    """The lowest bound that some plan of ``ask`` keeps, and such a plan; ``plan`` is one of ``ask``."""

    def figure(of: Plan) -> int:
        return evaluate(points, ask, of).figure(latency)

    reached = figure(plan)
    values = _values(points, latency, reached)
    low, high = 0, len(values) - 1 if values is not None else reached
    while low < high:
        middle = (low + high) // 2
        found = find(bounded(ask, latency, int(values[middle]) if values is not None else middle))
        if found is None:
            low = middle + 1
        else:
            plan, reached = found, figure(found)
            high = int(np.searchsorted(values, reached)) if values is not None else reached
    return reached, plan


def _values(points: Points, latency: str, most: int) -> IntArray | None:
    """TTFTs or TPOTs of points up to ``most``, ascending; None for the request latency."""
    if latency == "ttft":
        values = points.ttft_ns[points.role != Role.DECODE]
    elif latency == "tpot":
        values = points.tpot_ns[points.role != Role.PREFILL]
    else:
        return None
    return unique(values[values <= most])
