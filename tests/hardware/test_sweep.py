"""Curves over one size."""

import numpy as np
import pytest

from aicfg.hardware.modes import Source
from aicfg.hardware.sweep import Sweep, sweep_of
from aicfg.hardware.tables.store import MissingDataError


def light(x: np.ndarray) -> np.ndarray:
    """A floor, then growth."""
    return np.maximum(1.0, x / 100.0)


def sweep(slope: bool = False) -> Sweep:
    """Measured at a varying multiple of the speed of light."""
    return Sweep(np.array([50.0, 200.0, 400.0]), np.array([3.0, 4.0, 6.0]), light, "made", slope)


def test_between_points_a_curve_is_linear() -> None:
    """A measured size keeps its time; half way is half way."""
    assert sweep()(np.array([50.0, 125.0, 300.0])).tolist() == [3.0, 3.5, 5.0]


def test_past_the_ends_the_last_utilisation_is_held() -> None:
    """The speed of light carries the growth, and its floor holds below."""
    assert sweep()(np.array([1.0, 800.0])) == pytest.approx([3.0, 6.0 * 8.0 / 4.0])


def test_a_slope_goes_on_but_never_beats_light() -> None:
    """The rise of the last octave, or light where that is slower."""
    assert sweep(slope=True)(np.array([600.0, 100_000.0])) == pytest.approx([8.0, 1002.0])


def test_a_slope_is_that_of_the_last_octave() -> None:
    """An end point that lies low, an estimate beside measured ones, does not let times fall."""
    sizes, times = np.array([100.0, 200.0, 300.0, 400.0]), np.array([1.0, 2.0, 3.2, 3.0])
    low = Sweep(sizes, times, lambda x: x / 1000.0, "made", slope=True)
    assert low(np.array([800.0])) == pytest.approx([3.0 + 400.0 * (3.0 - 2.0) / 200.0])


def test_a_single_point_says_nothing_of_less() -> None:
    """Below the only measured size nothing is invented; above it, utilisation is held."""
    single = Sweep(np.array([128.0]), np.array([2.0]), lambda x: x, "made")
    assert single(np.array([128.0, 256.0])).tolist() == [2.0, 4.0]
    with pytest.raises(MissingDataError, match="measured at 128 alone"):
        single(np.array([64.0]))


def test_reach_tells_points_from_what_is_between_and_past_them() -> None:
    """Each size says what its time rests on."""
    wanted = [Source.MEASURED, Source.INTERPOLATED, Source.EXTRAPOLATED]
    assert sweep().reach(np.array([200.0, 201.0, 401.0])).tolist() == wanted


def test_holes_are_dropped_and_an_empty_curve_is_missing() -> None:
    """NaN marks what was not measured."""
    sizes = np.array([1, 2, 4])
    assert sweep_of(sizes, np.array([1.0, np.nan, 4.0]), light, "made")(np.array([2.0]))[0] == 2.0
    with pytest.raises(MissingDataError, match="made: not measured"):
        sweep_of(sizes, np.full(3, np.nan), light, "made")
