"""How a measured grid answers between and beyond its points.

Inside the grid: linear on every axis, nested from the first axis to the last (optionally linear in the square
root along one axis, for the ~s² growth of prefill attention). Grids are ragged: a bracketing branch that
lacks the point is dropped, and the survivor is scaled by the ratio of the speeds of light. Beyond the grid:
the utilisation (speed of light over measured time) of the four nearest points in log2 space, so that the
speed of light carries the growth. Rules: performance model of AIConfigurator 0.12.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.modes import Source

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEAREST_LEAVES = 4
QUERY_BLOCK = 2048
"""Queries past the grid that are compared with the measured points at a time."""


def bracket(keys: FloatArray, x: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Positions of the ascending ``keys`` around each x, and the weight of the upper one.

    An exact key brackets itself (both positions equal, weight 0); x outside the keys gets weight NaN.
    """
    upper = np.searchsorted(keys, x, side="left")
    inside = (upper < len(keys)) & (x >= keys[0])
    upper = np.minimum(upper, len(keys) - 1)
    exact = keys[upper] == x
    lower = np.where(exact, upper, np.maximum(upper - 1, 0))
    span = np.where(exact, 1.0, keys[upper] - keys[lower])
    weight = np.where(exact, 0.0, (x - keys[lower]) / np.where(span == 0, 1.0, span))
    return lower, upper, np.where(inside, weight, np.nan)


def along(keys: FloatArray, times: FloatArray, x: FloatArray) -> FloatArray:
    """Linear in x between measured points; NaN outside their range."""
    return np.interp(x, keys, times, left=np.nan, right=np.nan)


Roofline = Callable[..., FloatArray]


@dataclass
class NestedGrid:
    """A ragged product grid with its speed of light.

    Parameters
    ----------
    axes
        Ascending coordinates, outermost first.
    times_ms
        Measured times of the product's shape, NaN where not measured.
    roofline
        Speed of light in ms as a function of one coordinate array per axis.
    square_root_axis
        Axis along which the square root of the time is interpolated.
    """

    axes: tuple[FloatArray, ...]
    times_ms: FloatArray
    roofline: Roofline
    square_root_axis: int | None = None
    replaced: NDArray[np.bool_] | None = None
    """Where estimates stand in for measured times (for ``reach`` alone)."""
    _leaves: tuple[FloatArray, FloatArray] | None = field(default=None, init=False)

    def __call__(self, *coordinates: FloatArray) -> FloatArray:
        """Time in ms at each of Q points, given as one (Q,) array per axis."""
        points = list(np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in coordinates)))
        times = self._inside(self.times_ms, 0, points)
        outside = np.isnan(times)
        if outside.any():
            times[outside] = self._beyond([c[outside] for c in points])
        return times

    def reach(self, *coordinates: FloatArray) -> IntArray:
        """What the time at each of Q points rests on, as ``Source`` values."""
        points = list(np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in coordinates)))
        # A lost branch is scaled by the speed of light: without it, only points between measured ones stay.
        blind = replace(self, roofline=lambda *c: np.full(len(c[0]), np.nan))
        between = ~np.isnan(blind._inside(self.times_ms, 0, points))
        reach = np.where(
            self._measures(points),
            Source.MEASURED,
            np.where(between, Source.INTERPOLATED, Source.EXTRAPOLATED),
        )
        return np.where(self._on_replaced(points), Source.REPLACED, reach)

    def _on_replaced(self, points: list[FloatArray]) -> NDArray[np.bool_]:
        """Whether each point's time is made of any replaced one."""
        if self.replaced is None:
            return np.zeros(len(points[0]), bool)
        marks = np.where(np.isnan(self.times_ms), np.nan, self.replaced.astype(np.float64))
        return np.nan_to_num(self._inside(marks, 0, points)) > 0.0

    def _measures(self, points: list[FloatArray]) -> NDArray[np.bool_]:
        """Whether each point is a measured one."""
        at = [
            np.minimum(np.searchsorted(axis, x), len(axis) - 1)
            for axis, x in zip(self.axes, points, strict=True)
        ]
        same = [axis[i] == x for axis, i, x in zip(self.axes, at, points, strict=True)]
        return np.logical_and.reduce(same) & ~np.isnan(self.times_ms[tuple(at)])

    def _inside(self, block: FloatArray, depth: int, points: list[FloatArray]) -> FloatArray:
        """Nested interpolation below one branch; NaN where the branch does not reach."""
        measured = ~np.isnan(block)
        present = np.flatnonzero(measured.reshape(len(block), -1).any(axis=1))
        keys, x = self.axes[depth][present], points[depth]
        if block.ndim == 1:
            return self._blend(depth, along(keys, self._transform(depth, block[present]), x))
        lower, upper, weight = bracket(keys, x)
        branch = np.full((len(present), len(x)), np.nan)
        for position in np.flatnonzero(np.bincount(np.concatenate([lower, upper]))):
            asks = (lower == position) | (upper == position)
            below = self._inside(block[present[position]], depth + 1, [c[asks] for c in points])
            branch[position, asks] = below
        every = np.arange(len(x))
        low, high = branch[lower, every], branch[upper, every]
        low_t, high_t = self._transform(depth, low), self._transform(depth, high)
        times = self._blend(depth, low_t + (high_t - low_t) * weight)
        for key, survivor, lost in ((lower, low, high), (upper, high, low)):
            alone = ~np.isnan(weight) & ~np.isnan(survivor) & np.isnan(lost)
            if alone.any():
                times[alone] = survivor[alone] * self._ratio(depth, keys[key], points, alone)
        return times

    def _transform(self, depth: int, times: FloatArray) -> FloatArray:
        return np.sqrt(times) if depth == self.square_root_axis else times

    def _blend(self, depth: int, values: FloatArray) -> FloatArray:
        return values * values if depth == self.square_root_axis else values

    def _ratio(
        self, depth: int, key: FloatArray, points: list[FloatArray], at: NDArray[np.bool_]
    ) -> FloatArray:
        """Speed of light at the query over the same with one axis snapped to the surviving branch."""
        query = [c[at] for c in points]
        snapped = [*query[:depth], key[at], *query[depth + 1 :]]
        return self.roofline(*query) / self.roofline(*snapped)

    def _beyond(self, points: list[FloatArray]) -> FloatArray:
        """Speed of light over the utilisation that the nearest measured points hold.

        A block of queries at a time.
        """
        logs = np.log2(np.maximum(np.array(points), 1e-12))
        blocks = [slice(start, start + QUERY_BLOCK) for start in range(0, logs.shape[1], QUERY_BLOCK)]
        held = np.concatenate([self._held_utilisation(logs[:, block]) for block in blocks])
        return self.roofline(*points) / held

    def _held_utilisation(self, query: FloatArray) -> FloatArray:
        """Utilisation at (axes, Q) log2 coordinates: of the nearest points, weighted ((R-d)/(R·d))², R the
        next one's d.

        Only leaves that can be among the nearest of some query in the block's bounding box are compared.
        """
        leaves, utilisation = self._measured()
        take = min(NEAREST_LEAVES + 1, len(utilisation))
        low, high = query.min(axis=1, keepdims=True), query.max(axis=1, keepdims=True)
        closest = (np.maximum(np.maximum(low - leaves, leaves - high), 0.0) ** 2).sum(axis=0)
        farthest = (np.maximum(np.abs(leaves - low), np.abs(leaves - high)) ** 2).sum(axis=0)
        able = closest <= np.partition(farthest, take - 1)[take - 1] * (1.0 + 1e-12)
        near = np.zeros((query.shape[1], int(able.sum())))
        for axis in range(len(query)):
            near += (query[axis][:, None] - leaves[axis, able]) ** 2
        first = np.argpartition(near, take - 1, axis=1)[:, :take]
        distance = np.sqrt(np.take_along_axis(near, first, axis=1))
        lent = utilisation[able][first]
        if take <= NEAREST_LEAVES:
            weights = 1.0 / (distance**2 + 1e-12)
        else:  # the point at the radius itself gets no weight
            radius = distance.max(axis=1, keepdims=True)
            weights = ((radius - distance) / (radius * distance + 1e-12)) ** 2
            weights[weights.sum(axis=1) <= 0.0] = 1.0
        return np.asarray((weights * lent).sum(axis=1) / weights.sum(axis=1))

    def _measured(self) -> tuple[FloatArray, FloatArray]:
        """log2 coordinates (axes, leaves) and utilisation of every measured point."""
        if self._leaves is None:
            at = np.nonzero(~np.isnan(self.times_ms))
            coordinates = [axis[index] for axis, index in zip(self.axes, at, strict=True)]
            logs = np.log2(np.maximum(np.array(coordinates), 1e-12))
            self._leaves = logs, self.roofline(*coordinates) / self.times_ms[at]
        return self._leaves


def reach_along(keys: FloatArray, x: FloatArray, replaced: NDArray[np.bool_] | None = None) -> IntArray:
    """What a price along one axis rests on at each x, as ``Source`` values; ``replaced`` marks the keys."""
    lower, upper, weight = bracket(keys, x)
    beyond = np.where(np.isnan(weight), Source.EXTRAPOLATED, Source.INTERPOLATED)
    reach = np.where(weight == 0.0, Source.MEASURED, beyond)
    return reach if replaced is None else np.where(replaced[lower] | replaced[upper], Source.REPLACED, reach)
