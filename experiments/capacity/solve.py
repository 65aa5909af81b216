"""The whole way from an experiment that plans capacity to its plan."""

from dataclasses import replace
from time import perf_counter

from aicfg.experiments.ask.options import Options
from aicfg.experiments.capacity.asks import Joined, capacity_ask, joined
from aicfg.experiments.capacity.case import CapacityCase, case_of, traffic_of
from aicfg.experiments.capacity.compose import capacity_plan, with_figures
from aicfg.experiments.plans.capacity_figures import Changes, Reduction
from aicfg.experiments.plans.gives_up import with_what_it_gives_up
from aicfg.experiments.plans.plan import Explanation, Plan
from aicfg.experiments.solving.assemble import MODES
from aicfg.model_specs.errors import InputError
from aicfg.solver.answer import Ended
from aicfg.solver.capacity_solve import CapacityAnswer, solve_capacity
from aicfg.solver.objectives import OBJECTIVES
from aicfg.solver.points import Ask


def solve_capacity_case(case: CapacityCase, options: Options) -> Plan:
    """The best plan over the experiment's modes, with what the case says of changes and of the reduction."""
    started = perf_counter() - case.seconds
    if options.alternatives or options.frontier:
        raise InputError("alternatives and frontiers are of plans for one load of one length")
    of = joined(case)
    ranked = _answers(case, of, options)
    plans = [capacity_plan(case, of, ask, answer) for ask, answer in ranked]
    best = plans[0]
    if best.status == "infeasible" and options.explain:
        best = replace(best, mode=None, explanation=_explanation(case, of, options))
    if best.pools and case.current is not None:
        best = with_figures(best, changes=_changes(case, of, ranked[0], best, options))
    if best.pools and case.traffic.reduced is not None:
        best = with_figures(best, reduction=_reduction(case, best, options))
    certificate = replace(best.certificate, total_ms=1000 * (perf_counter() - started))
    others = (with_what_it_gives_up(each, best) for each in plans[1:] if each.pools)
    return replace(best, certificate=certificate, alternatives=tuple(others))


def _answers(case: CapacityCase, of: Joined, options: Options) -> list[tuple[Ask, CapacityAnswer]]:
    """The answer of each mode, the best one first."""
    most = OBJECTIVES[case.experiment.objective].maximize
    asks = [
        capacity_ask(case, of, mode, options.time_limit_s) for mode in MODES[case.experiment.serving.mode]
    ]
    found = [(ask, solve_capacity(of.points, ask, options.engine)) for ask in asks]

    def rank(each: tuple[Ask, CapacityAnswer]) -> tuple[float, float]:
        value = each[1].value
        if value is None:
            return (1.0, each[1].status != "unknown")
        return (0.0, -value if most else value)

    ranked = sorted(found, key=rank)
    return [(ranked[0][0], _over_all_modes(ranked[0][1], [a for _, a in ranked[1:]], most)), *ranked[1:]]


def _over_all_modes(best: CapacityAnswer, others: list[CapacityAnswer], most: bool) -> CapacityAnswer:
    """``best`` with a bound that holds over the other modes too, where one was stopped early."""
    stopped = [each for each in others if each.status in ("feasible", "unknown")]
    if best.value is None or not stopped:
        return best
    bounds = [each.bound for each in (best, *stopped)]
    known = [each for each in bounds if each is not None]
    if len(known) < len(bounds):
        return replace(best, bound=None, ended=Ended.TIME_LIMIT)
    bound = max(known) if most else min(known)
    worse = bound > best.value if most else bound < best.value
    return replace(best, bound=bound, ended=Ended.TIME_LIMIT) if worse else best


def _changes(
    case: CapacityCase, of: Joined, chosen: tuple[Ask, CapacityAnswer], best: Plan, options: Options
) -> Changes:
    """What changes cost, beside a reshuffle without a price and today's workers as they are."""
    from aicfg.experiments.capacity.changes import changes_of

    def answers(change_cost: float | str) -> tuple[Ask, CapacityAnswer]:
        asked = _with_change_cost(case, change_cost)
        return _answers(asked, of, replace(options, engine="highs"))[0]

    return changes_of(case, of, best, chosen, answers(0.0), answers("never"))


def _with_change_cost(case: CapacityCase, change_cost: float | str) -> CapacityCase:
    from msgspec.structs import replace as changed

    replan = case.experiment.replan
    assert replan is not None
    experiment = changed(case.experiment, replan=changed(replan, change_cost=change_cost))
    return replace(case, experiment=experiment)


def _reduction(case: CapacityCase, best: Plan, options: Options) -> Reduction:
    """The objective by the number of classes: of mean lengths alone, of half as many, and as planned."""
    traffic, values = case.traffic, {str(len(case.kinds)): best.objective.value}
    assert traffic.reduced is not None
    for count in sorted({1, len(case.kinds) // 2} - {0, len(case.kinds)}):
        fewer = case_of(case.experiment, traffic_of(case.experiment, count))
        of = joined(fewer)
        _, answer = _answers(fewer, of, replace(options, engine="highs"))[0]
        values[str(count)] = None if answer.value is None else answer.value / answer.per_unit
    return Reduction(
        requests=0 if traffic.trace is None else len(traffic.trace),
        left_out=traffic.left_out,
        work_error=traffic.reduced.work_error,
        values=dict(sorted(values.items(), key=lambda each: int(each[0]))),
    )


def _explanation(case: CapacityCase, of: Joined, options: Options) -> Explanation:
    from aicfg.experiments.capacity.explaining import explain_capacity

    return explain_capacity(case, of, options)
