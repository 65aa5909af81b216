"""What rows of attention to chosen tokens overstate: the choice of the best of equal scores.

The modules were timed on scores that were all equal (``flat``), on which SGLang's kernel takes longer than on
real ones. It was timed alone on both, at (cached tokens, new tokens, batch), by the heads of the whole model;
in between, linear, and held beyond. Rules: those of AIConfigurator 0.12, which has them for DeepSeek-V4.
"""

from dataclasses import dataclass

import numpy as np

from aicfg.hardware.interpolation import FloatArray, bracket
from aicfg.hardware.load import Decoding
from aicfg.hardware.modules import Module
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid, Key


@dataclass(frozen=True)
class Choice:
    """A kernel that chooses, timed on both kinds of scores."""

    family: str
    flat: Key
    real: Key
    heads: int


def overstated_ms(
    pricing: Pricing, choice: Choice, prefix: FloatArray, length: FloatArray, batch: FloatArray
) -> FloatArray:
    """At each of (Q,) loads; nothing where the kernel was not timed."""
    grid = pricing.table(("equal scores", choice), lambda: _difference(pricing, choice))
    return np.zeros(len(batch)) if grid is None else _between(grid, prefix, length, batch)


def of_decoding(over: Module, decoding: Decoding) -> FloatArray:
    """What ``over`` says of one new token of each request, averaged over the lengths with their weights."""
    each, length = np.meshgrid(decoding.batch, decoding.lengths, indexing="ij")
    found = over(np.maximum(length.ravel() - 1.0, 0.0), np.ones(each.size), each.ravel())
    return np.asarray(found.reshape(each.shape) @ decoding.weights)


def _difference(pricing: Pricing, choice: Choice) -> Grid | None:
    """Flat less real, nowhere negative, over (cached tokens, new tokens, batch)."""
    if not {choice.flat, choice.real} <= set(pricing.tables.keys(choice.family)):
        return None
    flat, real = (pricing.tables.grid(choice.family, key) for key in (choice.flat, choice.real))
    if choice.heads not in flat.axes[0] or choice.heads not in real.axes[0]:
        return None
    at = [int(np.flatnonzero(grid.axes[0] == choice.heads)[0]) for grid in (flat, real)]
    same = all(np.array_equal(a, b) for a, b in zip(flat.axes[1:], real.axes[1:], strict=True))
    assert same, f"{choice.family}: both kinds of scores were timed at the same loads"
    return Grid(flat.axes[1:], np.maximum(flat.values[at[0]] - real.values[at[1]], 0.0))


def _between(grid: Grid, prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
    """Linear along the cached tokens, then the new ones, then the batch, of what was timed."""
    by_batch, batches = [], []
    for at, size in enumerate(grid.axes[2]):
        rows = [
            (new, np.interp(prefix, grid.axes[0][there], column[there]))
            for new, column in zip(grid.axes[1], grid.values[:, :, at].T, strict=True)
            if (there := ~np.isnan(column)).any()
        ]
        if rows:
            by_batch.append(_along([new for new, _ in rows], [times for _, times in rows], length))
            batches.append(size)
    return _along(batches, by_batch, batch)


def _along(keys: list[int], rows: list[FloatArray], x: FloatArray) -> FloatArray:
    """Each query's own values at ascending keys, at its x; held beyond."""
    at, values = np.array(keys, dtype=np.float64), np.array(rows)
    lower, upper, weight = bracket(at, np.clip(x, at[0], at[-1]))
    every = np.arange(len(x))
    low, high = values[lower, every], values[upper, every]
    return np.asarray(low + (high - low) * weight)
