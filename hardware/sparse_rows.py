"""Which rows of the tables of latent attention to chosen tokens (DSA) stand for a module."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from aicfg.hardware.kernels import grid_of_kernels
from aicfg.hardware.modules import Formats
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.sparse_light import SparseContextRoofline, SparseGenerationRoofline
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
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
    formats: Formats
    without: str = ""
    """Part of the names of kernels whose rows are left out."""

    def context_key(self) -> Key:
        """Of the prompts' rows, whatever their kernel."""
        formats = self.formats
        return (*self._name(CONTEXT), formats.fmha, formats.kvcache, formats.gemm, self.module.hf_class)

    def generation_key(self) -> Key:
        """Of the new tokens' rows, whatever their kernel."""
        return (*self._name(GENERATION), self.formats.kvcache, self.formats.gemm, self.module.hf_class)

    def _name(self, family: str) -> tuple[str]:
        return (family if self.module.chooses else family + TAKES_OVER,)

    def context_grid(self, pricing: Pricing) -> Grid:
        """Of prompts."""
        self._require_shape()
        return grid_of_kernels(pricing.tables, CONTEXT, self.context_key(), self.without)

    def generation_grid(self, pricing: Pricing) -> Grid:
        """Of new tokens."""
        self._require_shape()
        return grid_of_kernels(pricing.tables, GENERATION, self.generation_key())

    def _require_shape(self) -> None:
        if all(_shape(self.module) != _shape(each) for each in MEASURED):
            shape = f"{self.module.hf_class} of hidden size {self.module.hidden}"
            raise MissingDataError(f"sparse attention of this shape was not measured ({shape})")

    def context_light(self, pricing: Pricing) -> SparseContextRoofline:
        """Speed of light of prompts."""
        peak = pricing.system.peak_flops(flops_class("fmha", self.formats.fmha))
        return SparseContextRoofline(self.module, *self._bounds(pricing), peak)

    def generation_light(self, pricing: Pricing) -> SparseGenerationRoofline:
        """Speed of light of new tokens, whose attention computes in bfloat16."""
        peak = pricing.system.peak_flops("bfloat16")
        return SparseGenerationRoofline(self.module, *self._bounds(pricing), peak)

    def _bounds(self, pricing: Pricing) -> tuple[float, float, float, float, float, float]:
        system, formats = pricing.system, self.formats
        return (
            element_bytes("gemm", formats.gemm),
            element_bytes("kvcache", formats.kvcache),
            element_bytes("fmha", formats.fmha),
            system.memory_bandwidth_bytes_per_s,
            system.peak_flops(flops_class("gemm", formats.gemm)),
            system.peak_flops("fp8"),
        )

    def context_lender(self, pricing: Pricing) -> "SparseRows":
        """The measured rows nearest to these: of their class, kind of layer and formats."""
        return self._nearest(pricing, CONTEXT)

    def generation_lender(self, pricing: Pricing) -> "SparseRows":
        """The measured rows nearest to these: of their class, kind of layer and formats."""
        return self._nearest(pricing, GENERATION)

    def _nearest(self, pricing: Pricing, family: str) -> "SparseRows":
        there = list(_all_rows(pricing, family, self.formats.fmha))
        if not there:
            what = f"{self.module.hf_class}'s sparse attention on {pricing.system.name}"
            raise MissingDataError(f"nothing was measured that {what} could be estimated from")
        return min(there, key=self._distance)

    def _distance(self, other: "SparseRows") -> tuple[float, ...]:
        mine, theirs = self.module, other.module
        kind = (mine.hf_class != theirs.hf_class, mine.chooses != theirs.chooses)
        return (*kind, *self.formats.distance(other.formats))


def _shape(op: SparseLatentModule) -> tuple[object, ...]:
    return op.hf_class, op.hidden, op.latent, op.index_heads, op.index_head_dim, op.topk


def rows_of(pricing: Pricing, op: SparseLatentModule, family: str) -> SparseRows:
    """The rows for a module; of one that takes a choice over, those of a choosing one where no others are."""
    shape = structs.replace(op, name="module", heads=0, component="gemm", count=1, context=1, projections=())
    quant = pricing.quant
    rows = SparseRows(shape, Formats(pricing.dtype(op.component), quant.kvcache, quant.fmha))
    key = rows.context_key() if family == CONTEXT else rows.generation_key()
    if op.chooses or any(full[:-1] == key for full in pricing.tables.keys(family)):
        return rows
    return replace(rows, module=structs.replace(shape, chooses=True))


def _all_rows(pricing: Pricing, family: str, fmha: str) -> Iterator[SparseRows]:
    """Everything measured; the tables of new tokens do not say an arithmetic."""
    shapes = {each.hf_class: each for each in MEASURED}
    for name, *formats, hf_class, _ in pricing.tables.keys(family):
        if hf_class in shapes:
            chooses = not str(name).endswith(TAKES_OVER)
            module = structs.replace(shapes[str(hf_class)], heads=0, chooses=chooses)
            *arithmetic, kvcache, gemm = (str(each) for each in formats)
            yield SparseRows(module, Formats(gemm, kvcache, arithmetic[0] if arithmetic else fmha))
