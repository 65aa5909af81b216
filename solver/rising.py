"""The highest tokens/s as points are allowed by rising TPOT: where GPUs are all that limits.

One type a role shares GPUs by ``splitting``, several by ``filling``. A point that another of its size matches
in rate at a lower TPOT makes no step, and without a coupling of latencies only the fastest of a size counts.
"""

import numpy as np

from aicfg.solver.filling import SeveralTypes
from aicfg.solver.order import rates
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.prune import fastest_of_size, strict_front
from aicfg.solver.scope import is_fillable, is_splittable
from aicfg.solver.splitting import Splitting
from aicfg.solver.thresholds import Plan
from aicfg.solver.within import is_coupled


def is_rising(points: Points, ask: Ask) -> bool:
    """Whether the questions below can be asked; ``points`` are within the bounds."""
    return is_splittable(points, ask) or is_fillable(points, ask)


def _start(points: Points, ask: Ask) -> Splitting | SeveralTypes:
    return Splitting(points, ask) if ask.types_per_role == 1 else SeveralTypes(points, ask)


def rising(points: Points, ask: Ask) -> list[Plan]:
    """A plan of every step of the highest tokens/s over rising bounds on TPOT."""
    front = strict_front(points, rates(points))
    of = points.take(front)
    allowed, reached, plans = _start(of, ask), 0, []
    later = np.flatnonzero(of.role != Role.PREFILL)
    later = later[np.argsort(of.tpot_ns[later], kind="stable")]
    last_of_its_tpot = np.append(np.diff(of.tpot_ns[later]) > 0, True)
    for p, is_last in zip(later.tolist(), last_of_its_tpot.tolist(), strict=False):
        allowed.add(p)
        if is_last and (best := allowed.best()) > reached:
            reached = best
            plans.append({int(front[q]): n for q, n in allowed.plan().items()})
    return plans


def most_tokens(points: Points, ask: Ask) -> int | None:
    """Highest micro-tokens/s; None where nothing is served."""
    enough = strict_front(points, rates(points))
    if not is_coupled(ask):
        enough = fastest_of_size(points, rates(points))
    of = points.take(enough)
    allowed = _start(of, ask)
    for p in np.flatnonzero(of.role != Role.PREFILL).tolist():
        allowed.add(p)
    return allowed.best() or None
