"""Attention to compressed tokens (DeepSeek-V4): measured modules, less what their rows overstate.

The rows' scores were all equal, on which SGLang's choice of the best takes longer than on real ones; where
its kernel was timed on both, the difference is taken off. Rules: those of AIConfigurator 0.12.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from msgspec import structs

from aicfg.hardware.attention_tables import generation_peak_flops
from aicfg.hardware.compressed_context import CHOICE, shared_prompt_ms
from aicfg.hardware.compressed_light import CompressedContextRoofline, CompressedGenerationRoofline
from aicfg.hardware.equal_scores import Choice, of_decoding, overstated_ms
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.modules import (
    Formats,
    context_table,
    decoding_ms,
    decoding_rows_ms,
    piecewise,
    prompts_ms,
)
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.model_specs.operations import CompressedModule
from aicfg.model_specs.parts import CHOOSES
from aicfg.model_specs.quantization import element_bytes, flops_class

CONTEXT = {True: "dsv4_csa_context_module", False: "dsv4_hca_context_module"}
GENERATION = {True: "dsv4_csa_generation_module", False: "dsv4_hca_generation_module"}
"""Tables, by whether an index chooses among the entries."""


@prices(CompressedModule)
def compressed_ms(pricing: Pricing, op: CompressedModule, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    if load.prompts is not None:
        return _prompts_ms(pricing, op, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return _decoding_ms(pricing, op, load.decoding)


def _prompts_ms(pricing: Pricing, op: CompressedModule, prompts: Prompts) -> FloatArray:
    rows = rows_of(pricing, op)

    def rows_ms(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
        times = context_table(pricing, rows)(np.full(len(batch), float(op.heads)), prefix, length, batch)
        return np.maximum(times - _overstated_ms(pricing, op, "v1", prefix, length, batch), 0.0)

    module = piecewise(pricing, rows, rows_ms)
    if op.context == 1:
        where = prompts.prefix, prompts.length, prompts.batch
        return prompts_ms(pricing, rows, op.heads, prompts, measured=lambda: module(*where))
    return prompts_ms(
        pricing,
        rows,
        op.heads,
        prompts,
        op.context,
        measured=lambda: shared_prompt_ms(pricing, op, module, prompts),
        reach=lambda: Source.INTERPOLATED,
    )


def _decoding_ms(pricing: Pricing, op: CompressedModule, decoding: Decoding) -> FloatArray:
    rows = rows_of(pricing, op)

    def measured() -> FloatArray:
        over = of_decoding(partial(_overstated_ms, pricing, op, "v2"), decoding)
        return np.maximum(decoding_rows_ms(pricing, rows, op.heads, decoding) - over, 0.0)

    return decoding_ms(pricing, rows, op.heads, decoding, measured)


def _overstated_ms(
    pricing: Pricing,
    op: CompressedModule,
    kernel: str,
    prefix: FloatArray,
    length: FloatArray,
    batch: FloatArray,
) -> FloatArray:
    """By the choice of equal scores, if it has one; ``v1`` chooses for prompts, ``v2`` for new tokens."""
    if op.ratio != CHOOSES:
        return np.zeros(len(batch))
    choice = Choice(CHOICE, (f"{kernel}_flat",), (f"{kernel}_top_last",), op.native_heads)
    return overstated_ms(pricing, choice, prefix, length, batch)


def rows_of(pricing: Pricing, op: CompressedModule) -> "CompressedRows":
    """The rows for a module."""
    shape = structs.replace(
        op, name="module", component="gemm", count=1, context=1, projections=(), float32_parameters=0
    )
    quant = pricing.quant
    return CompressedRows(shape, Formats(pricing.dtype(op.component), quant.kvcache, quant.fmha))


@dataclass(frozen=True)
class CompressedRows:
    """A module on a number of heads, in number formats."""

    module: CompressedModule
    formats: Formats

    @property
    def _chooses(self) -> bool:
        return self.module.ratio == CHOOSES

    def context_grid(self, pricing: Pricing) -> Grid:
        """Of prompts, on the module's heads."""
        formats = self.formats
        return self._grid(pricing, CONTEXT[self._chooses], (formats.fmha, formats.kvcache, formats.gemm))

    def generation_grid(self, pricing: Pricing) -> Grid:
        """Of new tokens, on the module's heads."""
        formats = self.formats
        return self._grid(pricing, GENERATION[self._chooses], (formats.kvcache, formats.gemm))

    def _grid(self, pricing: Pricing, family: str, formats: Key) -> Grid:
        """The rows of one number of heads, of the whole model and of a GPU.

        The number itself, else the next smaller one, else the smallest.
        """
        places: dict[int, dict[int, tuple[Key, int]]] = {}
        for key in pricing.tables.keys(family):
            if key[: len(formats)] == formats:
                for at, heads in enumerate(pricing.tables.grid(family, key).axes[0].tolist()):
                    places.setdefault(heads * int(key[-1]), {})[heads] = (key, at)
        if not places:
            where = f"table {family} of {pricing.tables.backend} on {pricing.system.name}"
            raise MissingDataError(f"{where}: no rows for {formats}")
        shares = places[_standing(self.module.native_heads, sorted(places))]
        key, at = shares[_standing(self.module.heads, sorted(shares))]
        grid = pricing.tables.grid(family, key)
        return Grid((np.array([self.module.heads]), *grid.axes[1:]), grid.values[at : at + 1])

    def context_light(self, pricing: Pricing) -> CompressedContextRoofline:
        """Speed of light of prompts."""
        peak = pricing.system.peak_flops(flops_class("fmha", self.formats.fmha))
        bounds = self._bounds(pricing, element_bytes("fmha", self.formats.fmha), peak)
        return CompressedContextRoofline(self.module, *bounds)

    def generation_light(self, pricing: Pricing) -> CompressedGenerationRoofline:
        """Speed of light of new tokens."""
        peak = generation_peak_flops(pricing, self.formats.kvcache)
        plain = peak == pricing.system.peak_flops("bfloat16")
        bounds = self._bounds(pricing, 2.0 if plain else 1.0, peak)
        return CompressedGenerationRoofline(self.module, *bounds)

    def _bounds(self, pricing: Pricing, query_bytes: float, attention_flops: float) -> tuple[float, ...]:
        system, formats = pricing.system, self.formats
        return (
            element_bytes("gemm", formats.gemm),
            element_bytes("kvcache", formats.kvcache),
            query_bytes,
            system.memory_bandwidth_bytes_per_s,
            system.peak_flops(flops_class("gemm", formats.gemm)),
            system.peak_flops("bfloat16"),
            system.peak_flops("fp8"),
            attention_flops,
        )

    def context_lender(self, pricing: Pricing) -> "CompressedRows":
        """The rows in the nearest formats."""
        keys = pricing.tables.keys(CONTEXT[self._chooses])
        return self._nearest(pricing, [Formats(str(g), str(k), str(f)) for f, k, g, *_ in keys])

    def generation_lender(self, pricing: Pricing) -> "CompressedRows":
        """The rows in the nearest formats."""
        keys = pricing.tables.keys(GENERATION[self._chooses])
        return self._nearest(pricing, [Formats(str(g), str(k), self.formats.fmha) for k, g, *_ in keys])

    def _nearest(self, pricing: Pricing, there: list[Formats]) -> "CompressedRows":
        if not there:
            what = f"attention to compressed tokens on {pricing.system.name}"
            raise MissingDataError(f"nothing was measured that {what} could be estimated from")
        return CompressedRows(self.module, min(there, key=self.formats.distance))


def _standing(asked: int, there: list[int]) -> int:
    """Which of the ascending numbers stands for the one asked for."""
    return max((number for number in there if number <= asked), default=there[0])
