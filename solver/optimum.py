"""The optimum's figure alone, or whether there is a plan: for questions that ask many times.

Where the scan is exact (``scope``) the answer is in integers and needs no engine; else it is HiGHS's.
"""

from dataclasses import replace

from aicfg.solver import rising
from aicfg.solver.cheapest import cheapest
from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import LATENCIES
from aicfg.solver.points import Ask, Points
from aicfg.solver.scan import most_tokens, scan
from aicfg.solver.scope import is_scannable
from aicfg.solver.stages import Clock, Finder, attempt
from aicfg.solver.thresholds import Plan, lowest
from aicfg.solver.within import within


def any_plan(points: Points, ask: Ask) -> Plan | None:
    """Some plan of ``ask``, by positions in ``points``, or None: then none exists."""
    allowed = within(points, ask)
    of = points.take(allowed)
    if not is_scannable(of, ask):
        return attempt(points, replace(ask, objective="any"), Clock.of(ask)).counts
    plan = cheapest(of, ask)
    return None if plan is None else {int(allowed[p]): n for p, n in plan.items()}


def best_figure(points: Points, ask: Ask) -> int | None:
    """The figure of ``ask.objective`` at the optimum, in its integers; None when no plan exists."""
    of = points.take(within(points, ask))
    if is_scannable(of, ask):
        if ask.objective == "tokens_per_s":
            return most_tokens(of, ask)
        plan = scan(of, ask)
    elif rising.is_rising(of, ask):
        return rising.most_tokens(of, ask)
    elif ask.objective in LATENCIES:
        plan = any_plan(of, ask)
        if plan is not None:
            asked = replace(ask, objective="any")
            plan = lowest(of, asked, ask.objective, plan, Finder(of, Clock.of(ask)))[1]
    else:
        plan = attempt(of, ask, Clock.of(ask)).counts
    return None if plan is None else evaluate(of, ask, plan).value
