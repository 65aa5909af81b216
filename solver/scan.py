"""With one type a role: the optimum in exact integers, by scans over all points and pairs, without an engine.

It proves what engines claim (``certify``), and it is an engine by itself where many asks are to be answered.
"""

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.cheapest import cheapest
from aicfg.solver.errors import EngineImpreciseError, UnsupportedAskError
from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import LATENCIES
from aicfg.solver.pairs import served_by_pairs
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import best_under_caps, fastest_of_size, with_partner
from aicfg.solver.scope import is_scannable
from aicfg.solver.thresholds import Plan, lowest
from aicfg.solver.within import is_coupled, within


def solve_scan(points: Points, ask: Ask) -> Outcome:
    """The unique best plan and its proof; counts by position in ``points``.

    Raises
    ------
    UnsupportedAskError
        Where a plan is more than one point or one pair.
    """
    allowed = within(points, ask)
    of = points.take(allowed)
    if not is_scannable(of, ask):
        raise UnsupportedAskError(
            "engine scan: exact for one type a role, agg or disagg, without constraints on totals and with "
            "worker sizes that divide; use highs"
        )
    plan = scan(of, ask)
    if plan is None:
        return Outcome("scan", np.__version__, Ended.PROVEN_INFEASIBLE, None, None)
    counts = {int(allowed[p]): n for p, n in plan.items()}
    return Outcome("scan", np.__version__, Ended.PROVEN_OPTIMAL, counts, evaluate(points, ask, counts).value)


def proven(allowed: Points, ask: Ask, value: int) -> Plan:
    """The unique best plan; for the highest tokens/s from a value that some plan reaches.

    Raises
    ------
    EngineImpreciseError
        When no plan reaches ``value``.
    """
    if ask.objective != "tokens_per_s":
        best = scan(allowed, ask)
    else:
        while (better := cheapest(allowed, ask, value + 1)) is not None:
            value = evaluate(allowed, ask, better).value
        best = cheapest(allowed, ask, value)
    if best is None:
        raise EngineImpreciseError(f"no plan reaches {value} ({ask.objective}), which one was said to reach")
    return best


def scan(allowed: Points, ask: Ask) -> Plan | None:
    """The unique best plan of a scannable ask, or None; ``allowed`` are the points within the bounds."""
    if ask.objective == "tokens_per_s":
        value = most_tokens(allowed, ask)
        return None if value is None else cheapest(allowed, ask, value)
    best = cheapest(allowed, ask)
    if best is None or ask.objective not in LATENCIES:
        return best

    def find(each: Ask) -> Plan | None:
        keep = within(allowed, each)
        plan = cheapest(allowed.take(keep), each)
        return None if plan is None else {int(keep[p]): n for p, n in plan.items()}

    return lowest(allowed, ask, ask.objective, best, find)[1]


def most_tokens(points: Points, ask: Ask) -> int | None:
    """Highest micro-tokens/s of one agg point or one pair; ``points`` are within the bounds."""
    if ask.mode == "agg":
        return max(agg_tokens(points, ask).tolist(), default=0) or None
    kept = with_partner(points)
    of = points.take(kept)
    kept = kept[best_under_caps(of, ask) if is_coupled(ask) else fastest_of_size(of, of.request_rate)]
    firsts, nexts = (kept[points.role[kept] == role] for role in (Role.PREFILL, Role.DECODE))
    served = int(served_by_pairs(points, ask, firsts, nexts).max(initial=0))
    return ask.tokens_per_request * served or None


def agg_tokens(points: Points, ask: Ask) -> IntArray:
    """Micro-tokens/s of every agg point with as many workers as its pool has GPUs for; 0 below the load."""
    workers = np.array([pool.gpus for pool in ask.pools], np.int64)[points.pool] // points.gpus
    meets = points.request_rate * workers >= (ask.load or 0)
    return np.where(meets, points.token_rate * workers, 0)
