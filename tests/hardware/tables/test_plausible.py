"""The rules that find implausible times, each on times made up for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aicfg.hardware.tables.plausible import Margins, Rule, judge

FloatArray = NDArray[np.float64]
ALIKE = np.array([[1.0, 1.0]])
"""One system."""


def curve(*times: float) -> FloatArray:
    """Times of one engine over one axis."""
    return np.array(times)


def stack(*engines: FloatArray) -> FloatArray:
    """One system, several engines."""
    return np.array([engines])


def test_an_engine_far_slower_than_another_is_replaced() -> None:
    """Rows above twice the other engine's have the other's as their estimate; the rest stays."""
    verdict = judge(stack(curve(1.0, 5.0, 1.9), curve(1.0, 1.0, 1.0)), ALIKE, None, ())
    assert verdict.rule[0].tolist() == [[0, Rule.ENGINES, 0], [0, 0, 0]]
    assert verdict.estimate[0, 0, 1] == 1.0 and np.isnan(verdict.estimate[0, 1]).all()


def test_the_estimate_keeps_the_ratio_of_the_rest() -> None:
    """An engine that is 1.2 times slower everywhere is expected to be so where its time is implausible."""
    other = np.linspace(1.0, 2.0, 30)
    own = 1.2 * other
    own[7] = 20.0
    verdict = judge(stack(own, other), ALIKE, None, ())
    assert np.flatnonzero(verdict.rule[0, 0]).tolist() == [7]
    assert verdict.estimate[0, 0, 7] == pytest.approx(1.2 * other[7])


def test_one_more_launch_is_not_implausible() -> None:
    """Three times as long is fine where the difference is one kernel's launch."""
    verdict = judge(stack(curve(0.006), curve(0.002)), ALIKE, None, ())
    assert not verdict.rule.any()


def test_a_neighbour_is_slowed_to_the_systems_speed() -> None:
    """A GPU with half the bandwidth may take twice as long as its neighbour, and half as much again."""
    speed = np.array([[1.0, 1.0], [2.0, 1.0]])
    for own, rule in ((2.9, 0), (3.1, Rule.NEIGHBOURS)):
        verdict = judge(np.array([[[own]], [[1.0]]]), speed, None, ())
        assert verdict.rule[:, 0, 0].tolist() == [rule, 0]
    assert verdict.estimate[0, 0, 0] == 2.0


def test_a_narrow_format_is_compared_where_no_engine_can_speak() -> None:
    """Above three times bfloat16's time; not where another engine measured the very call."""
    narrow, wide = curve(4.0, 2.9), curve(1.0, 1.0)
    alone = judge(stack(narrow), ALIKE, stack(wide), ())
    assert alone.rule[0, 0].tolist() == [Rule.FORMATS, 0] and alone.estimate[0, 0, 0] == 1.0
    witnessed = judge(stack(narrow, narrow), ALIKE, stack(wide, wide), ())
    assert not witnessed.rule.any()


def test_more_work_is_not_much_cheaper() -> None:
    """A drop accuses what comes before it, once two larger sizes confirm it; along size axes alone."""
    times = stack(curve(1.0, 9.0, 9.0, 1.5, 1.6))
    found = judge(times, ALIKE, None, (0,))
    assert found.rule[0, 0].tolist() == [0, Rule.DROPS, Rule.DROPS, 0, 0]
    assert found.estimate[0, 0, 1:3].tolist() == [1.5, 1.5]
    assert not judge(times, ALIKE, None, ()).rule.any()
    assert not judge(stack(curve(1.0, 9.0, 1.5)), ALIKE, None, (0,)).rule.any()


def test_a_time_too_good_is_no_witness() -> None:
    """A row below half of three witnesses is replaced by their least, and accuses none of them."""
    found = judge(stack(curve(0.1), curve(1.0), curve(1.1), curve(1.2)), ALIKE, None, ())
    assert found.rule[0, :, 0].tolist() == [Rule.FAST, 0, 0, 0]
    assert found.estimate[0, 0, 0] == 1.0


def test_the_lowest_estimate_holds() -> None:
    """Of two rules that accuse a row, the one that asks for less time counts."""
    times = np.array([[[9.0], [3.0]], [[4.0], [np.nan]]])
    found = judge(times, np.ones((2, 2)), None, ())
    assert (found.rule[0, 0, 0], found.estimate[0, 0, 0]) == (Rule.ENGINES, 3.0)


def test_margins_set_what_is_accused() -> None:
    """A wider margin accuses less."""
    times = stack(curve(3.0), curve(1.0))
    assert judge(times, ALIKE, None, ()).rule.any()
    assert not judge(times, ALIKE, None, (), Margins(engines=4.0)).rule.any()


def test_what_was_not_measured_is_not_judged() -> None:
    """A gap has neither a verdict nor an estimate, whatever others measured."""
    found = judge(stack(curve(np.nan, 1.0), curve(1.0, np.nan)), ALIKE, None, (0,))
    assert not found.rule.any() and np.isnan(found.estimate).all()
