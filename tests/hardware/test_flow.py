"""The law of steady flow: what each term of TPOT and TTFT stands for."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.flow import MOST_BUSY, Times, burst_ms, host_ms, tpot_ms, ttft_ms
from aicfg.hardware.profile import FlowLaw, Host

BESIDE = FlowLaw("beside", 1.0, 0.0, 0.0, 0.0, 1.0)
ALONE = msgspec.structs.replace(BESIDE, prompts="alone")
NO_HOST = Host(0.0, 0.0, 0.0)


def times(batch: float, steps: float = 1000.0) -> Times:
    """A rank whose decode step takes 10 ms, and 40 ms with a prompt."""
    one = np.ones(1)
    return Times(batch * one, 10 * one, 40 * one, 30 * one, one, one, steps * one, 1.0, 60, 0)


def test_a_lone_request_decodes_undisturbed() -> None:
    """One client: TPOT is the decode step, TTFT its own prompt."""
    alone = times(1)
    assert tpot_ms(BESIDE, NO_HOST, alone) == pytest.approx(10)
    assert ttft_ms(BESIDE, alone, np.array([10.0])) == pytest.approx(40)


def test_each_other_request_delays_by_one_prompt() -> None:
    """Of 101 clients a hundred prompts add 30 ms each, or 40 ms where prompts are computed alone."""
    assert tpot_ms(BESIDE, NO_HOST, times(101)) == pytest.approx(10 + 100 * 30 / 1000)
    assert tpot_ms(ALONE, NO_HOST, times(101)) == pytest.approx(10 + 100 * 40 / 1000)


def test_no_step_has_more_than_one_chunk() -> None:
    """Beside decoding, TPOT ends at the mixed step however many prompts there are; alone it does not."""
    assert tpot_ms(BESIDE, NO_HOST, times(500, steps=100)) == pytest.approx(40)
    assert tpot_ms(ALONE, NO_HOST, times(500, steps=100)) > 100


def test_host_time_by_layer_and_by_request() -> None:
    """60 layers of 10 µs, 20 of them with 30 µs more, and 100 requests of 5 µs: 1.7 ms."""
    assert host_ms(Host(10.0, 30.0, 5.0), np.array([100.0]), 60, 20) == pytest.approx(1.7)


def test_an_opening_burst_waits_for_half_of_itself() -> None:
    """100 prompts of 30 ms at once: 1,500 ms on average, of one in ten requests."""
    assert burst_ms(BESIDE, times(100), 10.0) == pytest.approx(150)
    assert burst_ms(BESIDE, times(100), float("inf")) == 0.0


@given(st.floats(1, 2000), st.floats(1, 2000), st.floats(0, 2))
def test_more_clients_wait_longer(few: float, many: float, queue: float) -> None:
    """TTFT and TPOT rise with the clients, and a queue stays finite."""
    few, many = sorted((few, many))
    rule = msgspec.structs.replace(BESIDE, queue=queue)
    found = [(tpot := tpot_ms(rule, NO_HOST, times(n)), ttft_ms(rule, times(n), tpot)) for n in (few, many)]
    assert found[0][0] <= found[1][0] + 1e-9
    assert found[1][1] <= 40 * (1 + queue * MOST_BUSY / (1 - MOST_BUSY)) + 1e-6


def test_drafts_share_a_step() -> None:
    """Two tokens a step halve TPOT."""
    drafted = replace(times(1), progress=2.0)
    assert tpot_ms(BESIDE, NO_HOST, drafted) == pytest.approx(5)
