"""Answers reject what cannot be."""

import pytest

from aicfg.solver.answer import STATUS, Answer, Ended, Holds, holds


def test_every_state_has_a_word():
    """Each Holds has its status, and unknown is not infeasible."""
    assert set(STATUS) == set(Holds)
    assert STATUS[holds(Ended.TIME_LIMIT, False)] == "unknown"
    assert STATUS[holds(Ended.TIME_LIMIT, True)] == "feasible"
    assert STATUS[holds(Ended.PROVEN_INFEASIBLE, False)] == "infeasible"


@pytest.mark.parametrize("ended", Ended)
def test_optimal_is_said_of_a_proof_only(ended):
    """Only a proof with a plan in hand is an optimum."""
    assert (holds(ended, True) is Holds.OPTIMAL) == (ended is Ended.PROVEN_OPTIMAL)
    assert holds(ended, False) is not Holds.OPTIMAL


def test_contradictions_are_rejected():
    """A plan without a value, an infeasible answer with a plan, a bound below the value."""
    with pytest.raises(ValueError, match="cannot have plan"):
        Answer(Ended.PROVEN_OPTIMAL, Holds.OPTIMAL, "highs", "1")
    with pytest.raises(ValueError, match="cannot have plan"):
        Answer(Ended.PROVEN_INFEASIBLE, Holds.INFEASIBLE, "highs", "1", (0,), (1,), 5)
    with pytest.raises(ValueError, match="bound 4 below value 5"):
        Answer(Ended.TIME_LIMIT, Holds.FEASIBLE, "highs", "1", (0,), (1,), 5, 4)


def test_gap():
    """Relative to the value; none without a bound."""
    assert Answer(Ended.TIME_LIMIT, Holds.FEASIBLE, "highs", "1", (0,), (1,), 100, 150).gap == 0.5
    assert Answer(Ended.TIME_LIMIT, Holds.FEASIBLE, "highs", "1", (0,), (1,), 100).gap is None
