"""Capacity questions against brute force, on both engines."""

from dataclasses import replace

import capacity_oracle
import pytest
from capacity_instances import KINDS, capacity

from aicfg.solver.capacity_plan import changes
from aicfg.solver.capacity_solve import CapacityAnswer, solve_capacity
from aicfg.solver.points import Ask, Points


def check(points: Points, ask: Ask, answer: CapacityAnswer) -> None:
    """Status, value and bound are those of brute force."""
    best = capacity_oracle.best(points, ask)
    if best is None:
        assert (answer.status, answer.value) == ("infeasible", None)
        return
    rounding = 1 + 1e-6 * best if ask.objective == "tokens_per_s" else 0
    assert answer.status == "optimal" and answer.gap == 0.0
    assert abs(answer.value - best) <= rounding


@pytest.mark.parametrize("seed", range(35))
@pytest.mark.parametrize("kind", KINDS)
def test_capacity_against_brute_force(kind, seed):
    """Classes, spares, steps in time, today's workers and offers, drawn at random, alone and together."""
    points, ask = capacity(seed, kind)
    answer = solve_capacity(points, ask, "both")
    check(points, ask, answer)
    assert answer.checked_by == ("cpsat",)


@pytest.mark.parametrize("seed", range(12))
def test_fewest_changes_first(seed):
    """Where changes are never worth it, both engines find the fewest, and the best plan with so few."""
    points, ask = capacity(seed, "current")
    fewest = replace(ask, capacity=replace(ask.capacity, change_cost=None))
    plain = replace(fewest, objective="gpus")
    answer = solve_capacity(points, plain, "both")
    paid = replace(plain, capacity=replace(plain.capacity, change_cost=1_000_000_000))
    best = capacity_oracle.best(points, paid)
    assert (answer.value is None) == (best is None)
    if best is not None:
        assert answer.value == best % 1_000_000_000 and answer.checked_by == ("cpsat",)
        assert sum(map(abs, changes(plain.capacity, answer.plan).values())) == best // 1_000_000_000


@pytest.mark.parametrize("seed", range(0, 35, 5))
@pytest.mark.parametrize("kind", KINDS)
def test_pyomo_finds_the_same_value(kind, seed):
    """The readable model has the optimum of HiGHS; of one type a role the same plan."""
    points, ask = capacity(seed, kind)
    one, other = (solve_capacity(points, ask, engine) for engine in ("highs", "pyomo"))
    assert one.status == other.status
    if one.value is not None:
        near = 1e-8 * abs(one.value) + 1 if ask.objective == "tokens_per_s" else 0
        assert abs(one.value - other.value) <= near
        if ask.types_per_role == 1 and len(ask.capacity.steps) == 1:
            assert one.plan.workers == other.plan.workers
