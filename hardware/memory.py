"""Memory of one GPU: weights, activations, KV cache, communication buffers, the engine itself.

Rules: performance model of AIConfigurator 0.12, §5. All figures are bytes per GPU.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.profile import KvBudget, Profile
from aicfg.hardware.system import System
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.layout import Layout

MIB = 2**20


@dataclass(frozen=True)
class MemoryUse:
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

    def larger(self, second: "MemoryUse") -> "MemoryUse":
        """Point by point, whichever of the two takes more."""
        first = self.total >= second.total
        parts = ("weights", "activations", "kv", "other", "limit")
        return MemoryUse(*(np.where(first, getattr(self, part), getattr(second, part)) for part in parts))


@dataclass(frozen=True)
class MemoryModel:
    """What one worker type keeps in each GPU's memory."""

    architecture: Architecture
    layout: Layout
    system: System
    backend: str
    version: str
    profile: Profile
    weights_bytes: float
    """Of one pipeline stage."""
    kv_bytes_per_token: float

    def use(self, activation_tokens: FloatArray, cached_tokens: FloatArray, budget: KvBudget) -> MemoryUse:
        """Memory with so many tokens in the step and in the cache, at each of N points."""
        activations = self._activations(activation_tokens)
        other = np.full_like(activations, self._other_bytes())
        weights = np.full_like(activations, self.weights_bytes)
        fixed = weights + activations + other
        kv_most = self._kv_most(fixed, budget)
        limit = np.minimum(fixed + kv_most, float(self.system.memory_bytes))
        return MemoryUse(weights, activations, cached_tokens * self.kv_bytes_per_token, other, limit)

    def aggregated_budget(self) -> KvBudget:
        """The engine's KV budget for a worker that prefills and decodes."""
        return self.profile.memory.kv_budget[self.backend]

    def phase_budget(self) -> KvBudget:
        """The KV budget of a worker of one phase: SGLang's fraction follows from what it sets aside."""
        budget = self.profile.memory.kv_budget[self.backend]
        if self.backend != "sglang":
            return budget
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
        fraction = round((capacity_mib - max(reserve.least_mib, wanted_mib)) / capacity_mib, 3)
        return KvBudget(rule=budget.rule, reachable=budget.reachable, fraction=fraction)

    def _activations(self, tokens: FloatArray) -> FloatArray:
        """Twice the tokens times the attention width times a width that shrinks with tp; at least a floor."""
        memory, backend = self.profile.memory, self.backend
        widths = memory.activation_width[backend][self.architecture.family]
        width = widths[max(tp for tp in widths if tp <= self.layout.tp)]
        attention_width = self.architecture.num_heads * self.architecture.head_dim
        needed = np.maximum(2.0 * tokens * attention_width * width, memory.activation_floor_bytes[backend])
        return needed * memory.activation_factor[backend]

    def _other_bytes(self) -> float:
        """Communication buffers and the engine itself."""
        engine = self.system.other_memory_bytes * self.profile.memory.other_factor[self.backend]
        return engine + self.system.nccl_buffers_bytes(self.layout.tp)

    def _kv_most(self, fixed: FloatArray, budget: KvBudget) -> FloatArray:
        capacity = float(self.system.memory_bytes)
        share = budget.fraction_for(self.version) * budget.reachable
        return share * capacity - fixed if budget.rule == "of_total" else (capacity - fixed) * share
