"""Waiting for a slot: the cases with exact answers, and the directions."""

import numpy as np
import pytest

from aicfg.hardware.headroom import slot_wait
from aicfg.hardware.queueing import waiting_share

ONE = np.array([1.0])


@pytest.mark.parametrize("busy", [0.1, 0.5, 0.8, 0.95])
def test_one_slot_is_exact(busy):
    """M/M/1 waits rho / (1 - rho) services, M/D/1 half of that (Pollaczek, Khinchine)."""
    assert slot_wait(ONE, 10 * ONE, busy)[0] == pytest.approx(10 * busy / (1 - busy))
    assert slot_wait(ONE, 10 * ONE, busy, service_cv2=0.0)[0] == pytest.approx(5 * busy / (1 - busy))


@pytest.mark.parametrize("busy", [0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("slots", [2, 4, 16, 64])
def test_many_slots_are_near_erlang(busy, slots):
    """Not less than M/M/m by Erlang's formula (to 1 %), and at most 0.035 of a service above it."""
    exact = float(waiting_share(busy, slots)) / (slots * (1 - busy))
    found = float(slot_wait(np.array([float(slots)]), ONE, busy)[0])
    assert 0.99 * exact <= found <= exact + 0.035


def test_directions():
    """Nothing waits where nothing is busy; more load and fewer slots wait longer; a burst waits longer."""
    slots = np.array([1.0, 8.0, 64.0])
    waits = [slot_wait(slots, ONE, busy) for busy in (0.0, 0.5, 0.9)]
    assert (waits[0] == 0).all() and (waits[1] < waits[2]).all()
    assert (np.diff(waits[2]) < 0).all()
    assert (slot_wait(slots, ONE, 0.9, arrival_cv2=4.0) > waits[2]).all()


def test_a_queue_that_is_always_busy_is_refused():
    """Utilisation is below 1."""
    with pytest.raises(ValueError, match="utilisation"):
        slot_wait(ONE, ONE, 1.0)
