"""What an engine says is held against exact integers."""

from dataclasses import replace

import numpy as np
import pytest
from instances import DISAGG, MICRO, PAIR, agg
from synthetic import make_points

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.certify import certify
from aicfg.solver.errors import EngineImpreciseError
from aicfg.solver.points import Ask, Pool

ALL = np.arange(len(PAIR))


def said(counts: dict[int, int] | None, bound: int | None, ended: Ended = Ended.PROVEN_OPTIMAL) -> Outcome:
    """An engine's claim."""
    return Outcome("engine", "1", ended, counts, bound)


def test_a_true_claim_passes():
    """The optimum, with the plan that the tie-breaks choose."""
    assert certify(PAIR, DISAGG, ALL, said({1: 4, 3: 2}, 160 * MICRO), {}) == said({1: 4, 3: 2}, 160 * MICRO)


def test_a_worse_plan_called_optimal_raises():
    """The scan finds the better one."""
    with pytest.raises(EngineImpreciseError, match="claims an optimum of 90000000"):
        certify(PAIR, DISAGG, ALL, said({0: 3, 3: 2}, 90 * MICRO), {})


def test_a_plan_over_budget_raises():
    """A plan must hold when it is recomputed."""
    with pytest.raises(EngineImpreciseError, match=r"breaks gpus\(h100_sxm\)"):
        certify(PAIR, DISAGG, ALL, said({1: 5, 3: 2}, 160 * MICRO), {})
    with pytest.raises(EngineImpreciseError, match="breaks ttft"):
        certify(PAIR, replace(DISAGG, ttft_ns=1), ALL, said({1: 4, 3: 2}, 160 * MICRO), {})


def test_rounding_is_raised_to_the_exact_optimum():
    """An engine that cannot see the last micro-unit of 1e11 is corrected, and the bound is exact."""
    points = make_points([agg(0, 1, 1, 10**5, token_rate=10**11), agg(1, 1, 1, 10**5, token_rate=10**11 + 1)])
    ask = Ask((Pool("a", 1, 8),), "agg", 9, 9)
    found = certify(points, ask, np.arange(2), said({0: 1}, 10**11), {})
    assert (found.counts, found.bound) == ({1: 1}, 10**11 + 1)


def test_what_is_no_proof_is_left_alone():
    """A plan found before the time limit stays that plan, with the engine's bound."""
    found = said({0: 3, 3: 2}, 500 * MICRO, Ended.TIME_LIMIT)
    assert certify(PAIR, DISAGG, ALL, found, {}) == found
    nothing = said(None, None, Ended.TIME_LIMIT)
    assert certify(PAIR, DISAGG, ALL, nothing, {}) == nothing
