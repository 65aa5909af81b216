"""The whole way from an experiment to its plan: what ``aicfg.solve`` and the command line call."""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, cast

from aicfg.experiments.ask.capacity_rules import is_capacity
from aicfg.experiments.ask.loader import Source, load
from aicfg.experiments.ask.options import Frontier, Options
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.plans.gives_up import with_what_it_gives_up
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.solving.assemble import Candidates, Mode, ask, candidates, modes
from aicfg.experiments.solving.compose import plan_of
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import InputError
from aicfg.solver.answer import Answer
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve as solve_points
from aicfg.solver.user import rules
from aicfg.solver.ways import rank

if TYPE_CHECKING:
    from aicfg.experiments.capacity.case import CapacityCase


def solve(
    source: Source,
    *,
    engine: str = "highs",
    time_limit_s: float | None = None,
    explain: bool = True,
    alternatives: int = 0,
    frontier: Frontier | None = None,
    weights: Mapping[str, float] | None = None,
) -> Plan:
    """The proven best plan of one experiment.

    Parameters
    ----------
    source
        Path of a YAML file, a mapping with the same keys, or an ``Experiment``.
    engine
        ``highs``, ``cpsat``, ``pyomo``, or ``both`` (HiGHS, checked by CP-SAT).
    time_limit_s
        Seconds after which an engine stops with what it has; ``None`` lets it finish.
    explain
        When nothing is feasible, find the smallest changes that make a plan exist.
    alternatives
        How many plans of another set of worker types to find, best first (``Plan.alternatives``).
    frontier
        Find the frontier of tokens/s over ``"tpot"``, or over TPOT and ``"ttft"`` (``Plan.pareto``).
    weights
        How dear it is to relax a bound when nothing is feasible, such as ``{"sla.ttft_ms": 4}``.

    Returns
    -------
    Plan
        Also when nothing is feasible: see ``Plan.status`` and ``Plan.explanation``.

    Raises
    ------
    InputError
        For anything wrong with the experiment, one line for each fault.
    """
    experiments = load(source)
    if len(experiments) > 1:
        names = ", ".join(experiment.name for experiment in experiments)
        raise InputError(f"{len(experiments)} experiments ({names}): call aicfg.solve_all for all of them")
    options = Options(engine, time_limit_s, explain, alternatives, frontier, weights or {})
    return solve_experiment(experiments[0], options)


def solve_all(
    source: Source,
    *,
    engine: str = "highs",
    time_limit_s: float | None = None,
    explain: bool = True,
    alternatives: int = 0,
    frontier: Frontier | None = None,
    weights: Mapping[str, float] | None = None,
) -> list[Plan]:
    """The proven best plan of each experiment of ``source``, in its order; see ``solve``."""
    options = Options(engine, time_limit_s, explain, alternatives, frontier, weights or {})
    return [solve_experiment(experiment, options) for experiment in load(source)]


def solve_experiment(experiment: Experiment, options: Options) -> Plan:
    """The best plan of a checked experiment."""
    return solve_ready(ready(experiment), options)


def ready(experiment: Experiment) -> "Case | CapacityCase":
    """Everything that ``experiment`` names; see ``prepare``."""
    if not is_capacity(experiment):
        return prepare(experiment)
    from aicfg.experiments.capacity.case import prepare_capacity  # most experiments plan for one load

    return prepare_capacity(experiment)


def solve_ready(case: "Case | CapacityCase", options: Options) -> Plan:
    """The best plan of a case, whatever it is of."""
    if isinstance(case, Case):
        return solve_case(case, options)
    from aicfg.experiments.capacity.solve import solve_capacity_case

    return solve_capacity_case(case, options)


def is_over_time(case: "Case | CapacityCase") -> bool:
    """Whether the load of a case changes over time."""
    return not isinstance(case, Case) and case.over_time


def asked(case: "Case | CapacityCase") -> tuple[Points, list[Ask]]:
    """The points of a case, and what it asks of them in each of its modes."""
    if isinstance(case, Case):
        found = candidates(case)
        return found.points, [ask(case, found, mode, None) for mode in modes(case)]
    from aicfg.experiments.capacity.asks import asks_of

    return asks_of(case)


def solve_case(case: Case, options: Options) -> Plan:
    """The best plan over the experiment's modes, with what the options ask for around it."""
    started = perf_counter() - case.seconds
    found = candidates(case)
    if case.experiment.constraints:
        _check_constraints(case, found)
    asks = [ask(case, found, mode, options.time_limit_s) for mode in modes(case)]
    answers = sorted((solve_points(found.points, each, options.engine) for each in asks), key=rank)
    plans = [_plan(case, found, each) for each in answers]
    best = _over_all_modes(plans[0], plans[1:])
    if best.status == "infeasible" and options.explain:
        from aicfg.experiments.around.explaining import explanation_of

        best = replace(best, mode=None, explanation=explanation_of(case, options.engine, options.weights))
    certificate = replace(best.certificate, total_ms=1000 * (perf_counter() - started))
    runners_up = tuple(each for each in plans[1:] if each.pools)
    best = replace(best, certificate=certificate, alternatives=runners_up)
    if options.alternatives or options.frontier:
        best = _with_surroundings(best, case, found, asks, answers[0], options)
    others = (with_what_it_gives_up(each, best) for each in best.alternatives)
    return replace(best, alternatives=tuple(others))


def _plan(case: Case, found: Candidates, answer: Answer) -> Plan:
    return plan_of(case, cast(Mode, answer.mode), found, answer, answer.statistics.solve_ms)


def _with_surroundings(
    best: Plan, case: Case, found: Candidates, asks: list[Ask], answer: Answer, options: Options
) -> Plan:
    """The plan with the alternatives and the frontier that are asked for."""
    from aicfg.experiments.around import surroundings  # most solves ask for the plan alone

    if options.alternatives and best.pools:
        others = surroundings.alternatives_of(case, found, asks, answer, options.alternatives)
        best = replace(best, alternatives=tuple(others))
    if options.frontier is None:
        return best
    return replace(best, pareto=surroundings.frontier_of(case, found, asks, ttft=options.frontier == "ttft"))


def _check_constraints(case: Case, found: Candidates) -> None:
    """The names and the terms of the experiment's own constraints.

    Raises
    ------
    InputError
        Beginning with the key of the first one that has no meaning.
    """
    for number, text in enumerate(case.experiment.constraints):
        for mode in modes(case):
            asked = replace(ask(case, found, mode, None), constraints=(text,))
            try:
                rules(found.points, asked)
            except InputError as error:
                raise InputError(f"constraints[{number}]: {str(error).removeprefix('constraint ')}") from None


def _over_all_modes(best: Plan, others: list[Plan]) -> Plan:
    """``best`` with a bound and a status that hold over the other modes too, where one was stopped early."""
    stopped = [each for each in others if each.status in ("feasible", "unknown")]
    value, bounds = best.objective.value, [each.certificate.bound for each in (best, *stopped)]
    if value is None or not stopped:
        return best
    sign = _sign(best)
    known = [sign * each for each in bounds if each is not None]
    if len(known) == len(bounds) and min(known) >= sign * value:
        return best
    bound = sign * min(known) if len(known) == len(bounds) else None
    gap = None if bound is None or not value else abs(bound - value) / value
    return replace(best, status="feasible", certificate=replace(best.certificate, bound=bound, gap=gap))


def _sign(plan: Plan) -> int:
    """By which an objective's value is multiplied for less to be better."""
    return -1 if plan.objective.sense == "max" else 1
