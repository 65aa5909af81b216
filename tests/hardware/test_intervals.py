"""Intervals around predictions: quantiles of residuals as factors."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.intervals import METRICS, Intervals, Mode, Regime
from aicfg.hardware.profile import load_profile

LEVELS = (0.1, 0.5, 0.9)
QUANTILES = dict.fromkeys(METRICS, (-0.2, 0.1, 0.3))
WIDER = dict.fromkeys(METRICS, (-0.4, 0.1, 0.5))
PLAIN = msgspec.convert(
    {"levels": LEVELS, "agg": {"vllm": {"measured": QUANTILES, "estimated": WIDER}}, "disagg": {}},
    Intervals,
)
VLLM = Regime("agg", "vllm", estimated=False)


def test_at_the_levels_the_quantiles_hold() -> None:
    """The factor at a level is the exponential of its quantile."""
    for level, quantile in zip(LEVELS, (-0.2, 0.1, 0.3), strict=True):
        assert PLAIN.factor(VLLM, "tpot_ms", level) == pytest.approx(math.exp(quantile))


def test_estimates_have_quantiles_of_their_own() -> None:
    """The regime says whether every operation has a table; what was never compared is not known."""
    guessed = VLLM._replace(estimated=True)
    assert PLAIN.interval(guessed, "tpot_ms", 0.8) == pytest.approx((math.exp(-0.4), math.exp(0.5)))
    assert PLAIN.knows(guessed) and not PLAIN.knows(VLLM._replace(mode="disagg"))
    with pytest.raises(KeyError):
        PLAIN.factor(VLLM._replace(backend="sglang"), "tpot_ms", 0.9)


def test_an_interval_leaves_as_much_on_either_side() -> None:
    """Of 80 % a tenth lies below and a tenth above."""
    low, high = PLAIN.interval(VLLM, "ttft_ms", 0.8)
    assert (low, high) == pytest.approx((math.exp(-0.2), math.exp(0.3)))


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_more_confidence_asks_for_more(one: float, other: float) -> None:
    """Factors rise with the level, past the measured levels too."""
    low, high = sorted((one, other))
    factors = [PLAIN.factor(VLLM, "tokens_per_s", level) for level in (low, high)]
    assert factors == sorted(factors)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"levels": (0.5,)},
        {"levels": (0.0, 0.5, 0.9)},
        {"agg": {"vllm": {"measured": QUANTILES, "estimated": dict.fromkeys(METRICS, (0.3, 0.2, 0.1))}}},
        {"disagg": {"vllm": {"measured": dict.fromkeys(METRICS, (0.1, 0.2)), "estimated": WIDER}}},
        {"agg": {"vllm": {"measured": QUANTILES}}},
    ],
)
def test_intervals_that_are_none_are_refused(spoilt: dict[str, object]) -> None:
    """Too few levels, quantiles that fall, not one a level, or none of estimates."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(PLAIN), **spoilt}, Intervals)


def test_the_default_profile_has_them_for_every_engine() -> None:
    """Ours was compared with measured runs of each engine in both modes; the peer's was not."""
    ours = load_profile("aicfg").intervals
    assert ours is not None
    assert ours.agg.keys() == ours.disagg.keys() == {"vllm", "sglang", "trtllm"}
    assert load_profile("aiconfigurator-0.12").intervals is None


@pytest.mark.parametrize("backend", ["sglang", "trtllm", "vllm"])
@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_estimates_promise_less_in_the_default_profile(mode: Mode, backend: str) -> None:
    """Where an operation has no table, TPOT may lie farther off than where all have."""
    ours = load_profile("aicfg").intervals
    assert ours is not None
    (low, high), (lower, higher) = (
        ours.interval(Regime(mode, backend, estimated), "tpot_ms", 0.9) for estimated in (False, True)
    )
    assert lower < low and higher > high
