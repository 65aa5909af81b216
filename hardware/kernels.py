"""One grid from the rows of several kernels: what the engine runs differs from shape to shape."""

from functools import reduce

import numpy as np

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


def _filled(first: Grid, second: Grid) -> Grid:
    """``first``, and ``second`` where it has nothing."""
    axes = tuple(np.union1d(mine, theirs) for mine, theirs in zip(first.axes, second.axes, strict=True))
    values = np.full(tuple(len(axis) for axis in axes), np.nan)
    for grid in (second, first):
        at = np.ix_(*(np.searchsorted(axis, own) for axis, own in zip(axes, grid.axes, strict=True)))
        values[at] = np.where(np.isnan(grid.values), values[at], grid.values)
    return Grid(axes, values)
