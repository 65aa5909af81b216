"""Some points of a curve."""

from dataclasses import fields

import numpy as np
import pytest

from aicfg.hardware.curve import POINTWISE, Curve
from aicfg.hardware.memory import PARTS, MemoryUse
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant


def made(points: int) -> Curve:
    """A curve whose arrays all differ."""
    arrays = {name: np.arange(points) + 100 * number for number, name in enumerate(POINTWISE, 1)}
    use = MemoryUse(*(np.arange(points) + 1000.0 * number for number in range(1, len(PARTS) + 1)))
    return Curve(
        role="agg", layout=Layout(tp=2), quant=Quant(), efficiency=0.9, group="g", memory=use, **arrays
    )


@pytest.mark.parametrize("points", [np.array([False, True, False, True]), np.array([1, 3])])
def test_points_are_taken_by_mask_or_position(points: np.ndarray) -> None:
    """Every array of the curve and of its memory is cut alike; what all points share stays."""
    whole, some = made(4), made(4).at(points)
    for name in POINTWISE:
        assert getattr(some, name).tolist() == getattr(whole, name)[[1, 3]].tolist()
    for part in PARTS:
        assert getattr(some.memory, part).tolist() == getattr(whole.memory, part)[[1, 3]].tolist()
    assert (some.layout, some.efficiency, some.group) == (whole.layout, 0.9, "g")


def test_every_array_of_a_curve_is_pointwise() -> None:
    """A new array that ``at`` would not cut is noticed."""
    arrays = {each.name for each in fields(Curve) if isinstance(getattr(made(2), each.name), np.ndarray)}
    assert arrays == set(POINTWISE)
