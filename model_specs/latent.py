"""Mixtures of experts with multi-head latent attention: DeepSeek-V3 to V3.2, R1, Kimi-K2, GLM-5.

Queries, keys and values come from compressed vectors (one product), the cache keeps the compressed keys and
values of all heads together, and decode works in the compressed space (the absorbed products). The attention
is charged as one measured module where there is a table of it, else product by product. Source: performance
model §3.4; DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024.
"""

from msgspec import structs

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    embedding,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.latent_attention import module, overlapped, wide_stack
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_mixture
from aicfg.model_specs.operations import WHOLE, Elementwise, Operation
from aicfg.model_specs.sparse_attention import gathered_around, sparse_module

_OVERLAP_PACE = 0.9
"""What a kernel takes that starts while the last one drains (programmatic dependent launch): §3.4."""


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step, as the engine's own graph has it."""
    if step.graph.wide and step.graph.backend == "trtllm":
        return _wide_trtllm(step)
    if step.wide_sglang:
        return _wide_sglang(step)
    layers = step.arch.num_layers
    return (
        *_embedding(step),
        _norm(step, "attention_norm", layers),
        *(sparse_module(step, layers) if step.arch.indexer else module(step)),
        *_attention_reduction(step),
        _norm(step, "ffn_norm", layers),
        *expert_block(step),
        lm_head(step),
        *_two_reductions(step),
        *stage_hand_over(step),
    )


def _wide_trtllm(step: Step) -> tuple[Operation, ...]:
    """Product by product; by convention, decoding layers are charged at the pace of overlapping kernels."""
    hastened = step.phase == "decode" and step.graph.conventions.wide_decode_hastened
    pace = _OVERLAP_PACE if hastened else 1
    layers = step.arch.num_layers * pace
    return (
        *_embedding(step),
        _norm(step, "attention_norm", layers),
        *(sparse_module(step, layers) if step.arch.indexer else overlapped(step, layers)),
        *_attention_reduction(step),
        _norm(step, "ffn_norm", layers),
        *expert_block(step, pace=pace),
        lm_head(step),
        *stage_hand_over(step),
    )


def _wide_sglang(step: Step) -> tuple[Operation, ...]:
    """Attention between a gather and a scatter over tp in prefill; some operations left out by convention."""
    layers, counts = step.arch.num_layers, step.graph.conventions
    experts = expert_block(step, router=step.arch.hf_class not in counts.wide_router_left_out)
    sparse = gathered_around(step, sparse_module(step, layers)) if step.arch.indexer else ()
    if sparse and counts.short_wide_graph:
        return (*sparse, *experts)
    attention = (
        *embedding(step, whole=True),
        _norm(step, "attention_norm", layers),
        *(sparse or wide_stack(step)),
    )
    if counts.short_wide_graph:
        return (*attention, *experts)
    reduction = _attention_reduction(step) if step.phase == "decode" else ()
    return (
        *attention,
        *reduction,
        _norm(step, "ffn_norm", layers),
        *experts,
        lm_head(step),
        *stage_hand_over(step),
    )


def _embedding(step: Step) -> tuple[Operation, ...]:
    listed = embedding(step, whole=step.graph.conventions.whole_latent_embedding)
    return (
        tuple(structs.replace(each, split=WHOLE) for each in listed) if step.whole_beside_sparse else listed
    )


def _norm(step: Step, name: str, count: float) -> Elementwise:
    hidden = step.arch.hidden_size
    return Elementwise(name, 2 * hidden, 2 * hidden, count, split=step.split)


def _attention_reduction(step: Step) -> tuple[Operation, ...]:
    """Sum of the attention output over tp, where no expert exchange does it."""
    if step.transport is None or not step.graph.conventions.attention_reduction_beside_alltoall:
        return ()
    return all_reduce("attention_allreduce", step, step.arch.num_layers)


def _two_reductions(step: Step) -> tuple[Operation, ...]:
    counted = step.graph.conventions.two_reductions_beside_exchange and step.arch.indexer is None
    if step.graph.backend != "vllm" or not counted:
        return ()
    return all_reduce("tp_allreduce", step, 2 * step.arch.num_layers)


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if arch.num_heads % layout.tp:
        return f"tp {layout.tp} does not divide the {arch.num_heads} attention heads"
    return illegal_mixture(arch, layout, graph)
