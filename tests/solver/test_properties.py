"""What must hold of every answer, whatever is asked: on random fleets of all families."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import fleet

from aicfg.solver.axes import axes
from aicfg.solver.evaluate import evaluate
from aicfg.solver.explain import explain, relaxed
from aicfg.solver.objectives import objective_of
from aicfg.solver.pareto import frontier
from aicfg.solver.points import Ask, Points
from aicfg.solver.relaxation import Relaxation
from aicfg.solver.solve import solve

seeds = st.integers(0, 10**6)
few = settings(max_examples=25, deadline=None)


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


@pytest.mark.parametrize("seed", range(0, 90, 2))
def test_the_frontier_rises_and_contains_the_optimum(seed):
    """Tokens/s rise strictly with TPOT, and the last corner that meets the SLA has the optimum."""
    points, ask = fleet(seed)
    ask = replace(ask, objective="tokens_per_s")
    found, best = frontier(points, ask), solve(points, ask)
    assert [each.tokens for each in found] == sorted({each.tokens for each in found})
    assert [each.tpot_ns for each in found] == sorted({each.tpot_ns for each in found})
    meeting = [each for each in found if each.meets_sla]
    assert (meeting[-1].tokens if meeting else None) == best.value


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
