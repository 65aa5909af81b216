"""Attention of prompts (context) and of new tokens against their caches (generation).

Both come from measured grids per (dtypes, KV heads, head size, window); heads, lengths and batches in between
are interpolated. Rules: performance model of AIConfigurator 0.12, §3.2 and §4.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray, NestedGrid, along, bracket
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.memory_bound import ACTIVATION_BYTES, memory_pass_ms
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.roofline import ContextAttentionRoofline, GenerationAttentionRoofline
from aicfg.hardware.tables.store import Grid
from aicfg.model_specs.operations import Attention
from aicfg.model_specs.quantization import element_bytes, flops_class

FP8_GENERATION_SM = 89
"""From this compute capability on, decode attention over an fp8 cache computes in fp8."""


class ContextAttentionTable:
    """Prefill attention of one (dtypes, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: ContextAttentionRoofline) -> None:
        """``grid`` has axes (heads, length, batch)."""
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        self._nested = NestedGrid(axes, grid.values, roofline, square_root_axis=1)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, prefix: FloatArray) -> FloatArray:
        """Time in ms of ``batch`` prompts of ``length`` new tokens behind ``prefix`` cached ones.

        The whole length is looked up and the share of the score matrix that the prefix spares is taken off:
        ((l + p)² - p²) / (l + p)².
        """
        whole = length + prefix
        times = self._nested(np.broadcast_to(float(heads), np.shape(batch)), whole, batch)
        return times * (whole**2 - prefix**2) / whole**2


class GenerationAttentionTable:
    """Decode attention of one (KV dtype, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: GenerationAttentionRoofline) -> None:
        """``grid`` has axes (heads, batch, cached length); rows faster than light are raised to it."""
        self._axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        mesh = np.meshgrid(*self._axes, indexing="ij", sparse=True)
        self._times = np.maximum(grid.values, roofline(*mesh))
        self._nested = NestedGrid(self._axes, self._times, roofline)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """Weighted sum over (S,) cached lengths of the time in ms, at each of (B,) batch sizes.

        Interpolation in the batch is linear with weights that don't depend on the length, so the sum over
        lengths is taken first wherever the measured rows reach every length; elsewhere each length is looked
        up by itself.
        """
        lower, upper, share = bracket(self._axes[0], np.array([float(heads)]))
        total = np.full(len(batch), np.nan)
        if not np.isnan(share[0]):
            low = self._summed(int(lower[0]), batch, length, weight)
            high = self._summed(int(upper[0]), batch, length, weight) if share[0] else low
            total = low + (high - low) * share[0]
        ragged = np.isnan(total)
        if ragged.any():
            b, s = np.meshgrid(batch[ragged], length, indexing="ij")
            n = np.full(b.size, float(heads))
            total[ragged] = self._nested(n, b.ravel(), s.ravel()).reshape(b.shape) @ weight
        return total

    def _summed(self, branch: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted sum on one measured head count.

        NaN where the rows around a batch don't reach all lengths.
        """
        block = self._times[branch]
        measured = ~np.isnan(block)
        present = np.flatnonzero(measured.any(axis=1))
        sums = np.array(
            [along(self._axes[2][measured[i]], block[i][measured[i]], length) @ weight for i in present]
        )
        return along(self._axes[1][present], sums, batch)


def sampled_lengths(length: FloatArray, low: float, high: float, count: int) -> FloatArray:
    """``count`` whole lengths spread evenly from ``low``·length to ``high``·length.

    For each of (S,) lengths.
    """
    shortest = np.maximum(1.0, np.floor(length * low))
    longest = np.maximum(shortest, np.floor(length * high))
    steps = np.arange(count)
    return shortest[:, None] + np.floor((longest - shortest)[:, None] * steps / (count - 1))


@prices(Attention)
def attention_ms(pricing: Pricing, op: Attention, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    if load.prompts is not None:
        return context_attention_ms(pricing, op, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return generation_attention_ms(pricing, op, load.decoding)


def context_attention_ms(pricing: Pricing, op: Attention, prompts: Prompts) -> FloatArray:
    """Attention of prompts, with what is fused around its kernel."""
    shape = (op.heads, op.kv_heads, op.head_dim, op.window, op.qk_norm)
    key = ("context", *shape, prompts.length.tobytes(), prompts.prefix.tobytes())
    table = _context_table(pricing, op)
    return pricing.once(
        key,
        prompts.batch,
        lambda: table(op.heads, prompts.batch, prompts.length, prompts.prefix) + _extra_ms(pricing, op),
    )


def generation_attention_ms(pricing: Pricing, op: Attention, decoding: Decoding) -> FloatArray:
    """Attention of new tokens, each length averaged over the lengths around it."""
    samples = pricing.profile.operations.decode_length_samples
    shape = (op.heads, op.kv_heads, op.head_dim, op.window)
    key = ("generation", *shape, decoding.lengths.tobytes(), decoding.weights.tobytes())

    def price() -> FloatArray:
        spread = sampled_lengths(decoding.lengths, samples.low, samples.high, samples.count)
        share = np.repeat(decoding.weights / samples.count, samples.count)
        return _generation_table(pricing, op)(op.heads, decoding.batch, spread.ravel(), share)

    return pricing.once(key, decoding.batch, price)


def _extra_ms(pricing: Pricing, op: Attention) -> float:
    """Rotary embedding, KV write and the norms of queries and keys, beside the attention kernel."""
    rule = pricing.profile.operations
    query = float(op.heads * op.head_dim * rule.attention_extra_tokens)
    key = float(op.kv_heads * op.head_dim * rule.attention_extra_tokens)

    def one_pass(moved_bytes: float) -> float:
        return float(memory_pass_ms(pricing.system, moved_bytes))

    rotary = 2.0 * one_pass(ACTIVATION_BYTES * (query + key))
    write = 2.0 * one_pass(key * element_bytes("fmha", pricing.quant.fmha))
    norms = (
        4.0 * (one_pass(ACTIVATION_BYTES * query) + one_pass(ACTIVATION_BYTES * key)) if op.qk_norm else 0.0
    )
    return rule.attention_extra_factor * (rotary + write + norms)


def generation_peak_flops(pricing: Pricing) -> float:
    """Peak of the arithmetic that decode attention uses over this KV cache."""
    in_fp8 = pricing.quant.kvcache == "fp8" and pricing.system.sm >= FP8_GENERATION_SM
    return pricing.system.peak_flops("fp8" if in_fp8 else "bfloat16")


def _context_table(pricing: Pricing, op: Attention) -> ContextAttentionTable:
    kv_heads = 0 if op.kv_heads == op.heads else op.kv_heads
    quant, system = pricing.quant, pricing.system
    key = (quant.fmha, quant.kvcache, kv_heads, op.head_dim, op.window)

    def open_table() -> ContextAttentionTable:
        peak = system.peak_flops(flops_class("fmha", quant.fmha))
        bandwidth = system.memory_bandwidth_bytes_per_s
        roofline = ContextAttentionRoofline(
            kv_heads, op.head_dim, op.window, pricing.kv_bytes, peak, bandwidth
        )
        return ContextAttentionTable(pricing.tables.grid("context_attention", key), roofline)

    return pricing.table(("context", *key), open_table)


def _generation_table(pricing: Pricing, op: Attention) -> GenerationAttentionTable:
    kv_heads = 0 if op.kv_heads == op.heads else op.kv_heads
    key = (pricing.quant.kvcache, kv_heads, op.head_dim, op.window)

    def open_table() -> GenerationAttentionTable:
        peak, bandwidth = generation_peak_flops(pricing), pricing.system.memory_bandwidth_bytes_per_s
        roofline = GenerationAttentionRoofline(
            kv_heads, op.head_dim, op.window, pricing.kv_bytes, peak, bandwidth
        )
        return GenerationAttentionTable(pricing.tables.grid("generation_attention", key), roofline)

    return pricing.table(("generation", *key), open_table)
