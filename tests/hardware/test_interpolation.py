"""Interpolation on ragged grids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.interpolation import NestedGrid, along, bracket

HEADS, LENGTHS, BATCHES = (
    np.array([8.0, 16.0]),
    np.array([512.0, 1024.0, 2048.0, 4096.0]),
    np.array([1.0, 2.0, 4.0, 8.0]),
)
REACH = {512.0: 8, 1024.0: 8, 2048.0: 4, 4096.0: 2}


def growth(heads: np.ndarray, length: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """A kernel that runs at the speed of light: n·b·s²."""
    return 1e-6 * np.asarray(heads) * np.asarray(batch) * np.asarray(length) ** 2


def staircase() -> NestedGrid:
    """A grid that was measured to smaller batches at greater lengths."""
    n, s, b = np.meshgrid(HEADS, LENGTHS, BATCHES, indexing="ij")
    times = growth(n, s, b)
    times[b > np.vectorize(REACH.get)(s)] = np.nan
    return NestedGrid((HEADS, LENGTHS, BATCHES), times, growth, square_root_axis=1)


def test_bracket_marks_exact_keys_and_what_is_outside() -> None:
    """An exact key brackets itself; outside the keys the weight is NaN."""
    lower, upper, weight = bracket(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0, 0.5, 5.0]))
    assert lower[:3].tolist() == [0, 1, 2]
    assert upper[:3].tolist() == [0, 2, 2]
    assert weight[:3].tolist() == [0.0, 0.5, 0.0]
    assert np.isnan(weight[3:]).all()


def test_a_measured_point_is_returned_as_it_is() -> None:
    """Interpolation keeps the grid."""
    assert staircase()(np.array([8.0]), np.array([2048.0]), np.array([4.0]))[0] == growth(8, 2048, 4)


@pytest.mark.parametrize(
    ("point", "case"),
    [
        ((8, 1536, 2), "between lengths: exact for a quadratic in square-root space"),
        ((12, 1024, 3), "between heads and batches: linear"),
        ((8, 1536, 8), "one length lacks the batch: the survivor is scaled by the speed of light"),
        ((8, 8192, 2), "beyond the longest length: the utilisation is held"),
        ((8, 4096, 8), "past the staircase: the utilisation is held"),
        ((64, 512, 64), "beyond heads and batches"),
    ],
)
def test_a_kernel_at_light_speed_is_reproduced(point: tuple[float, ...], case: str) -> None:
    """Where time equals the speed of light every rule is exact."""
    at = [np.array([float(c)]) for c in point]
    assert staircase()(*at)[0] == pytest.approx(float(growth(*at)[0]), rel=1e-9), case


@given(st.lists(st.tuples(st.floats(1, 64), st.floats(16, 9000), st.floats(1, 64)), min_size=1, max_size=8))
def test_a_batch_of_queries_equals_single_queries(points: list[tuple[float, float, float]]) -> None:
    """Vectorising changes nothing."""
    grid, columns = staircase(), [np.array(c) for c in zip(*points, strict=True)]
    together = grid(*columns)
    alone = [grid(*(np.array([c]) for c in point))[0] for point in points]
    assert together == pytest.approx(alone, rel=1e-12)


def test_a_curve_is_linear_between_its_points_and_nothing_outside() -> None:
    """Half way between two keys is half way between their times."""
    inside, below = along(np.array([100.0, 200.0]), np.array([1.0, 3.0]), np.array([150.0, 50.0]))
    assert inside == 2.0
    assert np.isnan(below)
