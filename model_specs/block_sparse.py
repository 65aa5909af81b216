"""Mixtures of experts with grouped-query attention to chosen blocks of tokens: MiniMax-M3.

Beside its projections a layer has an index: a few query heads over one small key a token, whose best score in
each block of 128 tokens says which 16 blocks every query attends to. The leading layers attend to all tokens.
Source: MiniMax, "MSA: MiniMax Sparse Attention", 2026; the modelling file of SGLang (minimax_m3).
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_block,
    attention_component,
    embedding,
    lm_head,
    local_kv_heads,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_grouped_mixture
from aicfg.model_specs.operations import BlockSparseModule, Elementwise, Gemm, Operation
from aicfg.model_specs.parts import BlockIndexFacts


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    hidden, layers, counts = step.arch.hidden_size, step.arch.num_layers, step.graph.conventions
    sparse = layers if counts.block_sparse_by_convention else _facts(step.arch).layers
    full = replace(step, arch=replace(step.arch, num_layers=layers - sparse))
    alltoall = step.transport is not None and counts.attention_reduction_beside_alltoall
    return (
        *embedding(step, whole=counts.whole_latent_embedding),
        *(attention_block(full) if layers > sparse else ()),
        Elementwise("sparse_attention_norm", 2 * hidden, 2 * hidden, sparse),
        _module(step, sparse),
        *(all_reduce("attention_allreduce", step, layers) if alltoall else ()),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers),
        *expert_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )


def _module(step: Step, count: int) -> BlockSparseModule:
    arch, facts = step.arch, _facts(step.arch)
    return BlockSparseModule(
        "sparse_attention",
        arch.hidden_size,
        arch.num_heads // step.layout.tp,
        local_kv_heads(arch, step.layout),
        arch.head_dim,
        facts.heads,
        facts.head_dim,
        facts.topk,
        facts.block,
        attention_component(step, "q", "kv", "o"),
        count,
        _projections(step, count),
    )


def _projections(step: Step, count: int) -> tuple[Gemm, ...]:
    """The products that hold weights; every rank has the index's one key, and the queries of its heads."""
    if step.graph.conventions.block_sparse_by_convention:
        return ()
    arch, facts, hidden = step.arch, _facts(step.arch), step.arch.hidden_size
    queries = arch.num_heads // step.layout.tp * arch.head_dim
    keys_values = 2 * local_kv_heads(arch, step.layout) * arch.head_dim
    index = -(-facts.heads // step.layout.tp) * facts.head_dim + facts.head_dim
    component = attention_component(step, "q", "kv", "o")
    return (
        Gemm("qkv", queries + keys_values, hidden, count, component),
        Gemm("attention_out", hidden, queries, count, component),
        Gemm("index", index, hidden, count, component),
    )


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if layout.cp > 1:
        return f"attention to blocks of tokens cannot share a prompt (cp {layout.cp})"
    return illegal_grouped_mixture(arch, layout, graph)


def _facts(arch: Architecture) -> BlockIndexFacts:
    assert arch.block_index is not None, f"{arch.model} has no index of blocks"
    return arch.block_index
