"""Attention of prompts (context) and of new tokens against their caches (generation).

Both come from measured grids per (dtypes, KV heads, head size, window); heads, lengths and batches in between
are interpolated. Rules: performance model of AIConfigurator 0.12, §3.2 and §4.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray, NestedGrid, along, bracket
from aicfg.hardware.roofline import ContextAttentionRoofline, GenerationAttentionRoofline
from aicfg.hardware.tables.store import Grid


class ContextAttentionTable:
    """Prefill attention of one (dtypes, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: ContextAttentionRoofline) -> None:
        """``grid`` has axes (heads, length, batch)."""
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        self._nested = NestedGrid(axes, grid.values, roofline, square_root_axis=1)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, prefix: FloatArray) -> FloatArray:
        """Time in ms of ``batch`` prompts of ``length`` new tokens behind ``prefix`` cached ones.

        The whole length is looked up and the share of the score matrix that the prefix spares is taken off:
        ((l + p)² - p²) / (l + p)².
        """
        whole = length + prefix
        times = self._nested(np.broadcast_to(float(heads), np.shape(batch)), whole, batch)
        return times * (whole**2 - prefix**2) / whole**2


class GenerationAttentionTable:
    """Decode attention of one (KV dtype, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: GenerationAttentionRoofline) -> None:
        """``grid`` has axes (heads, batch, cached length); rows faster than light are raised to it."""
        self._axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        mesh = np.meshgrid(*self._axes, indexing="ij", sparse=True)
        self._times = np.maximum(grid.values, roofline(*mesh))
        self._nested = NestedGrid(self._axes, self._times, roofline)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """Weighted sum over (S,) cached lengths of the time in ms, at each of (B,) batch sizes.

        Interpolation in the batch is linear with weights that don't depend on the length, so the sum over
        lengths is taken first wherever the measured rows reach every length; elsewhere each length is looked
        up by itself.
        """
        lower, upper, share = bracket(self._axes[0], np.array([float(heads)]))
        total = np.full(len(batch), np.nan)
        if not np.isnan(share[0]):
            low = self._summed(int(lower[0]), batch, length, weight)
            high = self._summed(int(upper[0]), batch, length, weight) if share[0] else low
            total = low + (high - low) * share[0]
        ragged = np.isnan(total)
        if ragged.any():
            b, s = np.meshgrid(batch[ragged], length, indexing="ij")
            n = np.full(b.size, float(heads))
            total[ragged] = self._nested(n, b.ravel(), s.ravel()).reshape(b.shape) @ weight
        return total

    def _summed(self, branch: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted sum on one measured head count.

        NaN where the rows around a batch don't reach all lengths.
        """
        block = self._times[branch]
        measured = ~np.isnan(block)
        present = np.flatnonzero(measured.any(axis=1))
        sums = np.array(
            [along(self._axes[2][measured[i]], block[i][measured[i]], length) @ weight for i in present]
        )
        return along(self._axes[1][present], sums, batch)


def sampled_lengths(length: FloatArray, low: float, high: float, count: int) -> FloatArray:
    """``count`` whole lengths spread evenly from ``low``·length to ``high``·length.

    For each of (S,) lengths.
    """
    shortest = np.maximum(1.0, np.floor(length * low))
    longest = np.maximum(shortest, np.floor(length * high))
    steps = np.arange(count)
    return shortest[:, None] + np.floor((longest - shortest)[:, None] * steps / (count - 1))
