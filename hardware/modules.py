"""Attention that was measured as one module, its projections included: how its rows answer and lend.

Prompts lie on a grid of (query heads of a GPU, cached tokens, new tokens, batch), new tokens on one of (query
heads, batch, length). Rules: those of AIConfigurator 0.12 (performance model, §4).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.attention_tables import GenerationAttentionTable
from aicfg.hardware.estimate import ARITHMETIC, Utilisation
from aicfg.hardware.interpolation import FloatArray, IntArray, NestedGrid, Roofline
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.pricing import Price, Pricing, Reach
from aicfg.hardware.tables.store import Grid
from aicfg.model_specs.quantization import element_bytes, flops_class

Reached = Callable[..., FloatArray]
"""Utilisation at coordinates of a grid, its heads left out."""
Module = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Times of a module at (prefix, new tokens, batch)."""


class Rows(Protocol):
    """A module's shape in number formats: hashable, and the same for every number of heads."""

    def context_grid(self, pricing: Pricing) -> Grid:
        """Of prompts; raises MissingDataError where nothing was measured."""

    def context_light(self, pricing: Pricing) -> Roofline:
        """Speed of light of prompts, over the grid's axes."""

    def context_lender(self, pricing: Pricing) -> "Rows":
        """The measured rows nearest to these."""

    def generation_grid(self, pricing: Pricing) -> Grid:
        """Of new tokens."""

    def generation_light(self, pricing: Pricing) -> Roofline:
        """Speed of light of new tokens."""

    def generation_lender(self, pricing: Pricing) -> "Rows":
        """The measured rows nearest to these."""


@dataclass(frozen=True)
class Formats:
    """Number formats of a module's products, its cache and its attention."""

    gemm: str
    kvcache: str
    fmha: str

    def distance(self, other: "Formats") -> tuple[float, ...]:
        """How far another one's utilisation is: by the cache, by arithmetic and width of the products."""
        arithmetic = ARITHMETIC[flops_class("gemm", self.gemm)] - ARITHMETIC[flops_class("gemm", other.gemm)]
        width = element_bytes("gemm", self.gemm) - element_bytes("gemm", other.gemm)
        return (
            self.kvcache != other.kvcache,
            abs(arithmetic),
            abs(width),
            self.gemm != other.gemm,
            self.fmha != other.fmha,
        )


def causal_pairs(prefix: FloatArray, length: FloatArray, most: float) -> FloatArray:
    """Pairs of a new token of one prompt and a token that it attends to: of all so far, at most so many."""

    def upto(tokens: FloatArray) -> FloatArray:
        few = np.minimum(tokens, most)
        return np.asarray(few * (few + 1.0) / 2.0 + (tokens - few) * most)

    return upto(prefix + length) - upto(prefix)


def module_ms(pricing: Pricing, rows: Rows, heads: int, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves and what is cached of them, or its new tokens."""
    if load.prompts is not None:
        return prompts_ms(pricing, rows, heads, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return decoding_ms(pricing, rows, heads, load.decoding)


def prompts_ms(
    pricing: Pricing,
    rows: Rows,
    heads: int,
    prompts: Prompts,
    ranks: int = 1,
    measured: Price | None = None,
    reach: Reach | None = None,
) -> FloatArray:
    """Prompts, of which each of ``ranks`` GPUs takes its share; ``measured`` replaces the rows' own price."""
    where = prompts.prefix, prompts.length, prompts.batch
    at = (np.full(len(prompts.batch), float(heads)), *where)

    def module(*where: FloatArray) -> FloatArray:
        return context_table(pricing, rows)(np.full(len(where[0]), float(heads)), *where)

    def light() -> FloatArray:
        return np.asarray(rows.context_light(pricing)(*at) / ranks)

    def reached() -> IntArray:
        firmness = context_table(pricing, rows).reach(*at)
        return np.where(_in_pieces(pricing, rows, *where), Source.INTERPOLATED, firmness)

    return pricing.by_mode(
        measured=measured or (lambda: piecewise(pricing, rows, module)(*where)),
        light=light,
        estimated=lambda: light() / context_reached(pricing, rows, heads)(*where),
        reach=reach or reached,
    )


def piecewise(pricing: Pricing, rows: Rows, module: Module) -> Module:
    """``module``, of prompts longer than any of the rows as the sum over pieces that are as long as they.

    A piece attends to all before it, which the rows behind a prefix tell: pairs of tokens add up, and engines
    compute long prompts in such pieces. Where no row lies that far behind, the module itself.
    """

    def whole(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
        split = _in_pieces(pricing, rows, prefix, length, batch)
        if not split.any():
            return module(prefix, length, batch)
        times, longest = np.zeros(len(length)), float(context_table(pricing, rows).axes[2][-1])
        times[~split] = module(prefix[~split], length[~split], batch[~split])
        for start in np.arange(0.0, length[split].max(), longest):
            at = split & (length > start)
            piece = np.minimum(length[at] - start, longest)
            times[at] += module(prefix[at] + start, piece, batch[at])
        return times

    return whole


def _in_pieces(
    pricing: Pricing, rows: Rows, prefix: FloatArray, length: FloatArray, batch: FloatArray
) -> NDArray[np.bool_]:
    """Prompts longer than any of the rows, all of whose pieces lie between prefixes of the rows."""
    if pricing.profile.operations.long_sparse_prompts == "extrapolated":
        return np.zeros(len(batch), dtype=bool)
    _, prefixes, lengths, _ = context_table(pricing, rows).axes
    last = prefix + np.floor((length - 1.0) / lengths[-1]) * lengths[-1]
    return (length > lengths[-1]) & (last <= prefixes[-1])


def decoding_ms(
    pricing: Pricing, rows: Rows, heads: int, decoding: Decoding, measured: Price | None = None
) -> FloatArray:
    """New tokens, averaged over the lengths with their weights."""
    batch, lengths, weights = decoding.batch, decoding.lengths, decoding.weights
    each, length = np.meshgrid(batch, lengths, indexing="ij")
    at = each.ravel(), length.ravel()

    def light() -> FloatArray:
        return rows.generation_light(pricing)(float(heads), *at)

    def averaged(ms: FloatArray) -> FloatArray:
        return np.asarray(ms.reshape(each.shape) @ weights)

    return pricing.by_mode(
        measured=measured or (lambda: decoding_rows_ms(pricing, rows, heads, decoding)),
        light=lambda: averaged(light()),
        estimated=lambda: averaged(light() / generation_reached(pricing, rows, heads)(*at)),
        reach=lambda: generation_table(pricing, rows).reach(heads, batch, lengths),
    )


def decoding_rows_ms(pricing: Pricing, rows: Rows, heads: int, decoding: Decoding) -> FloatArray:
    """New tokens from the rows, averaged over the lengths with their weights."""
    return generation_table(pricing, rows)(heads, decoding.batch, decoding.lengths, decoding.weights)


def context_table(pricing: Pricing, rows: Rows) -> NestedGrid:
    """Prompts' rows, with what lies between and beyond them."""

    def opened() -> NestedGrid:
        grid = rows.context_grid(pricing)
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        return NestedGrid(axes, grid.values, rows.context_light(pricing))

    return pricing.table(("context module", rows), opened)


def generation_table(pricing: Pricing, rows: Rows) -> GenerationAttentionTable:
    """New tokens' rows, with what lies between and beyond them."""

    def opened() -> GenerationAttentionTable:
        grid, light = rows.generation_grid(pricing), rows.generation_light(pricing)
        return GenerationAttentionTable(grid, light, above_light=False)

    return pricing.table(("generation module", rows), opened)


def context_reached(pricing: Pricing, rows: Rows, heads: int) -> Reached:
    """Utilisation of prompts at (prefix, new tokens, batch), the rows' own or their lender's.

    Behind a prefix that does not lie between measured ones: that of as many new tokens without any.
    """

    def opened() -> Reached:
        lender = rows.context_lender(pricing)
        grid, light = lender.context_grid(pricing), lender.context_light(pricing)
        prefixes = grid.axes[1]
        behind = _reached(grid, light, heads)
        first = Grid((grid.axes[0], *grid.axes[2:]), grid.values[:, 0])
        plain = _reached(first, lambda n, s, b: light(n, prefixes[0], s, b), heads)

        def reached(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
            between = (prefix <= prefixes[-1]) & (len(prefixes) > 1)
            alone = plain(prefix + length, batch)
            return np.where(between, behind(prefix, length, batch), alone) if between.any() else alone

        return reached

    return pricing.table(("context module reached", rows, heads), opened)


def generation_reached(pricing: Pricing, rows: Rows, heads: int) -> Reached:
    """Utilisation of new tokens at (batch, length), the rows' own or their lender's."""

    def opened() -> Reached:
        lender = rows.generation_lender(pricing)
        return _reached(lender.generation_grid(pricing), lender.generation_light(pricing), heads)

    return pricing.table(("generation module reached", rows, heads), opened)


def _reached(grid: Grid, light: Roofline, heads: int) -> Reached:
    """Utilisation on one head count's points, if it was measured; else on those of all."""
    own = np.flatnonzero(grid.axes[0] == heads)
    if len(own):
        return Utilisation(grid.axes[1:], grid.values[own[0]], lambda *at: light(float(heads), *at))
    every = Utilisation(grid.axes, grid.values, light)
    return lambda *at: every(np.full(len(at[0]), float(heads)), *at)
