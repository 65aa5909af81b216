"""The points that the program of an ask is stated over: pruned, and for a latency objective also narrowed.

Lemma (lowest latency). Some plan has the worst latency X. Then a plan with a lower one keeps the bound X - 1.
So the points that pruning needs under the bound X, and those that it needs under X - 1, decide whether X is
the lowest: the rows of the program prove it, whatever way X was found.
"""

from dataclasses import replace

import numpy as np

from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import LATENCIES, bounded
from aicfg.solver.order import canonical_order
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.prune import prune
from aicfg.solver.scan import scan
from aicfg.solver.scope import is_scannable
from aicfg.solver.thresholds import Plan, lowest
from aicfg.solver.within import within


def needed(points: Points, ask: Ask) -> IntArray:
    """Positions of the points, which are within the bounds, that the program needs; in canonical order."""
    if ask.objective not in LATENCIES:
        return prune(points, ask)
    plan = _lowest_plan(points, ask)
    if plan is None:
        return prune(points, ask)
    reached = evaluate(points, ask, plan).value
    kept: set[int] = set()
    for bound in (reached, reached - 1):
        tight = replace(bounded(ask, ask.objective, bound), objective="any")
        allowed = within(points, tight)
        kept |= set(allowed[prune(points.take(allowed), tight)].tolist())
    positions = np.array(sorted(kept), np.int64)
    return positions[canonical_order(points.take(positions))]


def _lowest_plan(points: Points, ask: Ask) -> Plan | None:
    """A plan with the lowest latency, as far as the time limit allows."""
    if is_scannable(points, ask):
        return scan(points, ask)
    from aicfg.solver.stages import Clock, Finder, OutOfTimeError, attempt

    asked, clock = replace(ask, objective="any"), Clock.of(ask)
    try:
        plan = attempt(points, asked, clock).counts
        if plan is None:
            return None
        return lowest(points, asked, ask.objective, plan, Finder(points, clock))[1]
    except OutOfTimeError:
        return None
