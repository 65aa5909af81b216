"""Capacity questions against brute force, on both engines."""

import capacity_oracle
import pytest
from capacity_instances import KINDS, capacity

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


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", KINDS)
def test_capacity_against_brute_force(kind, seed):
    """Classes, spares, steps in time, today's workers and offers, drawn at random, alone and together."""
    points, ask = capacity(seed, kind)
    answer = solve_capacity(points, ask, "both")
    check(points, ask, answer)
    assert answer.checked_by == ("cpsat",)
