"""What lies around the best plan: the frontier, and the best plans of another structure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.tradeoffs import Corner
from aicfg.experiments.solving.assemble import MICRO, NS_PER_MS, Candidates, Mode
from aicfg.experiments.solving.compose import plan_of
from aicfg.experiments.solving.counted import default_margin
from aicfg.experiments.solving.outcomes import pool_outcomes
from aicfg.experiments.solving.prepare import Case
from aicfg.solver import alternatives as solver
from aicfg.solver import pareto
from aicfg.solver.answer import Answer
from aicfg.solver.points import Ask


def frontier_of(case: Case, found: Candidates, asks: Sequence[Ask], *, ttft: bool) -> tuple[Corner, ...]:
    """The frontier over all modes, by rising TPOT and then TTFT.

    The bound on TPOT (with ``ttft`` that on TTFT as well) is left out; everything else that is asked holds.
    """
    free = [replace(each, time_limit_s=None) for each in asks]  # a frontier with gaps would be none
    corners = pareto.frontier(found.points, free, ttft)
    best = max((each for each in corners if each.meets_sla), key=lambda each: each.tokens, default=None)
    return tuple(_corner(case, found, each, chosen=each is best) for each in corners)


def _corner(case: Case, found: Candidates, each: pareto.Corner, *, chosen: bool) -> Corner:
    margin = default_margin(case.experiment.sla, case.model.profile)
    tokens, tpot_ms = each.tokens / MICRO, each.tpot_ns / margin / NS_PER_MS
    return Corner(
        cast(Mode, each.mode),
        tokens,
        tokens / case.experiment.fleet.budget,
        1000 / tpot_ms,
        each.ttft_ns / NS_PER_MS,
        tpot_ms,
        each.requests / MICRO,
        each.gpus_used,
        each.meets_sla,
        chosen,
        pool_outcomes(case, found, each.points, each.workers),
    )


def alternatives_of(
    case: Case, found: Candidates, asks: Sequence[Ask], best: Answer, count: int
) -> Iterator[Plan]:
    """The ``count`` best plans of another set of worker types than ``best`` and than each other."""
    for each in solver.alternatives(found.points, asks, best, count):
        answer = each.answer
        yield plan_of(case, cast(Mode, answer.mode), found, answer, answer.statistics.solve_ms)
