"""Worker types as curves: a layout at many batches, priced in one go.

This is what the hardware package tells the layers above: what a worker serves at each batch, how fast, and
whether it fits in memory. Which workers are worth a look is said by ``aicfg.hardware.search``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import numpy as np

from aicfg.hardware.aggregated import AggregatedModel
from aicfg.hardware.curve import Curve, Role
from aicfg.hardware.host import NO_HOST, host_ms, stack_of
from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.laws import Host
from aicfg.hardware.memory import MemoryModel, MemoryUse
from aicfg.hardware.modes import DataMode
from aicfg.hardware.phases import decode_ms, prefill_ms
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import Profile
from aicfg.hardware.step import StepModel
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.hardware.workload import NO_DRAFTS, Speculative, Workload
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Operation, Phase
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

PHASES: tuple[Phase, Phase] = ("prefill", "decode")
Known = TypeVar("Known")


@dataclass(frozen=True)
class ServingModel:
    """One model in one quantisation under one workload, on one system and engine."""

    architecture: Architecture
    quant: Quant
    workload: Workload
    system: System
    tables: Tables
    profile: Profile
    mode: DataMode = DataMode.SILICON
    speculative: Speculative = NO_DRAFTS
    memory_fraction: float | None = None
    """Of a GPU's memory that the engine may use; None: the engine's default."""
    _known: dict[tuple[object, ...], object] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was found out about layouts."""

    def curve(
        self,
        role: Role,
        layout: Layout,
        batch: IntArray,
        chunk_tokens: IntArray | None = None,
        memory: MemoryUse | None = None,
    ) -> Curve:
        """One worker type at (N,) batches; aggregated workers at (N,) chunk budgets too.

        ``memory`` is what these points take, where it is known.

        Raises
        ------
        MissingDataError
            If an operation has no measured table.
        """
        known = self.memory(role, layout, batch, chunk_tokens) if memory is None else memory
        if role == "agg":
            assert chunk_tokens is not None, "an aggregated worker needs a chunk budget for each batch"
            return self._aggregated(layout, batch, chunk_tokens, known)
        one_phase = self._prefill if role == "prefill" else self._decode
        return one_phase(layout, batch, known)

    def memory(
        self, role: Role, layout: Layout, batch: IntArray, chunk_tokens: IntArray | None = None
    ) -> MemoryUse:
        """Memory of one GPU at (N,) batches (and chunk budgets).

        Whole requests in the cache, one step's activations.
        """
        work, size = self.workload, batch.astype(np.float64)
        queries = size * self.speculative.queries
        if role == "prefill":
            model = self._memory_model(role, layout, work.isl + 1)
            return model.use((work.isl - work.prefix) * size, size, model.budget(aggregated=False))
        model = self._memory_model(role, layout, work.isl + work.osl)
        if role == "decode":
            return model.use(queries, size, model.budget(aggregated=False))
        assert chunk_tokens is not None
        chunk = chunk_tokens.astype(np.float64)
        rule = self.profile.memory
        held = rule.aggregated_activation_tokens[self.tables.backend]
        beside = np.where(batch == 1, 0.0, size - np.ceil(chunk / work.isl))
        tokens = chunk + beside * self.speculative.queries
        if held is not None:
            kept = np.full_like(size, float(held * self.speculative.queries))
            tokens = np.maximum(tokens, kept) if rule.more_tokens_count else kept
        return model.use(tokens, size, model.budget(aggregated=True))

    def step(self, role: Role, layout: Layout) -> StepModel:
        """Step times of one layout."""
        graph, arch = self.graph(role, layout), self.architecture
        drafted = (arch.num_layers + self.speculative.nextn) / arch.num_layers
        prefill, decode = (self._operations(layout, phase, graph) for phase in PHASES)
        return StepModel(prefill, decode, self.pricing, decode_scale=drafted)

    def _operations(self, layout: Layout, phase: Phase, graph: Graph) -> tuple[Operation, ...]:
        """One step of a layout, listed once for all roles."""
        return self._once(
            ("operations", layout, phase, graph),
            lambda: operations(self.architecture, layout, phase, graph),
        )

    def graph(self, role: Role, layout: Layout) -> Graph:
        """Who serves a worker's steps, and how its experts are reached."""
        return self._once(("graph", role, layout), lambda: self._graph(role, layout))

    def _graph(self, role: Role, layout: Layout) -> Graph:
        moe = self.architecture.moe
        if moe is None or self.architecture.hf_class in self.profile.graph.collectives_alone:
            return Graph(self.tables.backend, conventions=self.profile.graph)
        from aicfg.hardware.coverage import ExpertLayer, transports  # brings the tables of experts

        layer = ExpertLayer(self.architecture.hidden_size, moe.inner, moe.topk, moe.experts, self.quant.moe)
        counts = self.profile.graph
        prefill, decode = transports(self.tables, self.system, layer, layout, role, counts)
        return Graph(self.tables.backend, prefill, decode, self.profile.graph)

    def aggregated(self, layout: Layout) -> AggregatedModel:
        """Aggregated serving of one layout."""
        rule = self.profile.aggregated[self.tables.backend]
        step = self.step("agg", layout)
        stack = stack_of(self.architecture, layout)
        return AggregatedModel(step, self.workload, rule, self._host, stack, self.speculative)

    @cached_property
    def pricing(self) -> Pricing:
        """Prices of the operations, shared by all layouts."""
        return Pricing(self.system, self.tables, self.quant, self.profile, self.mode)

    def _weights_bytes(self, role: Role, layout: Layout) -> float:
        """Of one GPU, summed once for all roles that the same graph serves."""
        graph = self.graph(role, layout)
        return self._once(
            ("weights", layout, graph),
            lambda: weight_bytes(self._operations(layout, "prefill", graph), self.quant) / layout.pp,
        )

    def _once(self, key: tuple[object, ...], find: Callable[[], Known]) -> Known:
        """What is known under ``key``, found once: roles share layouts, and layouts graphs."""
        if key not in self._known:
            self._known[key] = find()
        return cast(Known, self._known[key])

    def _memory_model(self, role: Role, layout: Layout, tokens: int) -> MemoryModel:
        """Memory of a worker whose requests hold ``tokens`` in the cache at most."""
        cached = self.cached_bytes(layout, tokens)
        return MemoryModel(
            self.architecture,
            layout,
            self.system,
            self.tables.backend,
            self.tables.version,
            self.profile,
            weights_bytes=self._weights_bytes(role, layout),
            sequence_bytes=cached,  # context-parallel ranks each hold the whole cache
            fraction=self.memory_fraction,
        )

    def _prefill(self, layout: Layout, batch: IntArray, memory: MemoryUse) -> Curve:
        rule, size = self.profile.disaggregated, batch.astype(np.float64)
        step = self.step("prefill", layout)
        step_ms = _rounded(prefill_ms(step, self.workload, size, self.profile.phases), rule.decimals)
        requests = _rounded(1000.0 * size * layout.dp * layout.pp / step_ms, rule.decimals)
        ttft_ms = step_ms * rule.ttft_factor + rule.first_token_ms[self.tables.backend]
        ttft_ms, nothing = ttft_ms + self.kv_transfer_ms(layout), np.zeros(len(batch))
        return self._of_one_phase("prefill", layout, batch, step_ms, ttft_ms, nothing, requests, memory)

    def _decode(self, layout: Layout, batch: IntArray, memory: MemoryUse) -> Curve:
        rule, size = self.profile.disaggregated, batch.astype(np.float64)
        step = self.step("decode", layout)
        mean_ms = decode_ms(step, self.workload, size, self.profile.phases, self.speculative)
        mean_ms += self.host_ms(layout, size) / self.speculative.progress
        tpot_ms = _rounded(mean_ms, rule.decimals)
        answer_ms = tpot_ms * (self.workload.osl - 1)
        requests = _rounded(1000.0 * size * layout.dp * layout.pp / answer_ms, rule.decimals)
        step_ms = tpot_ms * self.speculative.progress
        nothing = np.zeros(len(batch))
        return self._of_one_phase("decode", layout, batch, step_ms, nothing, tpot_ms, requests, memory)

    def _of_one_phase(
        self,
        role: Role,
        layout: Layout,
        batch: IntArray,
        step_ms: FloatArray,
        ttft_ms: FloatArray,
        tpot_ms: FloatArray,
        requests_per_s: FloatArray,
        memory: MemoryUse,
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
            memory=memory,
        )

    def _aggregated(
        self, layout: Layout, batch: IntArray, chunk_tokens: IntArray, memory: MemoryUse
    ) -> Curve:
        points = self.aggregated(layout).points(batch.astype(np.float64), chunk_tokens)
        tokens = points.tokens_per_s * layout.pp * layout.dp
        return Curve(
            role="agg",
            layout=layout,
            quant=self.quant,
            efficiency=1.0,
            group="",
            batch=batch,
            chunk_tokens=chunk_tokens,
            step_ms=points.decode_ms,
            ttft_ms=points.ttft_ms,
            tpot_ms=points.tpot_ms,
            requests_per_s=tokens / (self.workload.osl - 1),
            tokens_per_s=tokens,
            memory=memory,
        )

    @property
    def _host(self) -> Host:
        """What a decode step takes beside its kernels; nothing at the speed of light."""
        return NO_HOST if self.mode is DataMode.SOL else self.profile.host[self.tables.backend]

    def host_ms(self, layout: Layout, batch: FloatArray) -> FloatArray:
        """What a step that decodes (N,) requests of an attention rank takes beside its kernels."""
        return host_ms(self._host, batch, stack_of(self.architecture, layout))

    def cached_bytes(self, layout: Layout, tokens: int) -> float:
        """KV cache of one request on one GPU, all stages."""
        counted = self.profile.graph
        return float(kv_bytes_per_sequence(self.architecture, layout, self.quant, tokens, counted))

    def kv_transfer_ms(self, layout: Layout) -> float:
        """A prompt's cache on its way to the decode worker: each GPU sends its share over its own link."""
        if not self.profile.disaggregated.kv_transfer:
            return 0.0
        cached = self.cached_bytes(layout, self.workload.isl)
        share = cached / layout.cp / layout.pp
        return share / self.system.inter_node_bytes_per_s * 1000.0 + self.system.p2p_latency_ms

    def _transfer_group(self, layout: Layout) -> str:
        """Who can hand its KV cache to whom: the same cache dtype and, on SGLang, the same tp."""
        same_tp = f"_tp{layout.tp}" if self.tables.backend == "sglang" else ""
        return f"{self.quant.kvcache}{same_tp}"


def _rounded(values: FloatArray, decimals: int | None) -> FloatArray:
    return values if decimals is None else values.round(decimals)
