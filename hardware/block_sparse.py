"""Grouped-query attention to chosen blocks of tokens (MSA), measured with its projections.

Counts of its speed of light: those of AIConfigurator 0.12.
"""

from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modules import Formats, causal_pairs, module_ms
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.operations import BlockSparseModule
from aicfg.model_specs.quantization import element_bytes, flops_class

CONTEXT, GENERATION = "msa_context_module", "msa_generation_module"
HF_CLASS = "MiniMaxM3ForCausalLM"
"""What the rows call the model that they were measured on."""
SHAPE = (6144, 128, 4, 128, 2048, 128)
"""Its hidden size, head size, index heads and their size, tokens chosen and tokens of a block."""


@prices(BlockSparseModule)
def block_sparse_ms(pricing: Pricing, op: BlockSparseModule, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    shape = structs.replace(op, name="module", heads=0, component="gemm", count=1, projections=())
    formats = Formats(pricing.dtype(op.component), pricing.quant.kvcache, pricing.quant.fmha)
    return module_ms(pricing, BlockSparseRows(shape, formats), op.heads, load)


@dataclass(frozen=True)
class BlockSparseRows:
    """A module's shape in number formats."""

    module: BlockSparseModule
    formats: Formats

    def context_grid(self, pricing: Pricing) -> Grid:
        """Of prompts."""
        self._require_shape()
        formats = self.formats
        return pricing.tables.grid(CONTEXT, (formats.fmha, formats.kvcache, formats.gemm, HF_CLASS))

    def generation_grid(self, pricing: Pricing) -> Grid:
        """Of new tokens."""
        self._require_shape()
        return pricing.tables.grid(GENERATION, (self.formats.kvcache, self.formats.gemm, HF_CLASS))

    def _require_shape(self) -> None:
        op = self.module
        shape = (op.hidden, op.head_dim, op.index_heads, op.index_head_dim, op.topk, op.block)
        if shape != SHAPE:
            raise MissingDataError(f"attention to blocks of this shape was not measured (of {shape})")

    def context_light(self, pricing: Pricing) -> "BlockContextRoofline":
        """Speed of light of prompts."""
        return BlockContextRoofline(self.module, *self._bounds(pricing))

    def generation_light(self, pricing: Pricing) -> "BlockGenerationRoofline":
        """Speed of light of new tokens."""
        return BlockGenerationRoofline(self.module, *self._bounds(pricing))

    def _bounds(self, pricing: Pricing) -> tuple[float, float, float, float, float, float, float]:
        system, formats = pricing.system, self.formats
        return (
            element_bytes("gemm", formats.gemm),
            element_bytes("kvcache", formats.kvcache),
            element_bytes("fmha", formats.fmha),
            system.memory_bandwidth_bytes_per_s,
            system.peak_flops(flops_class("gemm", formats.gemm)),
            system.peak_flops("fp8"),
            system.peak_flops(flops_class("fmha", formats.fmha)),
        )

    def context_lender(self, pricing: Pricing) -> "BlockSparseRows":
        """The rows in the nearest formats."""
        return self._nearest(
            pricing, [(str(k), str(g), str(f)) for f, k, g, _ in pricing.tables.keys(CONTEXT)]
        )

    def generation_lender(self, pricing: Pricing) -> "BlockSparseRows":
        """The rows in the nearest formats."""
        fmha = self.formats.fmha
        return self._nearest(pricing, [(str(k), str(g), fmha) for k, g, _ in pricing.tables.keys(GENERATION)])

    def _nearest(self, pricing: Pricing, there: list[tuple[str, str, str]]) -> "BlockSparseRows":
        if not there:
            what = f"attention to blocks of tokens on {pricing.system.name}"
            raise MissingDataError(f"nothing was measured that {what} could be estimated from")
        found = min((Formats(gemm, kv, fmha) for kv, gemm, fmha in there), key=self.formats.distance)
        names = ("hidden", "head_dim", "index_heads", "index_head_dim", "topk", "block")
        measured = structs.replace(self.module, **dict(zip(names, SHAPE, strict=True)))
        return BlockSparseRows(measured, found)


@dataclass(frozen=True)
class BlockRoofline:
    """What bounds one module on one GPU: products, index scores in fp8 and attention, one after the other."""

    module: BlockSparseModule
    weight_bytes: float
    kv_bytes: float
    query_bytes: float
    bandwidth: float
    product_flops: float
    index_flops: float
    attention_flops: float

    def _ms(
        self, heads: FloatArray, tokens: FloatArray, batch: FloatArray, seen: FloatArray, pairs: FloatArray
    ) -> FloatArray:
        """Of ``tokens`` new ones over ``seen`` of each request, of which ``pairs`` are attended to."""
        op = self.module
        index = op.index_heads * op.index_head_dim
        weights = op.hidden * (2.0 * heads * op.head_dim + 2.0 * op.kv_heads * op.head_dim + index)
        blocks = np.where(seen > op.topk, np.ceil(seen / op.block), 0.0)
        arithmetic = (
            2.0 * tokens * weights / self.product_flops
            + 2.0 * tokens * index * blocks / self.index_flops
            + 4.0 * heads * op.head_dim * pairs / self.attention_flops
        )
        cache = 2.0 * batch * op.kv_heads * np.minimum(seen, op.topk) * op.head_dim * self.kv_bytes
        queries = 2.0 * tokens * heads * op.head_dim * self.query_bytes
        moved = weights * self.weight_bytes + cache + batch * blocks * index + queries
        return np.asarray(np.maximum(arithmetic, moved / self.bandwidth) * 1000.0)


class BlockContextRoofline(BlockRoofline):
    """Prompts."""

    def __call__(
        self, heads: ArrayLike, prefix: ArrayLike, length: ArrayLike, batch: ArrayLike
    ) -> FloatArray:
        """``length`` new tokens behind ``prefix`` cached ones."""
        n, p, s, b = (np.asarray(x, dtype=np.float64) for x in (heads, prefix, length, batch))
        return self._ms(n, b * s, b, s + p, b * causal_pairs(p, s, self.module.topk))


class BlockGenerationRoofline(BlockRoofline):
    """New tokens."""

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """One new token of each request over ``length - 1`` cached ones."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        cached = np.maximum(s - 1.0, 0.0)
        return self._ms(n, b, b, cached, b * np.minimum(cached, self.module.topk))
