"""The law of steady flow: what each term of TPOT and TTFT stands for."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.flow import MOST_BUSY, Times, burst_ms, in_step, launched_ttft_ms, tpot_ms, ttft_ms
from aicfg.hardware.host import NO_HOST, Stack
from aicfg.hardware.launch import Launch, Launches
from aicfg.hardware.laws import FlowLaw

BESIDE = FlowLaw("beside", 1.0, 0.0, 0.0, 0.0, 1.0)
ALONE = msgspec.structs.replace(BESIDE, prompts="alone")


def times(batch: float, steps: float = 1000.0) -> Times:
    """A rank whose decode step takes 10 ms, and 40 ms with a prompt."""
    one = np.ones(1)
    return Times(batch * one, 10 * one, 40 * one, 30 * one, one, one, steps * one, 1.0, Stack(60.0, 0.0, 1.0))


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


def test_an_opening_burst_waits_for_half_of_itself() -> None:
    """101 prompts of 30 ms at once: 1,500 ms for the others' on average, of one in ten requests."""
    assert burst_ms(BESIDE, times(101), 10.0) == pytest.approx(150)
    assert burst_ms(BESIDE, times(101), float("inf")) == burst_ms(BESIDE, times(1), 10.0) == 0.0


def test_requests_in_step_are_a_burst_in_every_wave() -> None:
    """Alike and computed alone: each waits for half of all prompts, before its first token and after."""
    drawn = np.array([False, True])
    assert in_step(ALONE, drawn).tolist() == [True, False]
    assert not in_step(BESIDE, drawn).any()
    assert burst_ms(ALONE, times(101), 10.0, in_step(ALONE, drawn)) == pytest.approx([1500, 150])
    assert tpot_ms(ALONE, NO_HOST, times(101), in_step(ALONE, drawn)) == pytest.approx([12, 14])


def test_a_prompt_takes_longer_than_its_kernels() -> None:
    """A quarter more of a prompt's 40 ms is 10 ms of TTFT, and nothing of TPOT."""
    longer = msgspec.structs.replace(BESIDE, prompt=1.25)
    assert ttft_ms(longer, times(1), np.array([10.0])) == pytest.approx(50)
    assert tpot_ms(longer, NO_HOST, times(101)) == tpot_ms(BESIDE, NO_HOST, times(101))


def test_what_a_launch_lets_prompts_wait() -> None:
    """Without settings as in the steady state; each wait costs its steps; answers made apart cost less."""
    rule = msgspec.structs.replace(
        BESIDE, first_token_ms=80.0, first_token_steps=3.0, apart=0.25, balance=0.5
    )
    tpot, alone = np.array([10.0]), np.ones(1)

    def ttft(launch: Launch, ranks: float = 1.0, requests: float = 2.0) -> float:
        found = launched_ttft_ms(rule, times(requests), tpot, Launches.of([launch]), ranks * alone)
        return float(found[0])

    plain = ttft(Launch())
    assert plain == pytest.approx(float(ttft_ms(rule, times(2), tpot)[0])) == pytest.approx(80 + 30 + 40)
    assert ttft(Launch(receive_interval=11.0)) - plain == pytest.approx(50)
    assert ttft(Launch(postprocess_apart=True)) - plain == pytest.approx(-0.75 * 110)
    assert 190 < ttft(Launch(batch_wait=20.0)) - plain < 200
    assert ttft(Launch(balance_wait=20.0)) == plain
    assert ttft(Launch(receive_interval=11.0, batch_wait=20.0), requests=1.0) == plain
    assert 80 < ttft(Launch(balance_wait=20.0), ranks=8.0) - plain < 100
    assert ttft(Launch(batch_wait=20.0), ranks=8.0) == plain


@given(st.floats(1, 2000), st.floats(1, 2000), st.floats(0, 2))
def test_more_clients_wait_longer(few: float, many: float, queue: float) -> None:
    """TTFT and TPOT rise with the clients, and a queue stays finite."""
    few, many = sorted((few, many))
    rule = msgspec.structs.replace(BESIDE, queue=queue)
    found = [(tpot := tpot_ms(rule, NO_HOST, times(n)), ttft_ms(rule, times(n), tpot)) for n in (few, many)]
    assert found[0][0] <= found[1][0] + 1e-9
    assert found[1][1] <= 40 * (1 + queue * MOST_BUSY / (1 - MOST_BUSY)) + 1e-6


def test_longer_steps() -> None:
    """Steps of half as much again: TPOT and TTFT too."""
    slow = times(101).longer(np.array([1.5]))
    assert tpot_ms(ALONE, NO_HOST, slow) == pytest.approx(1.5 * tpot_ms(ALONE, NO_HOST, times(101)))
    assert ttft_ms(ALONE, slow, np.array([15.0])) == pytest.approx(60)


def test_drafts_share_a_step() -> None:
    """Two tokens a step halve TPOT."""
    drafted = replace(times(1), progress=2.0)
    assert tpot_ms(BESIDE, NO_HOST, drafted) == pytest.approx(5)
