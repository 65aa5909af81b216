"""The engines by name, and what it means for two of them to agree."""

from collections.abc import Callable
from dataclasses import replace

from aicfg.model_specs.errors import InputError, nearest
from aicfg.solver.answer import Holds, Outcome
from aicfg.solver.errors import EnginesDisagree
from aicfg.solver.highs import solve_highs
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.program import Program

Engine = Callable[[Points, Ask, Program, IntArray], Outcome]
"""Takes the points, the ask, the program and its points' positions; its counts are by position in points."""


def _highs(points: Points, ask: Ask, program: Program, kept: IntArray) -> Outcome:
    return _at(kept, solve_highs(program, ask.time_limit_s))


def _cpsat(points: Points, ask: Ask, program: Program, kept: IntArray) -> Outcome:
    from aicfg.solver.cpsat import solve_cpsat

    return solve_cpsat(points, ask)


def _pyomo(points: Points, ask: Ask, program: Program, kept: IntArray) -> Outcome:
    from aicfg.solver.pyomo_model import solve_pyomo

    return _at(kept, solve_pyomo(program, ask.time_limit_s))


def _scan(points: Points, ask: Ask, program: Program, kept: IntArray) -> Outcome:
    from aicfg.solver.scan import solve_scan

    return solve_scan(points, ask)


ENGINES: dict[str, Engine] = {"highs": _highs, "cpsat": _cpsat, "pyomo": _pyomo, "scan": _scan}
BOTH = ("highs", "cpsat")


def engines_named(name: str) -> tuple[Engine, ...]:
    """The engine called ``name``; ``both`` is HiGHS and CP-SAT, the first one's answer counts.

    Raises
    ------
    InputError
        When there is no such engine.
    """
    if name == "both":
        return tuple(ENGINES[each] for each in BOTH)
    if name not in ENGINES:
        known = [*ENGINES, "both"]
        raise InputError(f"engine: {name!r} is not one of {', '.join(known)}{nearest(name, known)}")
    return (ENGINES[name],)


def check_agreement(outcomes: list[Outcome], maximize: bool = True) -> tuple[str, ...]:
    """Names of the engines that proved what the first one proved.

    Raises
    ------
    EnginesDisagree
        When two proofs contradict each other. What an engine did not prove contradicts nothing but a bound.
    """
    first, *others = outcomes
    for other in others:
        for proved, claims in ((first, other), (other, first)):
            if _contradicts(proved, claims, maximize):
                raise EnginesDisagree(f"{_says(first)}, but {_says(other)}")
    return tuple(each.engine for each in others if each.holds is first.holds)


def _contradicts(proved: Outcome, claims: Outcome, maximize: bool) -> bool:
    """Whether ``claims`` cannot be true beside the proof of ``proved`` (an optimum's bound is its value)."""
    if proved.holds is Holds.INFEASIBLE:
        return claims.counts is not None
    if proved.holds is not Holds.OPTIMAL:
        return False
    if claims.holds is Holds.OPTIMAL:
        return (claims.bound, claims.counts) != (proved.bound, proved.counts)
    if claims.bound is None or proved.bound is None:
        return False
    return claims.bound < proved.bound if maximize else claims.bound > proved.bound


def _says(outcome: Outcome) -> str:
    return f"{outcome.engine} says {outcome.holds.name.lower()} at {outcome.bound} with {outcome.counts}"


def _at(kept: IntArray, outcome: Outcome) -> Outcome:
    """The outcome with its counts at positions of the points that the program was stated from."""
    if outcome.counts is None:
        return outcome
    return replace(outcome, counts={int(kept[p]): n for p, n in outcome.counts.items()})
