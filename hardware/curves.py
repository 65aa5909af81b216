"""Worker types as curves: a layout at many batches, priced in one go.

This is what the hardware package tells the layers above: what a worker serves at each batch, how fast, and
whether it fits in memory. Which workers are worth a look is said by ``aicfg.hardware.search``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.aggregated import aggregated_points
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.memory import MemoryModel, MemoryUse
from aicfg.hardware.phases import decode_ms, prefill_ms
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import Profile
from aicfg.hardware.step import StepModel
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.hardware.workload import Workload
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.families import operations
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.sizes import kv_bytes_per_token, weight_bytes

Role = Literal["agg", "prefill", "decode"]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """One worker type at N operating points: every array has N entries and is about one worker."""

    role: Role
    layout: Layout
    quant: Quant
    efficiency: float
    """Share of ``requests_per_s`` left after the roles' rates are matched; 1 for aggregated workers."""
    group: str
    """Prefill and decode workers of one group can exchange KV caches; empty for aggregated workers."""
    batch: IntArray
    """Requests per attention-data-parallel rank and pipeline stage."""
    chunk_tokens: IntArray
    """Context tokens per step; 0 for workers of one phase."""
    step_ms: FloatArray
    """The step that the batch is named for: decode (agg: of requests only), or the whole prefill."""
    ttft_ms: FloatArray
    """0 for decode workers."""
    tpot_ms: FloatArray
    """0 for prefill workers."""
    requests_per_s: FloatArray
    """Before ``efficiency``."""
    tokens_per_s: FloatArray
    """Before ``efficiency``."""
    memory: MemoryUse


@dataclass(frozen=True)
class ServingModel:
    """One model in one quantisation under one workload, on one system and engine."""

    architecture: Architecture
    quant: Quant
    workload: Workload
    system: System
    tables: Tables
    profile: Profile

    def curve(
        self, role: Role, layout: Layout, batch: IntArray, chunk_tokens: IntArray | None = None
    ) -> Curve:
        """One worker type at (N,) batches; aggregated workers at (N,) chunk budgets too.

        Raises
        ------
        MissingDataError
            If an operation has no measured table.
        """
        if role == "agg":
            assert chunk_tokens is not None, "an aggregated worker needs a chunk budget for each batch"
            return self._aggregated(layout, batch, chunk_tokens)
        return self._prefill(layout, batch) if role == "prefill" else self._decode(layout, batch)

    def memory(
        self, role: Role, layout: Layout, batch: IntArray, chunk_tokens: IntArray | None = None
    ) -> MemoryUse:
        """Memory of one GPU at (N,) batches (and chunk budgets).

        Whole requests in the cache, one step's activations.
        """
        model, work, size = self._memory_model(layout), self.workload, batch.astype(np.float64)
        if role == "prefill":
            return model.use((work.isl - work.prefix) * size, work.isl * size, model.phase_budget())
        whole = (work.isl + work.osl) * size
        if role == "decode":
            return model.use(size, whole, model.phase_budget())
        assert chunk_tokens is not None
        held = self.profile.memory.aggregated_activation_tokens[self.tables.backend]
        chunk = chunk_tokens.astype(np.float64)
        beside = np.where(batch == 1, 0.0, size - np.ceil(chunk / work.isl))
        tokens = chunk + beside if held is None else np.full_like(size, float(held))
        return model.use(tokens, whole, model.aggregated_budget())

    def step(self, layout: Layout) -> StepModel:
        """Step times of one layout."""
        prefill, decode = (operations(self.architecture, layout, role) for role in ("prefill", "decode"))
        return StepModel(prefill, decode, self.pricing)

    @cached_property
    def pricing(self) -> Pricing:
        """Prices of the operations, shared by all layouts."""
        return Pricing(self.system, self.tables, self.quant, self.profile)

    def _memory_model(self, layout: Layout) -> MemoryModel:
        ops = operations(self.architecture, layout, "prefill")
        return MemoryModel(
            self.architecture,
            layout,
            self.system,
            self.tables.backend,
            self.tables.version,
            self.profile,
            weights_bytes=weight_bytes(ops, self.quant) / layout.pp,
            kv_bytes_per_token=kv_bytes_per_token(self.architecture, layout, self.quant),
        )

    def _prefill(self, layout: Layout, batch: IntArray) -> Curve:
        rule, size = self.profile.disaggregated, batch.astype(np.float64)
        step_ms = prefill_ms(self.step(layout), self.workload, size, self.profile.phases).round(rule.decimals)
        requests = (1000.0 * size * layout.dp * layout.pp / step_ms).round(rule.decimals)
        ttft_ms, nothing = step_ms * rule.ttft_factor, np.zeros(len(batch))
        return self._of_one_phase("prefill", layout, batch, step_ms, ttft_ms, nothing, requests)

    def _decode(self, layout: Layout, batch: IntArray) -> Curve:
        rule, size = self.profile.disaggregated, batch.astype(np.float64)
        step_ms = decode_ms(self.step(layout), self.workload, size, self.profile.phases).round(rule.decimals)
        answer_ms = step_ms * (self.workload.osl - 1)
        requests = (1000.0 * size * layout.dp * layout.pp / answer_ms).round(rule.decimals)
        return self._of_one_phase("decode", layout, batch, step_ms, np.zeros(len(batch)), step_ms, requests)

    def _of_one_phase(
        self,
        role: Role,
        layout: Layout,
        batch: IntArray,
        step_ms: FloatArray,
        ttft_ms: FloatArray,
        tpot_ms: FloatArray,
        requests_per_s: FloatArray,
    ) -> Curve:
        rule = self.profile.disaggregated
        prefills = role == "prefill"
        return Curve(
            role=role,
            layout=layout,
            quant=self.quant,
            efficiency=rule.prefill_rate_efficiency if prefills else rule.decode_rate_efficiency,
            group=self._transfer_group(layout),
            batch=batch,
            chunk_tokens=np.zeros_like(batch),
            step_ms=step_ms,
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            requests_per_s=requests_per_s,
            tokens_per_s=requests_per_s * self.workload.osl,
            memory=self.memory(role, layout, batch),
        )

    def _aggregated(self, layout: Layout, batch: IntArray, chunk_tokens: IntArray) -> Curve:
        step, rule = self.step(layout), self.profile.aggregated[self.tables.backend]
        ttft_ms, tpot_ms, decode, tokens = np.empty((4, len(batch)))
        for chunk in dict.fromkeys(chunk_tokens.tolist()):
            at = chunk_tokens == chunk
            size, layers = batch[at].astype(np.float64), self.architecture.num_layers
            points = aggregated_points(step, self.workload, size, chunk, rule, layers)
            ttft_ms[at], tpot_ms[at], decode[at] = points.ttft_ms, points.tpot_ms, points.decode_ms
            tokens[at] = points.tokens_per_s * layout.pp * layout.dp
        return Curve(
            role="agg",
            layout=layout,
            quant=self.quant,
            efficiency=1.0,
            group="",
            batch=batch,
            chunk_tokens=chunk_tokens,
            step_ms=decode,
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            requests_per_s=tokens / (self.workload.osl - 1),
            tokens_per_s=tokens,
            memory=self.memory("agg", layout, batch, chunk_tokens),
        )

    def _transfer_group(self, layout: Layout) -> str:
        """Who can hand its KV cache to whom: the same cache dtype and, on SGLang, the same tp."""
        same_tp = f"_tp{layout.tp}" if self.tables.backend == "sglang" else ""
        return f"{self.quant.kvcache}{same_tp}"
