"""Estimates of latent attention to chosen tokens (DSA): its own utilisation or a relative's.

Borrowed from the rows of its own formats, else of those nearest to them, else of the other class. How the own
rows lend: AIConfigurator 0.12.
"""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import structs

from aicfg.hardware.estimate import ARITHMETIC, Utilisation
from aicfg.hardware.interpolation import FloatArray, Roofline
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.sparse_rows import (
    CONTEXT,
    GENERATION,
    MEASURED,
    TAKES_OVER,
    SparseRows,
    context_grid,
    context_light,
    generation_grid,
    generation_light,
)
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.quantization import element_bytes, flops_class

Reached = Callable[..., FloatArray]
"""Utilisation at coordinates of a grid, its heads left out."""


def context_reached(pricing: Pricing, rows: SparseRows, heads: int) -> Reached:
    """Utilisation of prompts at (prefix, new tokens, batch).

    Behind a prefix that does not lie between measured ones: that of as many new tokens without any.
    """

    def opened() -> Reached:
        lender = _lender(pricing, rows, CONTEXT)
        grid, light = context_grid(pricing, lender), context_light(pricing, lender)
        prefixes = grid.axes[1]
        behind = _reached(grid, light, heads)
        first = Grid((grid.axes[0], *grid.axes[2:]), grid.values[:, 0])
        plain = _reached(first, lambda n, s, b: light(n, prefixes[0], s, b), heads)

        def reached(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
            between = (prefix <= prefixes[-1]) & (len(prefixes) > 1)
            alone = plain(prefix + length, batch)
            return np.where(between, behind(prefix, length, batch), alone) if between.any() else alone

        return reached

    return pricing.table((CONTEXT, "reached", rows, heads), opened)


def generation_reached(pricing: Pricing, rows: SparseRows, heads: int) -> Reached:
    """Utilisation of new tokens at (batch, length)."""

    def opened() -> Reached:
        lender = _lender(pricing, rows, GENERATION)
        return _reached(generation_grid(pricing, lender), generation_light(pricing, lender), heads)

    return pricing.table((GENERATION, "reached", rows, heads), opened)


def _reached(grid: Grid, light: Roofline, heads: int) -> Reached:
    """Utilisation on one head count's points, if it was measured; else on those of all."""
    own = np.flatnonzero(grid.axes[0] == heads)
    if len(own):
        return Utilisation(grid.axes[1:], grid.values[own[0]], lambda *at: light(float(heads), *at))
    every = Utilisation(grid.axes, grid.values, light)
    return lambda *at: every(np.full(len(at[0]), float(heads)), *at)


def _lender(pricing: Pricing, rows: SparseRows, family: str) -> SparseRows:
    """The measured rows nearest to ``rows``: of its class, kind of layer, cache, products and arithmetic."""
    there = list(_all_rows(pricing, rows, family))
    if not there:
        what = f"{rows.module.hf_class}'s sparse attention on {pricing.system.name}"
        raise MissingDataError(f"nothing was measured that {what} could be estimated from")
    return min(there, key=lambda each: _distance(rows, each))


def _all_rows(pricing: Pricing, like: SparseRows, family: str) -> Iterator[SparseRows]:
    shapes = {each.hf_class: each for each in MEASURED}
    for name, *formats, hf_class, _ in pricing.tables.keys(family):
        if hf_class in shapes:
            module = structs.replace(
                shapes[str(hf_class)], heads=0, chooses=not str(name).endswith(TAKES_OVER)
            )
            *arithmetic, kvcache, gemm = (str(each) for each in formats)
            yield SparseRows(module, gemm, kvcache, arithmetic[0] if arithmetic else like.fmha)


def _distance(rows: SparseRows, other: SparseRows) -> tuple[float, ...]:
    mine, theirs = rows.gemm, other.gemm
    arithmetic = ARITHMETIC[flops_class("gemm", mine)] - ARITHMETIC[flops_class("gemm", theirs)]
    width = element_bytes("gemm", mine) - element_bytes("gemm", theirs)
    return (
        rows.module.hf_class != other.module.hf_class,
        rows.module.chooses != other.module.chooses,
        rows.kvcache != other.kvcache,
        abs(arithmetic),
        abs(width),
        mine != theirs,
        rows.fmha != other.fmha,
    )
