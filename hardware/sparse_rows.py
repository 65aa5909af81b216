"""Rows of the tables of latent attention to chosen tokens (DSA): which stand for a module.

Prompts lie on a grid of (heads, prefix, new tokens, batch), new tokens on one of (heads, batch, length).
"""

from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs

from aicfg.hardware.attention_tables import GenerationAttentionTable
from aicfg.hardware.interpolation import NestedGrid
from aicfg.hardware.kernels import grid_of_kernels
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.sparse_light import SparseContextRoofline, SparseGenerationRoofline
from aicfg.hardware.tables.store import Grid, Key
from aicfg.model_specs.operations import SparseLatentModule
from aicfg.model_specs.parts import LatentFacts
from aicfg.model_specs.quantization import element_bytes, flops_class

_V32 = LatentFacts(
    q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128
)
_GLM5 = LatentFacts(
    q_lora_rank=2048, kv_lora_rank=512, qk_nope_head_dim=192, qk_rope_head_dim=64, v_head_dim=256
)
MEASURED = (
    SparseLatentModule("module", "DeepseekV32ForCausalLM", 7168, 128, _V32, 64, 128, 2048),
    SparseLatentModule("module", "GlmMoeDsaForCausalLM", 6144, 64, _GLM5, 32, 128, 2048),
)
"""What the tables hold: one shape of each class; heads are an axis."""
CONTEXT, GENERATION = "dsa_context_module", "dsa_generation_module"
DENSE = "dense"
"""In the names of kernels that attend to all tokens: SGLang's where no more are there than are chosen."""
TAKES_OVER = "_skip_indexer"
"""Ends the name of rows of layers that attend to what an earlier one chose."""


@dataclass(frozen=True)
class SparseRows:
    """A module's shape in number formats."""

    module: SparseLatentModule
    gemm: str
    kvcache: str
    fmha: str

    @property
    def _ending(self) -> str:
        return "" if self.module.chooses else TAKES_OVER

    @property
    def context_key(self) -> Key:
        """Of the prompts' rows, whatever their kernel."""
        name = CONTEXT + self._ending
        return (name, self.fmha, self.kvcache, self.gemm, self.module.hf_class)

    @property
    def generation_key(self) -> Key:
        """Of the new tokens' rows, whatever their kernel."""
        return (GENERATION + self._ending, self.kvcache, self.gemm, self.module.hf_class)

    @property
    def measured(self) -> bool:
        """Whether the tables hold the module's shape."""
        return any(_shape(self.module) == _shape(each) for each in MEASURED)


def _shape(op: SparseLatentModule) -> tuple[object, ...]:
    return op.hf_class, op.hidden, op.latent, op.index_heads, op.index_head_dim, op.topk


def rows_of(pricing: Pricing, op: SparseLatentModule, family: str) -> SparseRows:
    """The rows for a module; of one that takes a choice over, those of a choosing one where no others are."""
    shape = structs.replace(op, name="module", heads=0, component="gemm", count=1, context=1, projections=())
    quant = pricing.quant
    rows = SparseRows(shape, pricing.dtype(op.component), quant.kvcache, quant.fmha)
    key = rows.context_key if family == CONTEXT else rows.generation_key
    if op.chooses or any(full[:-1] == key for full in pricing.tables.keys(family)):
        return rows
    return replace(rows, module=structs.replace(shape, chooses=True))


def context_grid(pricing: Pricing, rows: SparseRows, without: str = "") -> Grid:
    """Of prompts."""
    return pricing.table(
        (CONTEXT, rows, without),
        lambda: grid_of_kernels(pricing.tables, CONTEXT, rows.context_key, without),
    )


def context_table(pricing: Pricing, rows: SparseRows, without: str = "") -> NestedGrid:
    """Of prompts, with what lies between and beyond the points; some kernels' rows left out."""

    def opened() -> NestedGrid:
        grid = context_grid(pricing, rows, without)
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        return NestedGrid(axes, grid.values, context_light(pricing, rows))

    return pricing.table((CONTEXT, "table", rows, without), opened)


def generation_grid(pricing: Pricing, rows: SparseRows) -> Grid:
    """Of new tokens."""
    return pricing.table(
        (GENERATION, rows), lambda: grid_of_kernels(pricing.tables, GENERATION, rows.generation_key)
    )


def generation_table(pricing: Pricing, rows: SparseRows) -> GenerationAttentionTable:
    """Of new tokens, with what lies between and beyond the points."""

    def opened() -> GenerationAttentionTable:
        grid, light = generation_grid(pricing, rows), generation_light(pricing, rows)
        return GenerationAttentionTable(grid, light, above_light=False)

    return pricing.table((GENERATION, "table", rows), opened)


def context_light(pricing: Pricing, rows: SparseRows) -> SparseContextRoofline:
    """Speed of light of prompts."""
    peak = pricing.system.peak_flops(flops_class("fmha", rows.fmha))
    return SparseContextRoofline(rows.module, *_bounds(pricing, rows), peak)


def generation_light(pricing: Pricing, rows: SparseRows) -> SparseGenerationRoofline:
    """Speed of light of new tokens, whose attention computes in bfloat16."""
    peak = pricing.system.peak_flops("bfloat16")
    return SparseGenerationRoofline(rows.module, *_bounds(pricing, rows), peak)


def _bounds(pricing: Pricing, rows: SparseRows) -> tuple[float, float, float, float, float, float]:
    system = pricing.system
    return (
        element_bytes("gemm", rows.gemm),
        element_bytes("kvcache", rows.kvcache),
        element_bytes("fmha", rows.fmha),
        system.memory_bandwidth_bytes_per_s,
        system.peak_flops(flops_class("gemm", rows.gemm)),
        system.peak_flops("fp8"),
    )
