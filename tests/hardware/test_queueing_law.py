"""The closed forms of queueing against the simulated scheduler, on 46 configurations."""

import numpy as np
import pytest
from queueing_law import CASES, Case, Comparison, compare

CLOSED = [case for case in CASES if case.loop == "closed"]
OPEN = [case for case in CASES if case.loop == "open"]
FOUND: dict[Case, Comparison] = {}


def found(case: Case) -> Comparison:
    """One case by the law and simulated, once."""
    if case not in FOUND:
        FOUND[case] = compare(case)
    return FOUND[case]


def errors(cases: list[Case], latency: str) -> np.ndarray:
    """(cases, 4) relative errors of the law: of the mean, P50, P90 and P99."""
    pairs = [
        (getattr(found(case), f"{latency}_law"), getattr(found(case), f"{latency}_simulated"))
        for case in cases
    ]
    return np.array([law / simulated - 1.0 for law, simulated in pairs])


@pytest.mark.parametrize("case", CLOSED, ids=str)
def test_tpot_in_a_closed_loop(case: Case) -> None:
    """Mean and percentiles within 5 % on every configuration."""
    assert np.abs(errors([case], "tpot")).max() < 0.05


def test_ttft_in_a_closed_loop() -> None:
    """The mean within 10 % where prompts take less than half of the time; within 25 % elsewhere."""
    light = [case for case in CLOSED if found(case).busy <= 0.5]
    assert len(light) >= 15
    assert np.abs(errors(light, "ttft")[:, 0]).max() < 0.1
    assert np.abs(errors(CLOSED, "ttft")[:, 0]).max() < 0.25


def test_tails_of_ttft_in_a_closed_loop() -> None:
    """P90 and P99 within a tenth on average over the configurations."""
    assert np.abs(errors(CLOSED, "ttft"))[:, 2:].mean(axis=0).max() < 0.1


def test_poisson_arrivals() -> None:
    """Where neither prompts nor requests pile up: TPOT and TTFT within a tenth on average, P99 too.

    P90 of TPOT is within a quarter in each of them.
    """
    steady = [case for case in OPEN if found(case).busy <= 0.55 and found(case).elasticity <= 0.75]
    assert len(steady) >= 15
    assert np.abs(errors(steady, "tpot")).mean(axis=0).max() < 0.08
    assert np.abs(errors(steady, "ttft")).mean(axis=0).max() < 0.08
    assert np.abs(errors(steady, "tpot")[:, 2]).max() < 0.25
