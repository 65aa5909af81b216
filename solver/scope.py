"""Which questions the exact scan over points and pairs answers by itself."""

from dataclasses import replace

import numpy as np

from aicfg.solver.packing import nodes_of
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.user import Filter, rules
from aicfg.solver.within import is_coupled

MOST_TO_SPLIT = 8192
"""GPUs of a pool up to which every split of it is looked at."""


def is_scannable(points: Points, ask: Ask) -> bool:
    """Whether a plan is one agg point, or one pair of points, and counts that only the GPUs of a pool limit.

    So with one type a role, no aggregated workers beside the pair, no constraint that is a row, and worker
    sizes whose packing is free. ``points`` are those within the bounds.
    """
    return ask.mode != "mixed" and not ask.excluded and not ask.reached and _is_free(points, ask)


def is_splittable(points: Points, ask: Ask) -> bool:
    """The same of an agg point and a pair side by side, whose tokens/s add up (``splitting``)."""
    return ask.mode == "mixed" and _asks_for_tokens(ask) and _is_free(points, ask)


def is_fillable(points: Points, ask: Ask) -> bool:
    """Whether GPUs of one pool are all that limits several worker types a role (``filling``).

    Points of several transfer groups share what types are allowed: only any number of them can be told apart.
    """
    groups = np.unique(points.group[points.role != Role.AGG])
    return (
        len(ask.pools) == 1
        and ask.types_per_role != 1
        and (ask.types_per_role is None or len(groups) <= 1)
        and not is_coupled(ask)
        and _asks_for_tokens(ask)
        and _is_free(points, replace(ask, types_per_role=1))
    )


def _asks_for_tokens(ask: Ask) -> bool:
    return (
        ask.objective == "tokens_per_s"
        and ask.load is None
        and max(pool.gpus for pool in ask.pools) <= MOST_TO_SPLIT
        and not ask.excluded
        and not ask.reached
    )


def _is_free(points: Points, ask: Ask) -> bool:
    """Whether one type serves in each role, and nothing but GPUs limits how many workers."""
    return (
        ask.types_per_role == 1
        and ask.capacity is None
        and all(isinstance(rule, Filter) for rule in rules(points.take(np.zeros(0, np.int64)), ask))
        and not nodes_of(points, ask)
    )
