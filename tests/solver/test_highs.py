"""HiGHS: every end is mapped, limits are honest, and a busy process does not disturb it."""

import subprocess
import sys
from dataclasses import replace

import highspy
import numpy as np
from instances import DISAGG, PAIR
from synthetic import join, realistic

from aicfg.solver.answer import Ended, Holds
from aicfg.solver.highs import ENDED, integer_bound, solve_highs
from aicfg.solver.points import Ask, Pool, Role
from aicfg.solver.program import state


def test_every_model_status_is_mapped():
    """Each member of the engine's enum has an end of ours, and no name is made up."""
    assert set(ENDED) == {
        name for name in highspy.HighsModelStatus.__members__ if name not in ("kMin", "kMax")
    }


def test_time_limit_with_nothing_in_hand():
    """Stopped before it found a plan: neither a plan nor a claim that none exists."""
    points = join([realistic(Role.PREFILL, 8, 8), realistic(Role.DECODE, 8, 64)])
    ask = Ask((Pool("a", 64, 8),), "disagg", 500, 499, request_latency_ns=10**10)
    outcome = solve_highs(state(points, ask), time_limit_s=0.0)
    assert outcome.ended is Ended.TIME_LIMIT
    assert outcome.holds in (Holds.NONE, Holds.FEASIBLE)
    if outcome.counts is None:
        assert outcome.holds is Holds.NONE


def test_no_points_is_infeasible():
    """The empty program is proven infeasible."""
    assert solve_highs(state(PAIR.take(np.zeros(0, np.int64)), DISAGG), None).ended is Ended.PROVEN_INFEASIBLE


def test_an_infinite_bound_is_none():
    """A bound that the engine does not have is not a number."""
    assert integer_bound(float("inf"), 10**6, Ended.TIME_LIMIT) is None
    assert integer_bound(12.5, 10**6, Ended.TIME_LIMIT) == 12_500_000
    assert integer_bound(3.0, 1, Ended.TIME_LIMIT) == 3
    assert integer_bound(0.0, 1, Ended.PROVEN_INFEASIBLE) is None


def test_the_bound_of_an_optimum_is_its_value():
    """Gap 0: the dual bound is the value to the last micro-unit."""
    outcome = solve_highs(state(PAIR, replace(DISAGG, request_latency_ns=390_000_000)), None)
    assert (outcome.ended, outcome.bound) == (Ended.PROVEN_OPTIMAL, 120_000_000)


def test_silent_and_undisturbed_by_other_users_of_the_engine():
    """After someone ran HiGHS with other threads in the process it still solves, and prints nothing."""
    code = """
import highspy
other = highspy._core._Highs()
other.setOptionValue("output_flag", False); other.setOptionValue("threads", 2)
other.addVar(0.0, 1.0); other.run()
from instances import DISAGG, PAIR
from aicfg.solver.solve import solve
print(solve(PAIR, DISAGG).value)
"""
    folder = str(__import__("pathlib").Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r})\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "160000000\n"
