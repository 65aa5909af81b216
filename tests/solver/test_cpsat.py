"""CP-SAT: every end is mapped, shrinking loses nothing, limits are honest."""

from dataclasses import replace

import pytest
from instances import AGG, DISAGG, PAIR, agg
from ortools.sat import cp_model_pb2
from synthetic import fleet, join, make_points, realistic, small

from aicfg.solver.answer import Ended, Holds
from aicfg.solver.cpsat import ENDED, solve_cpsat
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.points import Ask, Pool, Role
from aicfg.solver.solve import solve


def test_every_status_is_mapped():
    """Each member of the engine's enum has an end of ours."""
    assert set(cp_model_pb2.CpSolverStatus.keys()) == set(ENDED)


@pytest.mark.parametrize("seed", range(60))
def test_whole_domains_give_the_same_value(seed):
    """Without shrinking, all points in the domains, the constraints alone give the same value."""
    points, ask = small(seed, ("agg", "disagg")[seed % 2], pools=1 + seed // 2 % 2)
    answer, whole = solve(points, ask), solve_cpsat(points, ask, shrink=False)
    assert whole.ended is answer.ended
    assert whole.bound == answer.bound


def test_time_limit_is_told_honestly():
    """Stopped with nothing: no plan, no bound. Stopped with a plan: its bound is the optimum or above."""
    points = join([realistic(Role.PREFILL, 8, 8), realistic(Role.DECODE, 8, 256)])
    ask = Ask((Pool("a", 32, 8),), "disagg", 500, 499, request_latency_ns=12 * 10**9)
    best = solve(points, ask).value
    assert best is not None
    for limit in (1e-6, 0.3):
        outcome = solve_cpsat(points, replace(ask, time_limit_s=limit), shrink=False)
        assert outcome.ended is Ended.TIME_LIMIT or outcome.holds is Holds.OPTIMAL
        if outcome.counts is None:
            assert (outcome.holds, outcome.bound) == (Holds.NONE, None)
        else:
            assert outcome.bound is not None and outcome.bound >= best


@pytest.mark.parametrize("seed", range(72))
def test_whole_domains_of_fleets(seed):
    """Unshrunk, the direct formulation has the value of the program over all modes, objectives and types."""
    points, ask = fleet(seed)
    answer, whole = solve(points, ask), solve_cpsat(points, ask, shrink=False)
    assert whole.ended is answer.ended
    assert whole.bound == answer.bound


def test_what_it_does_not_search_is_refused():
    """Too many types, too many nodes to fill, sets to exclude: an error, not another problem's answer."""
    points = make_points([agg(w, 1, 1, 10) for w in range(9)])
    with pytest.raises(UnsupportedAskError, match="any number of types a role, of 9, are too many"):
        solve_cpsat(points, replace(AGG, types_per_role=None))
    three = make_points([agg(0, 3, 1, 10)])
    with pytest.raises(UnsupportedAskError, match="20 nodes and workers of 3 GPUs"):
        solve_cpsat(three, replace(AGG, pools=(Pool("a", 160, 8),)))
    with pytest.raises(UnsupportedAskError, match="on highs only"):
        solve_cpsat(PAIR, replace(DISAGG, excluded=(frozenset({0}),)))
