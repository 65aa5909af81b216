"""Mixtures of experts whose layers have attention of two shapes: MiMo-V2 and Step-3.

Most layers attend within a short window, with key-value heads (and query heads) of their own number; some
attend to all tokens. Keys may be wider than values. The first layers have a dense FFN. Attention sinks, one
logit a head, cost nothing; Step-3 scales each head's output by a gate. Source: ``mimo_v2_flash.py`` and
``step3p5.py`` of SGLang, ``modeling_mimo_v2_flash.py`` of the checkpoint.
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.attention_kinds import AttentionKind
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_component,
    embedding,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_blocks, illegal_mixture
from aicfg.model_specs.operations import Attention, Collective, Elementwise, Gemm, Operation

_SWAPPED = ("MiMoV2FlashForCausalLM",)
"""Classes whose marks AIConfigurator 0.12 reads the other way round: windows where there are none."""


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    hidden, layers = step.arch.hidden_size, step.arch.num_layers
    alltoall = step.transport is not None
    return (
        *embedding(step, whole=step.graph.conventions.coarse_hybrids),
        *attention_of_kinds(step),
        *(all_reduce("attention_allreduce", step, layers) if alltoall else ()),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers, split=step.split),
        *expert_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )


def attention_of_kinds(step: Step) -> tuple[Operation, ...]:
    """Norm, projections and attention of all layers, kind by kind; not summed yet."""
    kinds = step.arch.attentions
    if step.graph.conventions.coarse_hybrids:
        order = reversed(kinds) if step.arch.hf_class in _SWAPPED else kinds
        counts = [kind.layers for kind in order]
        kinds = tuple(
            replace(kind, layers=count, owners=count) for kind, count in zip(kinds, counts, strict=True)
        )
    return tuple(operation for kind in kinds if kind.layers for operation in _block(step, kind))


def _block(step: Step, kind: AttentionKind) -> tuple[Operation, ...]:
    """Norm, projections, kernel and output projection of the layers of one kind."""
    hidden, tp, split = step.arch.hidden_size, step.layout.tp, step.split
    prefix = "attention_window" if kind.window else "attention"
    heads, kv_heads = kind.heads // tp, kind.local_kv_heads(tp)
    outputs, component = heads * kind.value_dim, attention_component(step, "q", "kv")
    out = attention_component(step, "o")

    def projection(name: str, columns: int, count: int) -> tuple[Operation, ...]:
        return (Gemm(name, columns, hidden, count, component, split=split),) if count else ()

    queries, keys_values = heads * kind.head_dim, kv_heads * kind.key_value_columns
    normed = step.arch.qk_norm and not (step.arch.gemma and step.graph.conventions.coarse_hybrids)
    kernel = (heads, kv_heads, kind.head_dim, kind.window, normed, kind.layers, step.context)
    return (
        Elementwise(f"{prefix}_norm", 2 * hidden, 2 * hidden, kind.layers, split=split),
        *projection(f"{prefix}_qkv", queries + keys_values, kind.owners),
        *projection(f"{prefix}_q", queries, kind.layers - kind.owners),
        Attention(prefix, *kernel),
        *_gathered(step, kind, prefix),
        *_head_gate(step, kind, prefix),
        Gemm(f"{prefix}_out", hidden, outputs, kind.layers, out, input_low_precision=True, split=split),
    )


def _gathered(step: Step, kind: AttentionKind, prefix: str) -> tuple[Operation, ...]:
    """All keys and values of a prompt on each of its context-parallel ranks, in every layer that has some."""
    if step.context == 1:
        return ()
    width, name = kind.cached(step.layout.tp), f"{prefix}_kv_allgather"
    return (Collective(name, "all_gather", width, step.context, kind.owners, payload="kvcache"),)


def _head_gate(step: Step, kind: AttentionKind, prefix: str) -> tuple[Operation, ...]:
    """A gate for each head's output, from a projection of its own."""
    if not step.arch.head_gate:
        return ()
    heads = kind.heads // step.layout.tp
    outputs, split = heads * kind.value_dim, step.split
    return (
        Gemm(f"{prefix}_gate", heads, step.arch.hidden_size, kind.layers, split=split, narrow=True),
        Elementwise(f"{prefix}_gated", outputs + heads, outputs, kind.layers, split=split),
    )


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    return illegal_mixture(arch, layout, graph) or illegal_kinds(arch, layout)


def illegal_kinds(arch: Architecture, layout: Layout) -> str | None:
    """Why the heads of some kind cannot be split as the layout asks, or None."""
    tp = layout.tp
    for kind in arch.attentions:
        if kind.heads % tp:
            return f"tp {tp} does not divide the {kind.heads} attention heads"
        if kind.kv_heads % tp and tp % kind.kv_heads:
            return f"tp {tp} and the {kind.kv_heads} key-value heads: one must divide the other"
        shards = {"query heads": kind.heads // tp * kind.head_dim}
        if reason := illegal_blocks(arch, layout, shards):
            return reason
    return None
