"""Memory of one GPU: weights, activations, KV cache, communication buffers, the engine itself.

Rules: performance model of AIConfigurator 0.12, §5. All figures are bytes per GPU.
"""

from typing import Literal

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.profile import KvBudget, Profile
from aicfg.hardware.system import System
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.layout import Layout

MIB = 2**20


class MemoryUse(Struct, frozen=True):
    """Bytes per GPU at each of N operating points, and whether they fit."""

    weights: FloatArray
    activations: FloatArray
    kv: FloatArray
    other: FloatArray
    limit: FloatArray
    """What weights, activations, cache and the rest may take together."""

    @property
    def total(self) -> FloatArray:
        """Everything together."""
        return self.weights + self.activations + self.kv + self.other

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Whether it is within the limit."""
        return self.total <= self.limit

    def at(self, points: NDArray[np.bool_] | NDArray[np.int64]) -> "MemoryUse":
        """Of some of the points."""
        return MemoryUse(*(getattr(self, part)[points] for part in PARTS))

    def larger(self, second: "MemoryUse") -> "MemoryUse":
        """Point by point, whichever of the two takes more."""
        first = self.total >= second.total
        return MemoryUse(*(np.where(first, getattr(self, part), getattr(second, part)) for part in PARTS))


PARTS = MemoryUse.__struct_fields__


class MemoryModel(Struct, frozen=True):
    """What one worker type keeps in each GPU's memory."""

    architecture: Architecture
    layout: Layout
    system: System
    backend: str
    version: str
    profile: Profile
    weights_bytes: float
    """Of one pipeline stage."""
    sequence_bytes: float
    """KV cache of one request in flight."""
    fraction: float | None = None
    """Of the GPU's memory that the engine may use; None: the engine's default."""

    def use(self, activation_tokens: FloatArray, sequences: FloatArray, budget: KvBudget) -> MemoryUse:
        """Memory with so many tokens' activations and so many requests in the cache, at each of N points."""
        activations = self._activations(activation_tokens)
        other = np.full_like(activations, self._other_bytes())
        weights = np.full_like(activations, self.weights_bytes)
        fixed = weights + activations + other
        limit = np.minimum(fixed + self._kv_most(fixed, budget), float(self.system.memory_bytes))
        return MemoryUse(weights, activations, sequences * self.sequence_bytes, other, limit)

    def budget(self, aggregated: bool) -> KvBudget:
        """How the engine sizes the cache of a worker that prefills and decodes, or of one phase."""
        budget = self.profile.memory.kv_budget[self.backend]
        derived = budget.derived == "always" or (budget.derived == "phase" and not aggregated)
        return structs.replace(budget, fraction=self._left_fraction()) if derived else budget

    def _left_fraction(self) -> float:
        """Of the GPU's memory, what SGLang's reserve leaves."""
        reserve = self.profile.memory.sglang_reserve
        large = self.layout.tp >= 4 or self.system.memory_bytes >= 160 * 2**30
        size = reserve.large_tp if large else reserve.small_tp
        wanted_mib = (
            reserve.base_mib
            + reserve.per_chunk_token_mib * size.chunk_tokens
            + reserve.per_tp_pp_mib * self.layout.tp * self.layout.pp
            + reserve.per_graph_batch_mib * size.graph_batch
        )
        capacity_mib = self.system.memory_bytes / MIB
        return round((capacity_mib - max(reserve.least_mib, wanted_mib)) / capacity_mib, 3)

    def _activations(self, tokens: FloatArray) -> FloatArray:
        """Twice the tokens times the attention width times a width that shrinks with tp; at least a floor.

        Families of fine-grained experts add the block-scaled workspace of their exchange.
        """
        memory, backend, arch = self.profile.memory, self.backend, self.architecture
        widths = (
            memory.activation_width[backend].get(arch.family) or memory.activation_width[backend]["other"]
        )
        width = widths[max(tp for tp in widths if tp <= self.layout.tp)]
        needed = 2.0 * tokens * self._token_width(memory.activations_by[backend]) * width
        if arch.moe is not None and arch.family in memory.workspace_families:
            wide = arch.hidden_size if arch.gemma else self._token_width(memory.workspace_by[backend])
            pooled = tokens * wide * self.layout.dp
            needed += pooled * arch.moe.experts * arch.moe.topk / self.layout.moe_ep / 32.0
        needed = np.maximum(needed, memory.activation_floor_bytes[backend])
        return needed * memory.activation_factor[backend]

    def _token_width(self, measure: Literal["heads", "hidden"]) -> int:
        """Elements of one token's activations: latent heads need not add up to the hidden size."""
        arch = self.architecture
        if measure == "hidden" and (arch.latent is not None or arch.compressed is not None):
            return arch.hidden_size
        return arch.num_heads * arch.head_dim

    def _other_bytes(self) -> float:
        """Communication buffers and the engine itself."""
        engine = self.system.other_memory_bytes * self.profile.memory.other_factor[self.backend]
        return engine + self.system.nccl_buffers_bytes(self.layout.tp)

    def _kv_most(self, fixed: FloatArray, budget: KvBudget) -> FloatArray:
        capacity = float(self.system.memory_bytes)
        fraction = budget.fraction_for(self.version) if self.fraction is None else self.fraction
        share = fraction * budget.reachable
        if budget.rule == "of_total":
            return share * capacity - fixed
        if budget.rule == "of_usable":  # activations lie in what the fraction leaves
            usable = capacity - self._other_bytes()
            return np.full_like(fixed, share * usable - self.weights_bytes)
        return (capacity - fixed) * share
