"""How servers were launched: versions, and waits in decode steps."""

import numpy as np
import pytest

from aicfg.hardware.launch import Launch, Launches, before, window


@pytest.mark.parametrize(
    ("version", "older"),
    [
        ("0.9.2.post1", True),
        ("0.17.0", True),
        ("0.18.0", False),
        ("0.18", False),
        ("0.18.1", False),
        ("v0.17.1", True),
        ("1.0", False),
        ("nightly-5b8c30d", False),
        ("", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, older: bool) -> None:
    """0.9 is before 0.18, whatever the letters say; what is no number is not known to be older."""
    assert before(version, "0.18") is older


def test_a_window_is_waited_for_by_the_first_and_half_of_it_by_others() -> None:
    """Alone: all of it; with one more: three quarters; with very many: half."""
    most = np.full(4, 20.0)
    assert window(most, np.array([0.0, 0.05, 1e9, 0.0])) == pytest.approx([20.0, 15.0, 10.0, 20.0])
    assert window(np.zeros(1), np.ones(1)) == 0.0


def test_ranks_balance_or_gather() -> None:
    """One rank gathers prompts and has nothing to balance; several the other way round."""
    launches = Launches.of([Launch(batch_wait=10.0, balance_wait=40.0, receive_interval=5.0)] * 2)
    ranks, nothing = np.array([1.0, 4.0]), np.zeros(2)
    found = launches.steps(np.full(2, 8.0), nothing, ranks, balance=0.5)
    assert found == pytest.approx([2.0 + 10.0, 2.0 + 20.0])
    assert launches.steps(np.ones(2), nothing, ranks, balance=0.5) == pytest.approx([0.0, 0.0])
