"""Multi-head latent attention: its kernel, the module around it, and the products that decoding absorbs.

Prompts and new tokens come from the same kinds of grids as grouped-query attention; decoding is looked up at
its very length. Rules: performance model of AIConfigurator 0.12, §3.4 and §4.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aicfg.hardware.attention_tables import (
    ContextAttentionTable,
    GenerationAttentionTable,
    generation_peak_flops,
)
from aicfg.hardware.estimate import Loan
from aicfg.hardware.interpolation import FloatArray, IntArray, Roofline
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.roofline import (
    AbsorbedProductRoofline,
    LatentContextRoofline,
    LatentGenerationRoofline,
)
from aicfg.hardware.sweep import Sweep, sweep_of
from aicfg.hardware.tables.store import Key, MissingDataError
from aicfg.model_specs.operations import AbsorbedProduct, LatentAttention, LatentModule
from aicfg.model_specs.quantization import element_bytes, flops_class

MODULE_HEADS = {
    "deepseek-ai/DeepSeek-V3": 128,
    "deepseek-ai/DeepSeek-R1": 128,
    "nvidia/DeepSeek-V3.1-NVFP4": 128,
}
"""Query heads of the whole model that a module was measured in."""


@dataclass(frozen=True)
class LatentKernel:
    """What prices one latent-attention operation: two grids, opened when needed, and their speed of light."""

    heads: int
    context: Callable[[], ContextAttentionTable]
    generation: Callable[[], GenerationAttentionTable]
    context_light: Roofline
    generation_light: Roofline

    def price(self, pricing: Pricing, load: StepLoad, ranks: int = 1) -> FloatArray:
        """The step's prompts against themselves, or its new tokens against their caches."""
        if load.prompts is not None:
            return sum(
                (self._prompts_ms(pricing, share) for share in busiest_shares(load.prompts, ranks)),
                start=np.zeros(len(load.tokens)),
            )
        assert load.decoding is not None, "attention needs prompts or decoding requests"
        return self._decoding_ms(pricing, load.decoding)

    def _prompts_ms(self, pricing: Pricing, prompts: Prompts) -> FloatArray:
        asked = (self.heads, prompts.batch, prompts.length, prompts.prefix)
        heads, whole = np.full(len(prompts.batch), float(self.heads)), prompts.length + prompts.prefix

        def light() -> FloatArray:
            return self.context_light(heads, whole, prompts.batch, prompts.prefix)

        return pricing.by_mode(
            measured=lambda: self.context()(*asked),
            light=light,
            estimated=lambda: Loan(self.context().utilisation()).ms(light(), heads, whole, prompts.batch),
            reach=lambda: self.context().reach(*asked),
        )

    def _decoding_ms(self, pricing: Pricing, decoding: Decoding) -> FloatArray:
        batch, lengths, weights = decoding.batch, decoding.lengths, decoding.weights
        heads, each, length = np.broadcast_arrays(float(self.heads), batch[:, None], lengths[None, :])
        at = (heads.ravel(), each.ravel(), length.ravel())

        def averaged(ms: FloatArray) -> FloatArray:
            return np.asarray(ms.reshape(each.shape) @ weights)

        def light() -> FloatArray:
            return self.generation_light(*at)

        return pricing.by_mode(
            measured=lambda: self.generation()(self.heads, batch, lengths, weights),
            light=lambda: averaged(light()),
            estimated=lambda: averaged(Loan(self.generation().utilisation()).ms(light(), *at)),
            reach=lambda: self.generation().reach(self.heads, batch, lengths),
        )


def busiest_shares(prompts: Prompts, ranks: int) -> tuple[Prompts, ...]:
    """What the busiest of context-parallel ranks attends to: its first and its last chunk of each prompt."""
    if ranks <= 1:
        return (prompts,)
    chunk = np.maximum(np.ceil(prompts.length / (2 * ranks)), 1.0)
    last = Prompts(prompts.batch, chunk, prompts.prefix + prompts.length - chunk)
    return Prompts(prompts.batch, chunk, prompts.prefix), last


@prices(LatentAttention)
def latent_attention_ms(pricing: Pricing, op: LatentAttention, load: StepLoad) -> FloatArray:
    """The kernel alone."""
    quant = pricing.quant
    context_light, generation_light = _context_light(pricing), _generation_light(pricing)

    def context() -> ContextAttentionTable:
        grid = pricing.tables.grid("context_mla", (quant.fmha, quant.kvcache))
        return ContextAttentionTable(grid, context_light)

    def generation() -> GenerationAttentionTable:
        return GenerationAttentionTable(
            pricing.tables.grid("generation_mla", (quant.kvcache,)), generation_light, above_light=False
        )

    kernel = LatentKernel(
        op.heads,
        lambda: pricing.table(("context_mla",), context),
        lambda: pricing.table(("generation_mla",), generation),
        context_light,
        generation_light,
    )
    return kernel.price(pricing, load, op.context)


@prices(LatentModule)
def latent_module_ms(pricing: Pricing, op: LatentModule, load: StepLoad) -> FloatArray:
    """The kernel with its projections."""
    quant, dtype = pricing.quant, pricing.dtype(op.component)
    context_light = _context_light(pricing)
    generation_light = _generation_light(pricing, absorbed_roofline(pricing, dtype))

    def context() -> ContextAttentionTable:
        key = (quant.fmha, quant.kvcache, dtype)
        grid = pricing.tables.grid(*_module(pricing, "mla_context_module", key, op.native_heads))
        return ContextAttentionTable(grid, context_light)

    def generation() -> GenerationAttentionTable:
        key = (quant.kvcache, dtype)
        grid = pricing.tables.grid(*_module(pricing, "mla_generation_module", key, op.native_heads))
        return GenerationAttentionTable(grid, generation_light, above_light=False)

    name = ("latent_module", dtype, op.native_heads)
    kernel = LatentKernel(
        op.heads,
        lambda: pricing.table((*name, "context"), context),
        lambda: pricing.table((*name, "generation"), generation),
        context_light,
        generation_light,
    )
    return kernel.price(pricing, load)


@prices(AbsorbedProduct)
def absorbed_product_ms(pricing: Pricing, op: AbsorbedProduct, load: StepLoad) -> FloatArray:
    """One product of every head, over the step's tokens."""
    dtype = "bfloat16" if pricing.dtype(op.component) == "bfloat16" else "fp8"
    roofline = absorbed_roofline(pricing, dtype)

    def table() -> "AbsorbedProductTable":
        return pricing.table(
            ("mla_bmm", dtype, op.before), lambda: AbsorbedProductTable(pricing, dtype, op.before)
        )

    def light() -> FloatArray:
        return roofline(op.heads, load.tokens)

    return pricing.by_mode(
        measured=lambda: table()(load.tokens, op.heads),
        light=light,
        estimated=lambda: table().loan(op.heads).ms(light(), load.tokens),
        reach=lambda: table().reach(load.tokens, op.heads),
    )


class AbsorbedProductTable:
    """The product before or after the kernel, in one format; bfloat16 answers for a format not measured."""

    def __init__(self, pricing: Pricing, dtype: str, before: bool) -> None:
        name = "mla_gen_pre" if before else "mla_gen_post"
        measured = (dtype, name) in pricing.tables.keys("mla_bmm")
        self._grid = pricing.tables.grid("mla_bmm", (dtype if measured else "bfloat16", name))
        self._roofline = absorbed_roofline(pricing, dtype)
        self._name = f"table mla_bmm of {pricing.tables.backend} on {pricing.system.name}"

    def __call__(self, tokens: FloatArray, heads: int) -> FloatArray:
        """Time in ms at each of (Q,) tokens.

        Heads that were not measured: a share of the next power of two's.
        """
        counted = self._counted(heads)
        return self._sweep(counted)(tokens) * (heads / counted)

    def reach(self, tokens: FloatArray, heads: int) -> IntArray:
        """What the time at each of (Q,) tokens rests on."""
        return self._sweep(self._counted(heads)).reach(tokens)

    def loan(self, heads: int) -> Loan:
        """Utilisation by tokens of the rows that answer for ``heads``."""
        return self._sweep(self._counted(heads)).loan()

    def _counted(self, heads: int) -> int:
        return heads if heads in self._grid.axes[0] else 1 << (heads - 1).bit_length()

    def _sweep(self, heads: int) -> Sweep:
        at = np.flatnonzero(self._grid.axes[0] == heads)
        if not len(at):
            raise MissingDataError(f"{self._name}: no rows for {heads} heads")
        times = self._grid.values[at[0]]
        replaced = None if self._grid.replaced is None else self._grid.replaced[at[0]]
        return sweep_of(
            self._grid.axes[1],
            times,
            lambda tokens: self._roofline(heads, tokens),
            self._name,
            replaced=replaced,
        )


def absorbed_roofline(pricing: Pricing, dtype: str) -> AbsorbedProductRoofline:
    """Speed of light of the absorbed products in one format."""
    peak = pricing.system.peak_flops(flops_class("gemm", dtype))
    return AbsorbedProductRoofline(
        element_bytes("gemm", dtype), peak, pricing.system.memory_bandwidth_bytes_per_s
    )


def _context_light(pricing: Pricing) -> LatentContextRoofline:
    system = pricing.system
    peak = system.peak_flops(flops_class("fmha", pricing.quant.fmha))
    return LatentContextRoofline(pricing.kv_bytes, peak, system.memory_bandwidth_bytes_per_s)


def _generation_light(
    pricing: Pricing, absorbed: AbsorbedProductRoofline | None = None
) -> LatentGenerationRoofline:
    bandwidth = pricing.system.memory_bandwidth_bytes_per_s
    peak = generation_peak_flops(pricing, pricing.quant.kvcache)
    return LatentGenerationRoofline(pricing.kv_bytes, peak, bandwidth, absorbed)


def _module(pricing: Pricing, family: str, key: Key, native_heads: int) -> tuple[str, Key]:
    """Table and key of the module whose model has the most query heads up to ``native_heads``.

    If all have more, of the one with the fewest. A model that is not listed counts as one of the same heads.
    """
    models = [str(other[-1]) for other in pricing.tables.keys(family) if other[:-1] == key]
    if not models:
        raise MissingDataError(f"table {family} of {pricing.tables.backend}: no rows for {key}")
    heads = {model: MODULE_HEADS.get(model, native_heads) for model in models}
    below = [model for model in models if heads[model] <= native_heads]
    chosen = max(below, key=heads.__getitem__) if below else min(models, key=heads.__getitem__)
    return family, (*key, chosen)
