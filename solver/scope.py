"""Which questions the exact scan over points and pairs answers by itself."""

import numpy as np

from aicfg.solver.packing import nodes_of
from aicfg.solver.points import Ask, Points
from aicfg.solver.user import Filter, rules


def is_scannable(points: Points, ask: Ask) -> bool:
    """Whether a plan is one agg point, or one pair of points, and counts that only the GPUs of a pool limit.

    So with one type a role, no aggregated workers beside the pair, no constraint that is a row, and worker
    sizes whose packing is free. ``points`` are those within the bounds.
    """
    return (
        ask.types_per_role == 1
        and ask.mode != "mixed"
        and not ask.excluded
        and all(isinstance(rule, Filter) for rule in rules(points.take(np.zeros(0, np.int64)), ask))
        and not ask.reached
        and not nodes_of(points, ask)
    )
