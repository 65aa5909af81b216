"""From an engine's outcome to an answer whose value is exact and whose plan is the only one."""

from dataclasses import replace
from functools import partial
from time import perf_counter

from aicfg.solver.answer import Answer, Ended, Holds, Outcome, Statistics
from aicfg.solver.errors import EngineImpreciseError
from aicfg.solver.evaluate import Evaluation, evaluate
from aicfg.solver.objectives import PRECISION, objective_of
from aicfg.solver.order import canonical_key
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.scan import proven
from aicfg.solver.scope import is_scannable

Settled = dict[int, dict[int, int]]
"""The plan that the stages choose, by the value of the first stage."""
TOLERANCE = 1e-9
"""Relative difference of an engine's value from the exact one that can be rounding; a larger one raises."""


def certify(points: Points, ask: Ask, allowed: IntArray, outcome: Outcome, settled: Settled) -> Outcome:
    """The outcome with its proof checked in integers and its plan put in place of all equally good ones.

    With one type a role an optimum that floating point cut short by some micro-units is raised to the exact
    one: the scan finds any plan above the value, and finding none is the proof.

    Parameters
    ----------
    settled
        Plans by value that an earlier engine's outcome led to: of one value (to rounding) there is one plan.

    Raises
    ------
    EngineImpreciseError
        When the engine's plan breaks a constraint, or its value or bound is off by more than rounding.
    """
    if outcome.counts is None:
        return outcome
    found = _sound(points, ask, outcome, outcome.counts)
    if outcome.ended is not Ended.PROVEN_OPTIMAL:
        return outcome
    key = next((each for each in settled if abs(each - found.value) <= PRECISION * each), found.value)
    if key not in settled:
        settled[key] = _best_plan(points.take(allowed), ask, allowed, outcome.counts, found.value)
    counts = settled[key]
    value = evaluate(points, ask, counts).value
    rounding = TOLERANCE * value + 1 if objective_of(ask).per_unit > 1 else 0
    for claimed in (found.value, outcome.bound):
        if claimed is not None and abs(claimed - value) > rounding:
            raise EngineImpreciseError(
                f"{outcome.engine} claims an optimum of {claimed}, exact is {value} ({ask.objective})"
            )
    return Outcome(outcome.engine, outcome.version, outcome.ended, counts, value)


def _best_plan(of: Points, ask: Ask, allowed: IntArray, counts: dict[int, int], value: int) -> dict[int, int]:
    """The plan that the stages choose, at positions in all points."""
    if is_scannable(of, ask):
        counts = proven(of, ask, value)
    else:
        place = {int(p): i for i, p in enumerate(allowed)}
        from aicfg.solver.stages import Clock, settle  # a plan of one pair does without

        counts = settle(of, ask, {place[p]: n for p, n in counts.items()}, Clock.of(ask))
    return {int(allowed[p]): n for p, n in counts.items()}


def _sound(points: Points, ask: Ask, outcome: Outcome, counts: dict[int, int]) -> Evaluation:
    found = evaluate(points, ask, counts)
    if found.broken:
        raise EngineImpreciseError(f"the plan of {outcome.engine} breaks {', '.join(found.broken)}")
    return found


def make_answer(
    points: Points,
    ask: Ask,
    outcome: Outcome,
    statistics: Statistics,
    started: float,
    checked_by: tuple[str, ...],
) -> Answer:
    """The answer with every figure recomputed from the plan alone."""
    took = replace(statistics, solve_ms=1e3 * (perf_counter() - started))
    answer = partial(
        Answer,
        outcome.ended,
        outcome.holds,
        outcome.engine,
        outcome.version,
        statistics=took,
        checked_by=checked_by,
        objective=ask.objective,
        mode=ask.mode,
    )
    if outcome.counts is None or outcome.holds is Holds.INFEASIBLE:
        return answer(bound=outcome.bound)
    chosen = sorted(outcome.counts, key=lambda p: canonical_key(points, p))
    found = evaluate(points, ask, outcome.counts)
    return answer(
        points=tuple(chosen),
        workers=tuple(outcome.counts[p] for p in chosen),
        value=found.value,
        bound=None if outcome.bound is None else _valid_bound(ask, outcome.bound, found.value),
        tokens=found.tokens,
        requests=found.requests,
        cost=found.cost,
        gpus_used=sum(found.gpus),
        ttft_ns=found.ttft_ns,
        tpot_ns=found.tpot_ns,
        request_latency_ns=found.request_latency_ns,
    )


def _valid_bound(ask: Ask, bound: int, value: int) -> int:
    """A bound that rounding left on the wrong side of a plan is the plan's value."""
    return max(bound, value) if objective_of(ask).maximize else min(bound, value)
