"""Attention of prompts (context) and of new tokens against their caches (generation).

Both come from measured grids per (dtypes, KV heads, head size, window); heads, lengths and batches in between
are interpolated. Rules: performance model of AIConfigurator 0.12, §3.2 and §4.
"""

import numpy as np
from msgspec import structs

from aicfg.hardware.attention_tables import (
    context_loan,
    context_roofline,
    context_table,
    generation_loan,
    generation_roofline,
    generation_table,
)
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.memory_bound import ACTIVATION_BYTES, memory_pass_ms
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import Key
from aicfg.model_specs.operations import Attention
from aicfg.model_specs.quantization import element_bytes


def sampled_lengths(length: FloatArray, low: float, high: float, count: int) -> FloatArray:
    """``count`` whole lengths spread evenly from ``low``·length to ``high``·length.

    For each of (S,) lengths.
    """
    shortest = np.maximum(1.0, np.floor(length * low))
    longest = np.maximum(shortest, np.floor(length * high))
    if count == 1:
        return length[:, None]
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
    chunks = [_context_kernel_ms(pricing, op, chunk) for chunk in chunks_of(prompts, op.context)]
    return np.asarray(np.add.reduce(chunks)) + _extra_ms(pricing, op, prompts)


def chunks_of(prompts: Prompts, context: int) -> list[Prompts]:
    """What the busiest of ``context`` ranks that share each prompt computes.

    Prompts are cut into twice as many chunks as ranks; one rank takes the first and the last of them, which
    together cost as much as any other pair.
    """
    if context == 1:
        return [prompts]
    chunk = np.maximum(1.0, np.ceil(prompts.length / (2 * context)))
    last = prompts.prefix + prompts.length - chunk
    return [structs.replace(prompts, length=chunk), structs.replace(prompts, length=chunk, prefix=last)]


def _context_kernel_ms(pricing: Pricing, op: Attention, prompts: Prompts) -> FloatArray:
    batch, length, prefix = prompts.batch, prompts.length, prompts.prefix
    heads, whole, key = np.full(len(batch), float(op.heads)), length + prefix, _context_key(pricing, op)

    def light() -> FloatArray:
        return context_roofline(pricing, key)(op.heads, whole, batch, prefix)

    return pricing.by_mode(
        measured=lambda: context_table(pricing, key)(op.heads, batch, length, prefix),
        light=light,
        estimated=lambda: context_loan(pricing, key).ms(light(), heads, whole, batch),
        reach=lambda: context_table(pricing, key).reach(op.heads, batch, length, prefix),
    )


def generation_attention_ms(pricing: Pricing, op: Attention, decoding: Decoding) -> FloatArray:
    """Attention of new tokens, averaged over the lengths with their weights.

    Each measured length is averaged over the lengths around it; a formula needs no smoothing.
    """
    key = _generation_key(pricing, op)

    def points() -> tuple[FloatArray, FloatArray, FloatArray]:
        batch, length = np.meshgrid(decoding.batch, decoding.lengths, indexing="ij")
        return np.full(batch.size, float(op.heads)), batch.ravel(), length.ravel()

    def spread() -> tuple[FloatArray, FloatArray]:
        samples = pricing.profile.operations.decode_length_samples
        lengths = sampled_lengths(decoding.lengths, samples.low, samples.high, samples.count)
        return lengths.ravel(), np.repeat(decoding.weights / samples.count, samples.count)

    def light() -> FloatArray:
        return generation_roofline(pricing, key)(*points())

    def averaged(ms: FloatArray) -> FloatArray:
        return ms.reshape(len(decoding.batch), -1) @ decoding.weights

    return pricing.by_mode(
        measured=lambda: generation_table(pricing, key)(op.heads, decoding.batch, *spread()),
        light=lambda: averaged(light()),
        estimated=lambda: averaged(generation_loan(pricing, key).ms(light(), *points())),
        reach=lambda: generation_table(pricing, key).reach(op.heads, decoding.batch, spread()[0]),
    )


def _extra_ms(pricing: Pricing, op: Attention, prompts: Prompts) -> FloatArray:
    """Rotary embedding, KV write and the norms of queries and keys, beside the attention kernel."""
    rule = pricing.profile.operations.attention_extra
    new = np.ceil(prompts.batch * prompts.length / op.context)
    tokens = new if rule.tokens == "all" else np.ones(len(new))
    query, key = op.heads * op.head_dim * tokens, op.kv_heads * op.head_dim * tokens

    def one_pass(moved_bytes: FloatArray) -> FloatArray:
        return memory_pass_ms(pricing.system, moved_bytes)

    extra = 2.0 * one_pass(ACTIVATION_BYTES * (query + key))
    extra += 2.0 * one_pass(key * element_bytes("fmha", pricing.quant.fmha))
    if op.qk_norm:
        norms = one_pass(ACTIVATION_BYTES * query) + one_pass(ACTIVATION_BYTES * key)
        extra += rule.qk_norm_passes * norms
    return rule.factor * extra


def _context_key(pricing: Pricing, op: Attention) -> Key:
    quant, kv_heads = pricing.quant, 0 if op.kv_heads == op.heads else op.kv_heads
    return (quant.fmha, quant.kvcache, kv_heads, op.head_dim, op.window)


def _generation_key(pricing: Pricing, op: Attention) -> Key:
    return (pricing.quant.kvcache, 0 if op.kv_heads == op.heads else op.kv_heads, op.head_dim, op.window)
