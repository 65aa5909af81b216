"""The whole way from an experiment to its plan: what ``aicfg.solve`` and the command line call."""

from dataclasses import dataclass, replace
from time import perf_counter

from aicfg.experiments.assemble import Candidates, Mode, ask, candidates, modes
from aicfg.experiments.compose import plan_of
from aicfg.experiments.loader import Source, load
from aicfg.experiments.plan import Plan
from aicfg.experiments.prepare import Case, prepare
from aicfg.experiments.schema import Experiment
from aicfg.model_specs.errors import InputError
from aicfg.solver.solve import solve as solve_points
from aicfg.solver.user import rules


@dataclass(frozen=True)
class Options:
    """How to solve; none of it changes what is best."""

    engine: str = "highs"
    time_limit_s: float | None = None
    explain: bool = True
    """Say what would make a plan exist when none does."""


def solve(
    source: Source, *, engine: str = "highs", time_limit_s: float | None = None, explain: bool = True
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
    return solve_experiment(experiments[0], Options(engine, time_limit_s, explain))


def solve_all(
    source: Source, *, engine: str = "highs", time_limit_s: float | None = None, explain: bool = True
) -> list[Plan]:
    """The proven best plan of each experiment of ``source``, in its order; see ``solve``."""
    options = Options(engine, time_limit_s, explain)
    return [solve_experiment(experiment, options) for experiment in load(source)]


def solve_experiment(experiment: Experiment, options: Options) -> Plan:
    """The best plan of a checked experiment."""
    return solve_case(prepare(experiment), options)


def solve_case(case: Case, options: Options) -> Plan:
    """The best plan over the experiment's modes; the other mode's is its alternative."""
    started = perf_counter() - case.seconds
    found = candidates(case)
    if case.experiment.constraints:
        _check_constraints(case, found)
    plans = [_solve_mode(case, found, mode, options) for mode in modes(case)]
    best, *others = sorted(plans, key=_rank)
    if best.status == "infeasible" and options.explain:
        from aicfg.experiments.demands import explanation

        best = replace(best, mode=None, explanation=explanation(case, found, options.engine))
    best = _over_all_modes(best, others)
    certificate = replace(best.certificate, total_ms=1000 * (perf_counter() - started))
    return replace(best, certificate=certificate, alternatives=tuple(each for each in others if each.pools))


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


def _solve_mode(case: Case, found: Candidates, mode: Mode, options: Options) -> Plan:
    started = perf_counter()
    answer = solve_points(found.points, ask(case, found, mode, options.time_limit_s), options.engine)
    return plan_of(case, mode, found, answer, 1000 * (perf_counter() - started))


def _rank(plan: Plan) -> tuple[float, ...]:
    """Better plans first, as the solver has it; without a plan an open end precedes a proof of none."""
    if plan.objective.value is None or plan.gpus_used is None:
        return (1.0, 0.0 if plan.status == "unknown" else 1.0)
    latencies = (plan.ttft_ms or 0.0, plan.tpot_ms or 0.0)
    return (0.0, _sign(plan) * plan.objective.value, plan.gpus_used, *latencies)
