"""Prefill and decode workers simulated together: by hand, and that nothing is lost."""

import numpy as np
import pytest

from aicfg.hardware.simulation import Requests, drawn_requests
from aicfg.hardware.simulation_pairs import DecodeSide, PrefillSide, simulate_pair
from aicfg.hardware.step_costs import Surface


def constant(value: float) -> Surface:
    """The same time whatever is asked."""
    return Surface([1.0], [1.0], np.array([[value]]))


def sides(
    prefills: int = 1, decodes: int = 1, batch: int = 100, at_once: int = 1
) -> tuple[PrefillSide, DecodeSide]:
    """Prefill 10 ms a service, 3 ms for the cache's way, decode 2 ms a step."""
    return PrefillSide(prefills, at_once, constant(10.0), 3.0), DecodeSide(decodes, batch, constant(2.0))


def asked(count: int, osl: int = 11, at: list[float] | None = None) -> Requests:
    """Equal requests."""
    return Requests(np.full(count, 100), np.full(count, osl), None if at is None else np.array(at))


def test_one_request() -> None:
    """Prefill, hand-over, then ten more tokens."""
    trace = simulate_pair(*sides(), asked(1), clients=1)
    assert trace.ttft_ms.tolist() == [13.0]
    assert trace.tpot_ms.tolist() == [pytest.approx(2.0)]


def test_prompts_wait_in_one_line() -> None:
    """Three at once: one after the other on one rank, two together on two."""
    assert simulate_pair(*sides(1), asked(3), clients=3).ttft_ms.tolist() == [13.0, 23.0, 33.0]
    assert simulate_pair(*sides(2), asked(3), clients=3).ttft_ms.tolist() == [13.0, 13.0, 23.0]


def test_prompts_are_computed_together() -> None:
    """A rank of batch 2 starts with what is there, and takes the next two when it is done."""
    trace = simulate_pair(*sides(at_once=2), asked(5), clients=5)
    assert trace.ttft_ms.tolist() == [13.0, 23.0, 23.0, 33.0, 33.0]


def test_a_full_decode_rank_makes_requests_wait() -> None:
    """With a batch of one the second answer begins when the first ends."""
    trace = simulate_pair(*sides(2, 1, batch=1), asked(2), clients=2)
    assert trace.first_ms.tolist() == [13.0, 13.0]
    assert np.sort(trace.end_ms) == pytest.approx([33.0, 53.0])


def test_the_emptiest_rank_is_taken() -> None:
    """Four requests on two ranks: two each."""
    slower = Surface([1.0, 4.0], [1.0], np.array([[2.0], [8.0]]))
    prefill, _ = sides(4)
    trace = simulate_pair(prefill, DecodeSide(2, 100, slower), asked(4), clients=4)
    assert trace.tpot_ms == pytest.approx([4.0] * 4)


def test_every_request_is_answered() -> None:
    """In both loops, in order: arrival, first token, end."""
    prefill, decode = sides(2, 2, batch=8)
    for rate, clients in ((None, 12), (50.0, None)):
        trace = simulate_pair(prefill, decode, drawn_requests(400, 100, 40, 0.3, 1, rate), clients)
        assert (trace.arrival_ms < trace.first_ms).all() and (trace.first_ms < trace.end_ms).all()


def test_clients_ask_anew() -> None:
    """A closed loop of two clients never has more than two requests."""
    trace = simulate_pair(*sides(), asked(10), clients=2)
    for at in trace.arrival_ms:
        assert ((trace.arrival_ms <= at) & (trace.end_ms > at)).sum() <= 2
