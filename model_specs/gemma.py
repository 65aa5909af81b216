"""Gemma 4: windowed and full attention of two shapes, norms around each part, dense or with experts.

Full attention has wider heads and fewer of them for keys and values, and may take its values from the keys'
projection. A mixture adds routed experts beside each layer's dense FFN; their outputs are normed apart, so
each is summed over tp by itself. The small models take keys and values of the last layers from earlier ones
(whose FFNs may be twice as wide), and add to every layer a narrow embedding of the token, gated by the
layer's state. Source: ``modular_gemma4.py`` of ``transformers``.
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    embedding,
    ffn,
    lm_head,
    stage_hand_over,
    with_stored_formats,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.gemma_facts import GemmaFacts
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_blocks, illegal_context, illegal_mixture, illegal_stages
from aicfg.model_specs.mixed_attention import attention_of_kinds, illegal_kinds
from aicfg.model_specs.operations import Component, Elementwise, Embedding, Gemm, Operation


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    step = with_stored_formats(step)
    hidden, layers, split = step.arch.hidden_size, step.arch.num_layers, step.split
    coarse = step.graph.conventions.coarse_hybrids
    return (
        *embedding(step, whole=coarse),
        *(() if coarse else _layer_inputs(step, _facts(step.arch))),
        *attention_of_kinds(step),
        *_summed(step, "attention"),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers, split=split),
        *_networks(step),
        *_summed(step, "ffn"),
        *_mixture(step),
        *(() if coarse else (Elementwise("post_norms", hidden, hidden, _post_norms(step), split=split),)),
        lm_head(step),
        *stage_hand_over(step),
    )


def _summed(step: Step, part: str) -> tuple[Operation, ...]:
    """Sum of a part's output over tp (AIConfigurator 0.12 leaves it out)."""
    if step.graph.conventions.coarse_hybrids:
        return ()
    return all_reduce(f"{part}_allreduce", step, step.arch.num_layers)


def _post_norms(step: Step) -> int:
    """Norms after attention and FFN, and the three around the experts."""
    return step.arch.num_layers * (2 if step.arch.moe is None else 5)


def _networks(step: Step) -> tuple[Operation, ...]:
    """The dense FFNs; those of twice the width apart."""
    arch = step.arch
    component: Component = "bfloat16" if "ffn" in arch.checkpoint.unquantised else "gemm"
    wide = 0 if step.graph.conventions.coarse_hybrids else _facts(arch).wide_layers
    inner = arch.intermediate_size // step.layout.tp

    def network(prefix: str, inner: int, count: int) -> tuple[Operation, ...]:
        if not count:
            return ()
        return ffn(prefix, arch, inner, count, step.split, component, low_precision=True)

    return (*network("", inner, arch.num_layers - wide), *network("wide_", 2 * inner, wide))


def _mixture(step: Step) -> tuple[Operation, ...]:
    """Routed experts beside the dense FFNs, whose input every rank has in full."""
    if step.arch.moe is None:
        return ()
    coarse = step.graph.conventions.coarse_hybrids
    with_networks = coarse and "ffn" in step.arch.checkpoint.unquantised
    return expert_block(
        step, shared=False, summed=not coarse, component="bfloat16" if with_networks else "moe"
    )


def _layer_inputs(step: Step, facts: GemmaFacts) -> tuple[Operation, ...]:
    """A token's embedding for every layer, mixed with a projection of its usual one; gated in each layer.

    The gates' products are small and whole on every rank.
    """
    if not facts.input_width:
        return ()
    hidden, layers, width, split = step.arch.hidden_size, step.arch.num_layers, facts.input_width, step.split
    every, rows = layers * width, facts.input_vocabulary // step.layout.tp
    return (
        Embedding("layer_inputs", every, rows, split=split),
        Gemm("layer_inputs_projection", every, hidden, component="bfloat16", split=split),
        Elementwise("layer_inputs_norm", 2 * every, every, split=split),
        Gemm("layer_input_gate", width, hidden, layers, "bfloat16", split=split),
        Elementwise("layer_input_gated", 2 * width, width, layers, split=split),
        Gemm("layer_input_out", hidden, width, layers, "bfloat16", split=split),
        Elementwise("layer_input_norm", 2 * hidden, hidden, layers, split=split),
    )


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if arch.moe is not None:
        whole = replace(arch.moe, dense_layers=arch.num_layers)  # the dense FFNs must be divisible too
        reason = illegal_mixture(replace(arch, moe=whole), layout, graph)
    else:
        reason = _illegal_dense(arch, layout, graph)
    return reason or illegal_kinds(arch, layout)


def _illegal_dense(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    if (layout.dp, layout.moe_tp, layout.moe_ep) != (1, 1, 1):
        return "a dense model has dp = moe_tp = moe_ep = 1"
    if arch.intermediate_size % layout.tp:
        return f"tp {layout.tp} does not divide the intermediate size {arch.intermediate_size}"
    shards = {"intermediate size": arch.intermediate_size // layout.tp}
    return (
        illegal_stages(arch, layout) or illegal_context(layout, graph) or illegal_blocks(arch, layout, shards)
    )


def _facts(arch: Architecture) -> GemmaFacts:
    assert arch.gemma is not None, f"{arch.model} is no Gemma 4"
    return arch.gemma
