"""Mixtures of experts with attention to compressed tokens and several residual streams: DeepSeek-V4.

A layer attends to the last 128 tokens as they are and to what came before in compressed entries: in every
other layer one of 4 tokens, of which an index in fp4 chooses the best, else one of 128, and all of them. One
head of 512 serves as key and value of all queries; outputs of a group of heads are compressed together.
Hyper-connections mix four residual streams into each sublayer and its output back into them. The leading
layers that have the window alone are charged as those of 128. Source: DeepSeek-AI, "DeepSeek-V4", 2026; the
model's config.json and inference code.
"""

from typing import Any

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import Step, all_reduce, embedding, lm_head, stage_hand_over
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_mixture
from aicfg.model_specs.operations import (
    Component,
    CompressedModule,
    Elementwise,
    Gemm,
    HyperConnection,
    Operation,
)
from aicfg.model_specs.parts import CHOOSES, WIDE, CompressedFacts

_FLOAT32_BYTES = 4


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    layers, counts = step.arch.num_layers, step.graph.conventions
    alltoall = step.transport is not None and counts.attention_reduction_beside_alltoall
    return (
        *embedding(step, whole=counts.whole_latent_embedding),
        _connection(step, "pre"),
        _norm(step, "attention_norm"),
        *_modules(step),
        *(all_reduce("attention_allreduce", step, layers) if alltoall else ()),
        _connection(step, "post"),
        _norm(step, "ffn_norm"),
        *expert_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )


def _norm(step: Step, name: str) -> Elementwise:
    hidden = step.arch.hidden_size
    return Elementwise(name, hidden, hidden, step.arch.num_layers, split=step.split)


def _connection(step: Step, stage: str) -> HyperConnection:
    """Of both sublayers: the weights are read before them."""
    facts, hidden = _facts(step.arch), step.arch.hidden_size
    mixing = (2 + facts.streams) * facts.streams
    own = stage == "pre" or step.graph.conventions.compressed_by_convention
    return HyperConnection(
        f"hyper_connection_{stage}",
        stage,  # type: ignore[arg-type]
        hidden,
        facts.streams,
        facts.rounds,
        2 * (mixing * facts.streams * hidden + mixing + 3) if own else 0,
        step.arch.num_layers,
        step.split,
    )


def _modules(step: Step) -> tuple[CompressedModule, ...]:
    """The attention of all layers, by the tokens of an entry."""
    ratios = _facts(step.arch).ratios
    chooses = ratios.count(CHOOSES)
    kinds = (("compressed_attention", CHOOSES, chooses), ("wide_attention", WIDE, len(ratios) - chooses))
    return tuple(_module(step, name, ratio, count) for name, ratio, count in kinds if count)


def _module(step: Step, name: str, ratio: int, count: int) -> CompressedModule:
    arch, facts, tp = step.arch, _facts(step.arch), step.layout.tp
    heads = arch.num_heads // tp
    entry = _widening(ratio) * arch.head_dim
    positions = ratio * entry + (ratio * 2 * facts.index_head_dim if ratio == CHOOSES else 0)
    return CompressedModule(
        name,
        ratio,
        arch.hidden_size,
        heads,
        arch.num_heads,
        arch.head_dim,
        facts.q_lora_rank,
        facts.o_lora_rank,
        max(1, facts.o_groups // tp),
        facts.rotary,
        facts.index_heads,
        facts.index_head_dim,
        facts.topk,
        facts.window,
        count=count,
        context=step.context,
        projections=_projections(step, ratio, count),
        float32_parameters=heads + positions,
    )


def _projections(step: Step, ratio: int, count: int) -> tuple[Gemm, ...]:
    """The products that hold weights: compressions and indexes are whole on every rank."""
    arch, facts, tp, hidden = step.arch, _facts(step.arch), step.layout.tp, step.arch.hidden_size
    width = arch.num_heads // tp * arch.head_dim
    groups = max(1, facts.o_groups // tp)

    def product(name: str, n: int, k: int, component: Component = "gemm") -> Gemm:
        return Gemm(name, n, k, count, component)

    listed = (
        product("query_compression", facts.q_lora_rank, hidden),
        product("queries", width, facts.q_lora_rank),
        product("keys_values", arch.head_dim, hidden),
        product("output_compression", facts.o_lora_rank, width, "bfloat16"),
        product("attention_out", hidden, groups * facts.o_lora_rank),
        product("entries", 2 * _widening(ratio) * arch.head_dim, hidden),
    )
    if ratio != CHOOSES:
        return listed
    return (
        *listed,
        product("index_queries", facts.index_heads * facts.index_head_dim, facts.q_lora_rank),
        product("index_entries", 2 * 2 * facts.index_head_dim, hidden),
        product("index_weights", facts.index_heads, hidden, "bfloat16"),
    )


def _widening(ratio: int) -> int:
    """Entries of few tokens are made of two overlapping halves."""
    return 2 if ratio == CHOOSES else 1


def compressed_bytes(facts: CompressedFacts, head_dim: int, element: float, tokens: Any, held: Any) -> Any:
    """Cache of one request of ``tokens`` tokens in all layers, of which the window holds ``held``.

    Entries of one head, in and before the window; an fp4 key of every entry that an index chooses from; and
    the float32 sums of the entries in the making. ``tokens`` and ``held`` are numbers or arrays.
    """
    chooses, wide = facts.ratios.count(CHOOSES), facts.ratios.count(WIDE)
    entry, key = head_dim * element, facts.index_head_dim / 2
    window = len(facts.ratios) * held * entry
    entries = chooses * (tokens // CHOOSES) * (entry + key) + wide * (tokens // WIDE) * entry
    sums = chooses * CHOOSES * 2 * (head_dim + facts.index_head_dim) + wide * WIDE * head_dim
    return window + entries + 2 * sums * _FLOAT32_BYTES


def parameters(arch: Architecture, facts: CompressedFacts) -> int:
    """Of the attention of all layers, and of the streams around both their sublayers and at the end."""
    hidden, head, width = arch.hidden_size, arch.head_dim, arch.num_heads * arch.head_dim
    outputs = width * facts.o_lora_rank + facts.o_groups * facts.o_lora_rank * hidden
    inputs = hidden * (facts.q_lora_rank + head) + facts.q_lora_rank * width
    each = inputs + outputs + arch.num_heads + facts.q_lora_rank + head
    index = facts.index_heads * (facts.q_lora_rank * facts.index_head_dim + hidden)
    chooses = _compressor(hidden, head, CHOOSES) + index + _compressor(hidden, facts.index_head_dim, CHOOSES)
    entries = facts.ratios.count(CHOOSES) * chooses + facts.ratios.count(WIDE) * _compressor(
        hidden, head, WIDE
    )
    streams, last = facts.streams * hidden, facts.streams * (facts.streams * hidden + 1) + 1
    mixing = (2 + facts.streams) * facts.streams * (streams + 1) + 3
    return len(facts.ratios) * (each + 2 * mixing) + entries + last


def _compressor(hidden: int, head: int, ratio: int) -> int:
    """Of tokens into entries: values and scores, positions, and the norm."""
    width = _widening(ratio) * head
    return 2 * hidden * width + ratio * width + head


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if arch.num_heads % layout.tp:
        return f"tp {layout.tp} does not divide the {arch.num_heads} attention heads"
    return illegal_mixture(arch, layout, graph)


def _facts(arch: Architecture) -> CompressedFacts:
    assert arch.compressed is not None, f"{arch.model} has no compressed attention"
    return arch.compressed
