"""What the rows of attention to compressed tokens overstate: the choice of the best of equal scores.

SGLang's kernel was timed alone on equal scores (``flat``) and on such that the last are the best, at (cached
tokens, new tokens, batch), by the heads of the whole model; in between, linear, and held beyond. Rules: those
of AIConfigurator 0.12.
"""

from typing import Literal

import numpy as np

from aicfg.hardware.interpolation import FloatArray, bracket
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid
from aicfg.model_specs.operations import CompressedModule
from aicfg.model_specs.parts import CHOOSES

FAMILY = "dsv4_csa_topk_calib"


def overstated_ms(
    pricing: Pricing,
    op: CompressedModule,
    kernel: Literal["v1", "v2"],
    prefix: FloatArray,
    length: FloatArray,
    batch: FloatArray,
) -> FloatArray:
    """At each of (Q,) loads; nothing where the kernel was not timed, or nothing is chosen.

    ``v1`` chooses for prompts, ``v2`` for new tokens.
    """
    if op.ratio != CHOOSES:
        return np.zeros(len(batch))
    grid = pricing.table(
        (FAMILY, kernel, op.native_heads), lambda: _difference(pricing, kernel, op.native_heads)
    )
    return np.zeros(len(batch)) if grid is None else _between(grid, prefix, length, batch)


def _difference(pricing: Pricing, kernel: str, heads: int) -> Grid | None:
    """Flat less real, nowhere negative, over (cached tokens, new tokens, batch)."""
    keys = ((f"{kernel}_flat",), (f"{kernel}_top_last",))
    if not set(keys) <= set(pricing.tables.keys(FAMILY)):
        return None
    flat, real = (pricing.tables.grid(FAMILY, key) for key in keys)
    if heads not in flat.axes[0] or heads not in real.axes[0]:
        return None
    at = [int(np.flatnonzero(grid.axes[0] == heads)[0]) for grid in (flat, real)]
    same = all(np.array_equal(a, b) for a, b in zip(flat.axes[1:], real.axes[1:], strict=True))
    assert same, f"{FAMILY}: both kinds of scores were timed at the same loads"
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
