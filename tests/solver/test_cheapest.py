"""The exact scan that closes the tie-breaks."""

from dataclasses import replace

import oracle
import pytest
from instances import DISAGG, MICRO, PAIR
from synthetic import small

from aicfg.solver.cheapest import cheapest
from aicfg.solver.within import within


@pytest.mark.parametrize("mode", ("agg", "disagg"))
def test_best_plan_of_any_value(mode):
    """For values at and below the optimum: the plan that brute force prefers among those that reach it."""
    compared = 0
    for seed in range(60):
        points, ask = small(seed, mode, pools=1 + seed % 2)
        points = points.take(within(points, ask))
        scored = [(oracle.score(points, ask, plan), plan) for plan in oracle.plans(points, ask)]
        for share in (0.3, 0.7, 1.0):
            value = int(share * max((-score[0] for score, _ in scored), default=1)) or 1
            reach = [(score[1:], plan) for score, plan in scored if -score[0] >= value]
            found = cheapest(points, ask, value)
            assert (found is None) == (not reach)
            if found is not None:
                assert oracle.score(points, ask, found)[1:5] == min(reach, key=lambda each: each[0])[0][:4]
                compared += 1
    assert compared > 60


def test_above_the_optimum_there_is_none():
    """One micro-request more than the optimum has no plan: the proof that certify relies on."""
    assert cheapest(PAIR, DISAGG, 160 * MICRO) == {1: 4, 3: 2}
    assert cheapest(PAIR, DISAGG, 160 * MICRO + 1) is None


def test_several_types_are_refused():
    """The argument is for one type a role."""
    with pytest.raises(ValueError, match="one type a role"):
        cheapest(PAIR, replace(DISAGG, types_per_role=2), 1)
