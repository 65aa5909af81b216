"""Prices of single operations: the bridge from what a model computes to measured milliseconds.

A ``Pricing`` belongs to one GPU system, engine and quantisation. It opens each table when it is first needed
and remembers what it has priced, so that layouts which share a shape share the work.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar, cast

import numpy as np

from aicfg.hardware.attention import ContextAttentionTable, GenerationAttentionTable, sampled_lengths
from aicfg.hardware.communication import AllReduceTable, point_to_point_ms
from aicfg.hardware.gemm import GemmTable, ScaleTable
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.profile import Profile
from aicfg.hardware.roofline import (
    ContextAttentionRoofline,
    GemmRoofline,
    GenerationAttentionRoofline,
    memory_pass_ms,
)
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.operations import Attention, Elementwise, Embedding, Gemm
from aicfg.model_specs.quantization import Quant, element_bytes, flops_class

Table = TypeVar("Table")

ACTIVATION_BYTES = 2.0
FP8_GENERATION_SM = 89
"""From this compute capability on, decode attention over an fp8 cache computes in fp8."""


class Pricing:
    """Milliseconds of operations on one system, engine and quantisation."""

    def __init__(self, system: System, tables: Tables, quant: Quant, profile: Profile) -> None:
        self.system = system
        self.tables = tables
        self.quant = quant
        self.profile = profile
        self._tables: dict[tuple[object, ...], object] = {}
        self._priced: dict[tuple[object, ...], list[tuple[FloatArray, FloatArray]]] = {}

    def gemm_ms(self, gemm: Gemm, rows: FloatArray) -> FloatArray:
        """One product of ``rows`` (Q,) rows."""
        dtype = getattr(self.quant, gemm.component) if gemm.component != "bfloat16" else "bfloat16"
        key = ("gemm", dtype, gemm.n, gemm.k, gemm.input_low_precision)
        return self._once(key, rows, lambda: self._gemm_ms(gemm, dtype, rows))

    def context_attention_ms(
        self, op: Attention, batch: FloatArray, length: float, prefix: float
    ) -> FloatArray:
        """Attention of ``batch`` (Q,) prompts of ``length`` new tokens behind ``prefix`` cached ones."""
        key = ("context", op.heads, op.kv_heads, op.head_dim, op.window, op.qk_norm, length, prefix)
        return self._once(key, batch, lambda: self._context_ms(op, batch, length, prefix))

    def generation_attention_ms(
        self, op: Attention, batch: FloatArray, length: FloatArray, weight: FloatArray
    ) -> FloatArray:
        """Weighted sum over cached lengths (S,) of the attention of ``batch`` (Q,) new tokens."""
        key = (
            "generation",
            op.heads,
            op.kv_heads,
            op.head_dim,
            op.window,
            length.tobytes(),
            weight.tobytes(),
        )
        return self._once(key, batch, lambda: self._generation_ms(op, batch, length, weight))

    def all_reduce_ms(self, elements: FloatArray, ranks: int) -> FloatArray:
        """Sum of messages of (Q,) elements over ``ranks`` GPUs."""
        return self._all_reduce(elements, ranks)

    def elementwise_ms(self, op: Elementwise, tokens: FloatArray) -> FloatArray:
        """One pass over (Q,) tokens' activations."""
        return memory_pass_ms(self.system, ACTIVATION_BYTES * tokens * (op.reads + op.writes))

    def embedding_ms(self, op: Embedding, tokens: FloatArray) -> FloatArray:
        """Look-up of (Q,) tokens' rows."""
        return memory_pass_ms(self.system, ACTIVATION_BYTES * tokens * op.width)

    def point_to_point_ms(self, width: int, tokens: FloatArray) -> FloatArray:
        """Hand-over of (Q,) tokens' activations to the next stage."""
        return point_to_point_ms(self.system, ACTIVATION_BYTES * tokens * width)

    def _once(self, key: tuple[object, ...], at: FloatArray, price: Callable[[], FloatArray]) -> FloatArray:
        """The price at each of ``at``; an earlier and longer sweep that begins alike is cut to it."""
        for earlier, priced in self._priced.setdefault(key, []):
            if len(earlier) >= len(at) and np.array_equal(earlier[: len(at)], at):
                return priced[: len(at)]
        self._priced[key].append((at, price()))
        return self._priced[key][-1][1]

    def _gemm_ms(self, gemm: Gemm, dtype: str, rows: FloatArray) -> FloatArray:
        table = self._gemm(gemm.component, "fp8" if dtype == "fp8_static" else dtype)
        times = table(rows, gemm.n, gemm.k)
        if (
            dtype == "fp8_static"
        ):  # measured with dynamic scales: take the scaling passes off, never below light
            times = times - self._scale("compute_scale", grows=False)(rows, gemm.k)
            if gemm.input_low_precision:
                times = times - self._scale("scale_matrix", grows=True)(rows, gemm.k)
            times = np.maximum(times, table.roofline(rows, gemm.n, gemm.k))
        return times

    def _context_ms(self, op: Attention, batch: FloatArray, length: float, prefix: float) -> FloatArray:
        table = self._context(op)
        lengths, prefixes = np.full(len(batch), float(length)), np.full(len(batch), float(prefix))
        return table(op.heads, batch, lengths, prefixes) + self._attention_extra_ms(op)

    def _generation_ms(
        self, op: Attention, batch: FloatArray, length: FloatArray, weight: FloatArray
    ) -> FloatArray:
        samples = self.profile.operations.decode_length_samples
        spread = sampled_lengths(length, samples.low, samples.high, samples.count)
        share = np.repeat(weight / samples.count, samples.count)
        return self._generation(op)(op.heads, batch, spread.ravel(), share)

    def _attention_extra_ms(self, op: Attention) -> float:
        """Rotary embedding, KV write and the norms of queries and keys, beside the attention kernel."""
        rule = self.profile.operations
        query = float(op.heads * op.head_dim * rule.attention_extra_tokens)
        key = float(op.kv_heads * op.head_dim * rule.attention_extra_tokens)
        rotary = 2.0 * self._pass(ACTIVATION_BYTES * (query + key))
        write = 2.0 * self._pass(key * element_bytes("fmha", self.quant.fmha))
        norms = (
            4.0 * (self._pass(ACTIVATION_BYTES * query) + self._pass(ACTIVATION_BYTES * key))
            if op.qk_norm
            else 0.0
        )
        return rule.attention_extra_factor * (rotary + write + norms)

    def _pass(self, moved_bytes: float) -> float:
        return float(memory_pass_ms(self.system, moved_bytes))

    def _gemm(self, component: str, dtype: str) -> GemmTable:
        def open_table() -> GemmTable:
            arithmetic = self.system.peak_flops(flops_class(component, dtype))
            bandwidth = self.system.memory_bandwidth_bytes_per_s
            roofline = GemmRoofline(element_bytes(component, dtype), arithmetic, bandwidth)
            where = f"the {dtype} GEMM table of {self.system.name}, {self.tables.backend}"
            return GemmTable(self.tables.grid("gemm", (dtype,)), roofline, where)

        return self._table(("gemm", dtype), open_table)

    def _scale(self, family: str, grows: bool) -> ScaleTable:
        return self._table((family,), lambda: ScaleTable(self.tables.grid(family, ("fp8",)), grows))

    def _context(self, op: Attention) -> ContextAttentionTable:
        kv_heads = 0 if op.kv_heads == op.heads else op.kv_heads
        key = (self.quant.fmha, self.quant.kvcache, kv_heads, op.head_dim, op.window)

        def open_table() -> ContextAttentionTable:
            peak = self.system.peak_flops(flops_class("fmha", self.quant.fmha))
            roofline = ContextAttentionRoofline(
                kv_heads,
                op.head_dim,
                op.window,
                self._kv_bytes,
                peak,
                self.system.memory_bandwidth_bytes_per_s,
            )
            return ContextAttentionTable(self.tables.grid("context_attention", key), roofline)

        return self._table(("context", *key), open_table)

    def _generation(self, op: Attention) -> GenerationAttentionTable:
        kv_heads = 0 if op.kv_heads == op.heads else op.kv_heads
        key = (self.quant.kvcache, kv_heads, op.head_dim, op.window)

        def open_table() -> GenerationAttentionTable:
            in_fp8 = self.quant.kvcache == "fp8" and self.system.sm >= FP8_GENERATION_SM
            peak = self.system.peak_flops("fp8" if in_fp8 else "bfloat16")
            roofline = GenerationAttentionRoofline(
                kv_heads,
                op.head_dim,
                op.window,
                self._kv_bytes,
                peak,
                self.system.memory_bandwidth_bytes_per_s,
            )
            return GenerationAttentionTable(self.tables.grid("generation_attention", key), roofline)

        return self._table(("generation", *key), open_table)

    @cached_property
    def _kv_bytes(self) -> float:
        return element_bytes("kvcache", self.quant.kvcache)

    @cached_property
    def _all_reduce(self) -> AllReduceTable:
        return AllReduceTable(self.tables.grid("custom_allreduce", ("half",)), self.system)

    def _table(self, key: tuple[object, ...], open_table: Callable[[], Table]) -> Table:
        if key not in self._tables:
            self._tables[key] = open_table()
        return cast(Table, self._tables[key])
