"""What must hold of every answer, whatever is asked: on random fleets of all families."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import competing, fleet

from aicfg.solver.alternatives import alternatives, types_of
from aicfg.solver.answer import Answer
from aicfg.solver.axes import axes
from aicfg.solver.evaluate import evaluate
from aicfg.solver.explain import explain, relaxed
from aicfg.solver.objectives import objective_of
from aicfg.solver.pareto import frontier
from aicfg.solver.points import Ask, Points
from aicfg.solver.price import prices
from aicfg.solver.relaxation import Relaxation
from aicfg.solver.solve import solve
from aicfg.solver.ways import rank, solve_ways

seeds = st.integers(0, 10**6)
few = settings(max_examples=25, deadline=None)


def counts(answer: Answer) -> dict[int, int]:
    """Workers of an answer by point."""
    return dict(zip(answer.points, answer.workers, strict=True))


def worse(points: Points, ask: Ask) -> float:
    """The best figure as a number of which less is better; infinite without a plan."""
    value = solve(points, ask).value
    return float("inf") if value is None else -value if objective_of(ask).maximize else value


@few
@given(seeds)
def test_a_plan_holds_what_is_asked(seed):
    """Recomputed from counts alone nothing is broken, and all figures are those that are said."""
    points, ask = fleet(seed)
    answer = solve(points, ask)
    if answer.value is None:
        assert answer.points == () and answer.tokens is None
        return
    found = evaluate(points, ask, dict(zip(answer.points, answer.workers, strict=True)))
    assert found.broken == () and answer.bound == answer.value == found.value
    assert (answer.tokens, answer.requests, answer.cost) == (found.tokens, found.requests, found.cost)
    assert answer.gpus_used == sum(found.gpus) and answer.ttft_ns == found.ttft_ns


@few
@given(seeds, st.integers(1, 10**7))
def test_loosening_a_bound_never_hurts(seed, more):
    """Along every axis: latencies, load, memory, GPUs, user constraints."""
    points, ask = fleet(seed)
    before = worse(points, ask)
    for axis in axes(points, ask, memory=True):
        step = min(
            more if axis.name in ("ttft", "tpot", "request_latency", "load") else 1,
            abs(axis.loosest - axis.asked),
        )
        if step and axis.name != ask.objective:
            assert worse(*axis.apply(points, ask, axis.asked + axis.looser * step)) <= before


@few
@given(seeds)
def test_a_type_more_and_a_freer_mode_never_hurt(seed):
    """More types a role, and mixed instead of agg or disagg, never lower the optimum."""
    points, ask = fleet(seed)
    if any(word in text for text in ask.constraints for word in ("agg", "types", "workers")):
        return
    before = worse(points, ask)
    assert worse(points, replace(ask, types_per_role=None)) <= before
    assert worse(points, replace(ask, mode="mixed")) <= before


@few
@given(seeds)
def test_an_own_constraint_that_always_holds_changes_nothing(seed):
    """The plan stays, whether a constraint is stated that every plan keeps."""
    points, ask = fleet(seed)
    idle = replace(ask, constraints=(*ask.constraints, "2 * gpus >= workers"))
    first, second = solve(points, ask), solve(points, idle)
    assert (first.status, first.value, first.gpus_used, first.ttft_ns, first.tpot_ns) == (
        second.status, second.value, second.gpus_used, second.ttft_ns, second.tpot_ns,
    )  # fmt: skip


@few
@given(seeds)
def test_the_frontier_rises_and_contains_the_optimum(seed):
    """Tokens/s rise strictly with TPOT, and the last corner that meets the SLA has the optimum."""
    points, ask = fleet(seed)
    ask = replace(ask, objective="tokens_per_s")
    found, best = frontier(points, ask), solve(points, ask)
    assert [each.tokens for each in found] == sorted({each.tokens for each in found})
    assert [each.tpot_ns for each in found] == sorted({each.tpot_ns for each in found})
    meeting = [each for each in found if each.meets_sla]
    assert (meeting[-1].tokens if meeting else None) == best.value


@few
@given(seeds, st.integers(1, 2), st.booleans())
def test_the_frontier_of_competing_modes_contains_the_optimum(seed, pools, ttft):
    """The same over both modes and with TTFT as an axis; each corner is a plan with the figures it says."""
    points, asks = competing(seed, pools)
    best, found = solve_ways(points, asks), frontier(points, asks, ttft)
    meeting = [each.tokens for each in found if each.meets_sla]
    assert max(meeting, default=None) == best.value
    for corner in found:
        ask = next(each for each in asks if each.mode == corner.mode)
        free = replace(ask, tpot_ns=None, ttft_ns=None if ttft else ask.ttft_ns)
        plan = evaluate(points, free, dict(zip(corner.points, corner.workers, strict=True)))
        assert plan.broken == ()
        assert (plan.tokens, plan.tpot_ns, plan.ttft_ns) == (corner.tokens, corner.tpot_ns, corner.ttft_ns)


@few
@given(seeds)
def test_alternatives_are_no_better_and_in_order(seed):
    """Each is a plan of another structure, none better than the one before it."""
    points, ask = fleet(seed)
    best = solve(points, ask)
    before, seen = best, [types_of(points, best)]
    for each in alternatives(points, ask, best, 3):
        assert rank(each.answer)[0] >= rank(before)[0] * (1 + 1e-11 if rank(before)[0] < 0 else 1 - 1e-11)
        assert types_of(points, each.answer) not in seen
        assert each.gives_up >= -1e-11
        assert evaluate(points, ask, counts(each.answer)).broken == ()
        before, seen = each.answer, [*seen, types_of(points, each.answer)]


@settings(max_examples=12, deadline=None)
@given(seeds)
def test_a_price_is_where_the_optimum_changes(seed):
    """It holds at the tightest bound that keeps it, is worse beyond it, and better at the looser step."""
    points, ask = fleet(seed)
    by_name = {axis.name: axis for axis in axes(points, ask)}
    sign = 1 if objective_of(ask).maximize else -1
    for price in prices(points, ask):
        axis = by_name[price.constraint]
        assert solve(*axis.apply(points, ask, price.keeps)).value == price.value
        if price.tighter is not None:
            beyond = solve(*axis.apply(points, ask, price.tighter.bound)).value
            assert beyond == price.tighter.value
            assert beyond is None or sign * beyond < sign * price.value
        if price.looser is not None:
            better = solve(*axis.apply(points, ask, price.looser.bound)).value
            assert better == price.looser.value is not None
            assert sign * better > sign * price.value


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_relaxations_suffice_and_a_hundredth_less_does_not(seed):
    """Every change that an explanation names leads to a plan; with 1 % less of it there is none."""
    points, ask = fleet(seed)
    if solve(points, ask).value is not None:
        return
    for each in explain(points, ask).relaxations:
        assert solve(*relaxed(points, ask, (each,))).value is not None
        size = abs(each.needed - each.asked)
        sign = 1 if each.needed > each.asked else -1
        less = Relaxation(each.constraint, each.asked, each.needed - sign * max(size // 100, 1))
        assert solve(*relaxed(points, ask, (less,))).value is None
