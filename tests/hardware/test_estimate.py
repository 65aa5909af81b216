"""Utilisation lent by what was measured, and who lends to whom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicfg.hardware.attention_tables import stand_ins
from aicfg.hardware.estimate import (
    Loan,
    Utilisation,
    by_nearness,
    first_loan,
    head_size_ratio,
    level_ratio,
    other_classes,
    same_class,
)
from aicfg.hardware.tables.store import MissingDataError

AXES = (
    np.array([1, 2, 4, 8, 16, 64]),
    np.array([16, 128, 1024, 4096, 8192]),
    np.array([1, 3, 9, 30, 100, 300, 1000]),
)


def light(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Some speed of light."""
    return np.maximum(a * b * b * 1e-6, c * a * 1e-4)


def ragged(seed: int, share: float) -> np.ndarray:
    """Random times on the grid, a share of them not measured."""
    random = np.random.default_rng(seed)
    times = random.uniform(0.5, 50.0, [len(axis) for axis in AXES])
    times[random.random(times.shape) < share] = np.nan
    return times


def directly(times: np.ndarray, query: tuple[float, float, float]) -> float:
    """The rule as stated, over every measured point."""
    at = np.argwhere(~np.isnan(times))
    points = np.array([[axis[i] for axis, i in zip(AXES, each, strict=True)] for each in at], dtype=float)
    reached = light(*points.T) / times[tuple(at.T)]
    logs = np.log(points)
    low, span = logs.min(axis=0), np.ptp(logs, axis=0)
    span[span == 0.0] = 1.0
    wanted = np.clip((np.log(query) - low) / span, 0.0, 1.0)
    distance = np.sqrt((((logs - low) / span - wanted) ** 2).sum(axis=1))
    order = np.argsort(distance, kind="stable")[:2]
    if distance[order[0]] == 0.0 or len(order) == 1:
        return float(reached[order[0]])
    weights = 1.0 / distance[order]
    return float((weights * reached[order]).sum() / weights.sum())


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.3, 0.9, 0.99]),
    query=st.tuples(st.floats(0.3, 200.0), st.floats(1.0, 30000.0), st.floats(0.5, 5000.0)),
)
def test_the_two_nearest_points_lend(seed: int, share: float, query: tuple[float, float, float]) -> None:
    """The search in windows finds the same two points as a search through all."""
    times = ragged(seed, share)
    times[0, 0, 0] = 1.0
    lent = Utilisation(AXES, times, light)(*(np.array([x]) for x in query))
    assert lent[0] == pytest.approx(directly(times, query), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    reached=st.floats(0.05, 1.5),
    query=st.tuples(st.floats(0.3, 200.0), st.floats(1.0, 30000.0), st.floats(0.5, 5000.0)),
)
def test_constant_utilisation_is_estimated_exactly(
    seed: int, reached: float, query: tuple[float, float, float]
) -> None:
    """A kernel that always reaches the same share of light is known everywhere from any few points."""
    mesh = np.meshgrid(*(axis.astype(float) for axis in AXES), indexing="ij")
    times = np.where(np.isnan(ragged(seed, 0.7)), np.nan, light(*mesh) / reached)
    times[1, 1, 1] = light(*(axis[1:2].astype(float) for axis in AXES))[0] / reached
    at = [np.array([x]) for x in query]
    assert Loan(Utilisation(AXES, times, light)).ms(light(*at), *at)[0] == pytest.approx(
        light(*at)[0] / reached
    )


def test_measured_points_lend_to_themselves() -> None:
    """At every measured point the estimate is the measured time."""
    times = ragged(7, 0.4)
    at = np.argwhere(~np.isnan(times))
    points = [axis[i].astype(float) for axis, i in zip(AXES, at.T, strict=True)]
    assert Loan(Utilisation(AXES, times, light)).ms(light(*points), *points) == pytest.approx(
        times[tuple(at.T)]
    )


def test_points_without_time_or_light_lend_nothing() -> None:
    """Times of nothing are dropped, and a grid of nothing else is empty."""
    axis = np.array([1, 2, 4])
    some = Utilisation((axis,), np.array([0.0, 4.0, np.nan]), lambda x: x)
    assert some(np.array([1.0, 100.0])).tolist() == [0.5, 0.5]
    assert not Utilisation((axis,), np.zeros(3), lambda x: x)


def test_the_first_that_lends_is_taken() -> None:
    """Candidates that miss data, give None or are empty are passed over; none at all is an error."""
    axis, asked = np.array([1, 2]), []

    def missing() -> Loan:
        asked.append("missing")
        raise MissingDataError("no rows")

    def empty() -> Loan:
        return Loan(Utilisation((axis,), np.zeros(2), lambda x: x))

    full = Loan(Utilisation((axis,), np.ones(2), lambda x: x), scale=0.5)
    assert first_loan([missing, lambda: None, empty, lambda: full, missing], "x") is full
    assert asked == ["missing"]
    assert full.ms(np.array([3.0]), np.array([1.0])).tolist() == [6.0]
    with pytest.raises(MissingDataError, match=r"nothing was measured that an op could be estimated from"):
        first_loan([missing, empty], "an op")


def test_nearness_is_by_ratio() -> None:
    """90 is nearer to 100 than to 1, whatever the units of the other axis."""
    assert by_nearness((90.0, 5.0), [(1.0, 5.0), (100.0, 5.0)]) == [1, 0]
    assert by_nearness((90.0,), []) == []


def test_formats_lend_within_their_class_first() -> None:
    """Same bytes and arithmetic, then the nearest arithmetic (dense) or the nearest of both (experts)."""
    measured = ["bfloat16", "fp8", "fp8_block", "nvfp4"]
    assert same_class("gemm", "sq", measured) == ["fp8", "fp8_block"]
    assert other_classes("gemm", "int4_wo", measured, arithmetic_first=True)[0] == "bfloat16"
    assert other_classes("moe", "w4afp8", measured)[0] == "fp8"
    assert same_class("gemm", "w4a16_mxfp4", ["int4_wo"]) == ["int4_wo"]


def test_levels_and_head_sizes_scale_as_published() -> None:
    """int4 weights reach 45 of bfloat16's 70; heads of 256 on vLLM 1.51 times those of 128."""
    assert level_ratio("gemm", "int4_wo", "bfloat16") == pytest.approx(0.45 / 0.70)
    assert level_ratio("moe", "w4afp8", "fp8") == pytest.approx(0.15 / 0.40)
    assert head_size_ratio("vllm", 256, 128) == pytest.approx(1.51)
    assert head_size_ratio("vllm", 32, 128) == pytest.approx(0.60)
    assert head_size_ratio("another", 64, 128) == 1.0


def test_attention_borrows_from_the_nearest_key() -> None:
    """The own window before none, head size 128 before others, other KV heads last."""
    measured = [("bf16", kv, size, window) for kv in (1, 8) for size in (64, 128) for window in (0, 128)]
    lenders = stand_ins(("bf16", 8, 96, 128), measured)
    assert lenders[:2] == [("bf16", 8, 128, 128), ("bf16", 8, 128, 0)]
    assert stand_ins(("bf16", 8, 64, 0), measured)[0] == ("bf16", 8, 64, 0)
    assert stand_ins(("bf16", 4, 64, 0), measured)[0] == ("bf16", 8, 64, 0)
    assert stand_ins(("fp8", 8, 64, 0), measured) == []
