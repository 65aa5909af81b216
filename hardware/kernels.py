"""One grid from the rows of several kernels: what the engine runs differs from shape to shape."""

from functools import reduce

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, Tables


def grid_of_kernels(tables: Tables, family: str, key: Key, without: str = "") -> Grid:
    """The rows of every kernel under ``key``, whose last part, the kernel, is left out.

    Where several timed a point, the first one in the order of the sources holds. Kernels whose name contains
    ``without`` are passed over, unless there are no others.

    Raises
    ------
    MissingDataError
        If there are none.
    """
    there = [full for full in tables.keys(family) if full[:-1] == key]
    if without:
        there = [full for full in there if without not in str(full[-1])] or there
    if not there:
        raise MissingDataError(f"table {family} of {tables.backend} on {tables.system}: no rows for {key}")
    trusted = [kernel for source in tables.sources(family) for kernel in source.kernels]
    there.sort(key=lambda full: trusted.index(str(full[-1])))
    return reduce(_filled, (tables.grid(family, full) for full in there))


def nearest_ms(
    name: str, grid: Grid, prefix: FloatArray, length: FloatArray, batch: FloatArray
) -> FloatArray:
    """A kernel over (cached tokens, new tokens, batch) at each of (Q,) loads.

    At the measured batch and new tokens nearest to each; linear in the cached ones, held beyond.
    """
    steps, lengths, batches = grid.axes
    if (length > lengths[-1]).any():
        raise MissingDataError(
            f"table {name}: prompts of up to {lengths[-1]} tokens were measured, not {int(length.max())}"
        )
    near = np.abs(lengths[None, :] - length[:, None]).argmin(axis=1)
    at = np.abs(batches[None, :] - batch[:, None]).argmin(axis=1)
    times = np.empty(len(length))
    for i, (own_length, own_batch) in enumerate(zip(near, at, strict=True)):
        curve = grid.values[:, own_length, own_batch]
        there = ~np.isnan(curve)
        times[i] = np.interp(prefix[i], steps[there], curve[there])
    return times


def _filled(first: Grid, second: Grid) -> Grid:
    """``first``, and ``second`` where it has nothing."""
    axes = tuple(np.union1d(mine, theirs) for mine, theirs in zip(first.axes, second.axes, strict=True))
    values = np.full(tuple(len(axis) for axis in axes), np.nan)
    for grid in (second, first):
        at = np.ix_(*(np.searchsorted(axis, own) for axis, own in zip(axes, grid.axes, strict=True)))
        values[at] = np.where(np.isnan(grid.values), values[at], grid.values)
    return Grid(axes, values)
