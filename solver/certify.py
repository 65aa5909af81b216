"""From an engine's outcome to an answer whose value is exact and whose plan is the only one."""

from dataclasses import replace
from functools import partial
from time import perf_counter

from aicfg.solver.answer import Answer, Ended, Holds, Outcome, Statistics
from aicfg.solver.cheapest import cheapest
from aicfg.solver.errors import EngineImpreciseError
from aicfg.solver.evaluate import Evaluation, evaluate
from aicfg.solver.order import canonical_key
from aicfg.solver.points import Ask, IntArray, Points

TOLERANCE = 1e-9
"""Relative difference of an engine's value from the exact one that can be rounding; a larger one raises."""


def certify(points: Points, ask: Ask, allowed: IntArray, outcome: Outcome) -> Outcome:
    """The outcome with its proof checked in integers and its plan put in place of all equally good ones.

    An optimum that floating point cut short by some micro-units is raised to the exact one: the scan finds
    any plan above the value, and finding none is the proof.

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
    counts, value = outcome.counts, found.value
    if ask.types_per_role == 1:
        counts, value = _proven(points.take(allowed), ask, value)
        counts = {int(allowed[p]): n for p, n in counts.items()}
    for claimed in (found.value, outcome.bound):
        if claimed is not None and abs(claimed - value) > TOLERANCE * value + 1:
            raise EngineImpreciseError(
                f"{outcome.engine} claims an optimum of {claimed} micro-tokens/s, exact is {value}"
            )
    return Outcome(outcome.engine, outcome.version, outcome.ended, counts, value)


def _sound(points: Points, ask: Ask, outcome: Outcome, counts: dict[int, int]) -> Evaluation:
    found = evaluate(points, ask, counts)
    if found.broken:
        raise EngineImpreciseError(f"the plan of {outcome.engine} breaks {', '.join(found.broken)}")
    return found


def _proven(allowed: Points, ask: Ask, value: int) -> tuple[dict[int, int], int]:
    """The unique best plan and the highest value, from a value that some plan reaches."""
    while (better := cheapest(allowed, ask, value + 1)) is not None:
        value = evaluate(allowed, ask, better).value
    best = cheapest(allowed, ask, value)
    if best is None:
        raise EngineImpreciseError(f"no plan reaches {value} micro-tokens/s, which one was said to reach")
    return best, value


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
    )
    if outcome.counts is None or outcome.holds is Holds.INFEASIBLE:
        return answer(bound=outcome.bound)
    chosen = sorted(outcome.counts, key=lambda p: canonical_key(points, p))
    found = evaluate(points, ask, outcome.counts)
    return answer(
        points=tuple(chosen),
        workers=tuple(outcome.counts[p] for p in chosen),
        value=found.value,
        bound=None if outcome.bound is None else max(outcome.bound, found.value),
        gpus_used=sum(found.gpus),
        ttft_ns=found.ttft_ns,
        tpot_ns=found.tpot_ns,
        request_latency_ns=found.request_latency_ns,
    )
