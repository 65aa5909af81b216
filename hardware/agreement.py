"""Dense products that engines share: no engine is charged much more than the fastest of the others.

Engines choose among the same libraries of kernels for a product of one shape and format, and tune that choice
when they start; their tables were taken without. A time that the best of the other engines undercuts by more
than a margin is what a served engine would not run.
"""

from dataclasses import replace

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.siblings import other_engines
from aicfg.hardware.tables.store import Grid, Key

SHARED_BY_ALL = ("bfloat16",)
"""Formats whose tables agree between engines as they are (99 % of the rows within 1.2 of the least)."""


def products(pricing: Pricing, dtype: str) -> Grid:
    """The engine's measured products in a format, none above the margin times the fastest other engine's."""
    key: Key = (dtype,)
    own, margin = pricing.tables.grid("gemm", key), pricing.profile.operations.products_above_engines
    if margin is None or dtype in SHARED_BY_ALL:
        return own
    others = [each.grid("gemm", key) for each in other_engines(pricing.tables) if key in each.keys("gemm")]
    return capped(own, others, margin)


def capped(own: Grid, others: list[Grid], margin: float) -> Grid:
    """``own`` with no time above ``margin`` times the least of the others at the same coordinates."""
    least = np.full(own.values.shape, np.inf)
    for other in others:
        least = np.fmin(least, _at(own, other))
    above = own.values > margin * least
    if not above.any():
        return own
    values = np.where(above, margin * least, own.values)
    return replace(own, values=values, replaced=above if own.replaced is None else above | own.replaced)


def _at(own: Grid, other: Grid) -> FloatArray:
    """The times of ``other`` at the coordinates of ``own``; infinite where it has none."""
    found = np.full(own.values.shape, np.inf)
    near = [
        np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
        for mine, theirs in zip(own.axes, other.axes, strict=True)
    ]
    shared = [other.axes[axis][at] == own.axes[axis] for axis, at in enumerate(near)]
    values = other.values[np.ix_(*(at[here] for at, here in zip(near, shared, strict=True)))]
    found[np.ix_(*map(np.flatnonzero, shared))] = np.where(np.isnan(values), np.inf, values)
    return found
