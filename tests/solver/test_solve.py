"""The whole way: engines and brute force agree, and what must hold of every answer."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instances import INSTANCES
from synthetic import realistic, small

from aicfg.solver.answer import Answer
from aicfg.solver.evaluate import evaluate
from aicfg.solver.points import Ask, Points, Pool, Role
from aicfg.solver.solve import solve

MODES = ("agg", "disagg")
seeds = st.integers(0, 10**6)
modes = st.sampled_from(MODES)


def plan_of(answer: Answer) -> dict[int, int]:
    """Workers by position."""
    return dict(zip(answer.points, answer.workers, strict=True))


def check(points: Points, ask: Ask, answer: Answer) -> None:
    """The answer is the oracle's: status, value, bound, and the very plan."""
    best = oracle.best(points, ask)
    if best is None:
        assert (answer.status, answer.value, answer.points) == ("infeasible", None, ())
    else:
        assert (answer.status, answer.value, answer.bound, answer.gap) == ("optimal", best[0], best[0], 0.0)
        assert plan_of(answer) == best[1]


@pytest.mark.parametrize("engine", ("highs", "cpsat", "pyomo"))
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda each: each.name)
def test_named_instances(instance, engine):
    """Every engine finds the optimum and the plan worked out by hand, and so does brute force."""
    answer = solve(instance.points, instance.ask, engine)
    assert answer.value == instance.value
    assert plan_of(answer) == (instance.plan or {})
    check(instance.points, instance.ask, answer)


@pytest.mark.parametrize("seed", range(160))
def test_engines_and_brute_force_agree(seed):
    """HiGHS, CP-SAT and brute force agree on random instances: agg, disagg, one pool, two, all bounds."""
    points, ask = small(seed, MODES[seed % 2], pools=1 + seed // 2 % 2)
    answer = solve(points, ask, "both")
    check(points, ask, answer)
    assert answer.checked_by == ("cpsat",)


@pytest.mark.parametrize("seed", range(60))
def test_two_types_a_role(seed):
    """With two types a role HiGHS's value is that of brute force."""
    points, ask = small(seed, MODES[seed % 2], pools=1 + seed // 2 % 2, types=2)
    best, answer = oracle.best(points, ask), solve(points, ask)
    assert (answer.value, answer.bound) == ((best[0], best[0]) if best else (None, None))


@settings(max_examples=60, deadline=None)
@given(seeds, modes)
def test_a_plan_holds_what_is_asked(seed, mode):
    """Recomputed from the counts alone, a plan breaks nothing and has the value and figures that are said."""
    points, ask = small(seed, mode)
    answer = solve(points, ask)
    if answer.value is None:
        return
    found = evaluate(points, ask, plan_of(answer))
    assert found.broken == ()
    assert answer.bound is not None and answer.bound >= answer.value == found.value
    assert (answer.gpus_used, answer.ttft_ns, answer.tpot_ns, answer.request_latency_ns) == (
        sum(found.gpus), found.ttft_ns, found.tpot_ns, found.request_latency_ns,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(seeds, modes, st.sampled_from(("ttft_ns", "tpot_ns", "request_latency_ns")), st.integers(1, 10**8))
def test_relaxing_a_bound_never_hurts(seed, mode, bound, more):
    """A looser latency bound, or none, never lowers the optimum."""
    points, ask = small(seed, mode)
    asked = getattr(ask, bound)
    tight = solve(points, ask).value or 0
    loose = solve(points, replace(ask, **{bound: None if asked is None else asked + more})).value or 0
    none = solve(points, replace(ask, **{bound: None})).value or 0
    assert tight <= loose <= none


@settings(max_examples=60, deadline=None)
@given(seeds, modes)
def test_a_gpu_more_never_hurts(seed, mode):
    """One GPU more never lowers the optimum."""
    points, ask = small(seed, mode)
    more = (replace(ask.pools[0], gpus=ask.pools[0].gpus + 1),)
    assert (solve(points, ask).value or 0) <= (solve(points, replace(ask, pools=more)).value or 0)


@settings(max_examples=60, deadline=None)
@given(seeds, modes, st.integers(0, 2**32 - 1))
def test_order_of_the_points_does_not_matter(seed, mode, shuffle):
    """The same points in another order give the same points and counts."""
    points, ask = small(seed, mode, pools=2)
    order = np.random.default_rng(shuffle).permutation(len(points))
    shuffled = plan_of(solve(points.take(order), ask))
    assert {int(order[p]): n for p, n in shuffled.items()} == plan_of(solve(points, ask))


def test_statistics_say_how_large_the_problem_was():
    """Points shrink from considered to allowed to those of the program, whose size is told."""
    points = realistic(Role.DECODE, 8, 64)
    both = Ask((Pool("a", 32, 8),), "agg", 500, 499)
    assert solve(points, both).statistics.points_considered == 0
    points = realistic(Role.AGG, 8, 64, 2)
    found = solve(points, replace(both, tpot_ns=20_000_000)).statistics
    assert found.points_considered == 1024 > found.points_allowed > found.points_in_program > 0
    assert found.columns == 2 * found.points_in_program + 1
    assert found.worker_types == 8 and found.rows > 0 and found.solve_ms > 0


def test_large_values_are_exact():
    """Rates that differ by one micro-unit in 1e11 are told apart, by value and by engine."""
    points = realistic(Role.AGG, 8, 16)
    rate = 10**11 + np.random.default_rng(3).permutation(len(points))
    points = replace(points, token_rate=rate, gpus=np.ones(len(points), np.int64))
    answer = solve(points, Ask((Pool("a", 4096, 8),), "agg", 500, 499), "both")
    assert answer.value == answer.bound == 4096 * (10**11 + len(points) - 1)
