"""Intervals around predictions: quantiles of residuals as factors."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.intervals import METRICS, Intervals
from aicfg.hardware.profile import load_profile

LEVELS = (0.1, 0.5, 0.9)
PLAIN = msgspec.convert(
    {
        "levels": LEVELS,
        "agg": {"vllm": dict.fromkeys(METRICS, (-0.2, 0.1, 0.3))},
        "disagg": {},
    },
    Intervals,
)


def test_at_the_levels_the_quantiles_hold() -> None:
    """The factor at a level is the exponential of its quantile."""
    for level, quantile in zip(LEVELS, (-0.2, 0.1, 0.3), strict=True):
        assert PLAIN.factor("agg", "vllm", "tpot_ms", level) == pytest.approx(math.exp(quantile))


def test_an_interval_leaves_as_much_on_either_side() -> None:
    """Of 80 % a tenth lies below and a tenth above."""
    low, high = PLAIN.interval("agg", "vllm", "ttft_ms", 0.8)
    assert (low, high) == pytest.approx((math.exp(-0.2), math.exp(0.3)))


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_more_confidence_asks_for_more(one: float, other: float) -> None:
    """Factors rise with the level, past the measured levels too."""
    low, high = sorted((one, other))
    factors = [PLAIN.factor("agg", "vllm", "tokens_per_s", level) for level in (low, high)]
    assert factors == sorted(factors)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"levels": (0.5,)},
        {"levels": (0.0, 0.5, 0.9)},
        {"agg": {"vllm": dict.fromkeys(METRICS, (0.3, 0.2, 0.1))}},
        {"agg": {"vllm": dict.fromkeys(METRICS, (0.1, 0.2))}},
    ],
)
def test_intervals_that_are_none_are_refused(spoilt: dict[str, object]) -> None:
    """Too few levels, quantiles that fall, or not one a level."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(PLAIN), **spoilt}, Intervals)


def test_the_default_profile_has_them_for_every_engine() -> None:
    """Ours was compared with measured runs of each engine in both modes; the peer's was not."""
    ours = load_profile("aicfg").intervals
    assert ours is not None
    assert ours.agg.keys() == ours.disagg.keys() == {"vllm", "sglang", "trtllm"}
    assert load_profile("aiconfigurator-0.12").intervals is None
