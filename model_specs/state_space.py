"""Hybrids of Mamba-2 and attention with one mixer a layer: Nemotron-H and Nemotron 3.

Each layer is a norm and one of four: Mamba-2 (one product gives gate, inputs, what reads and writes the
state, and steps; a causal convolution and the recurrence follow, then a gated norm), grouped-query attention,
experts beside a shared one, or an FFN; networks square a ReLU and have no gate. Routed experts may work on a
narrower projection of the tokens (latent experts). Source: ``nemotron_h.py`` of vLLM,
``modeling_nemotron_h.py`` of TensorRT-LLM; NVIDIA, "Nemotron-H", 2025, "Nemotron 3", 2025.
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_block,
    embedding,
    ffn,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_dense, illegal_grouped_mixture
from aicfg.model_specs.operations import Component, Elementwise, Gemm, Operation, StateSpace
from aicfg.model_specs.recurrent import MambaFacts


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    facts, layers = _facts(step.arch), step.arch.softmax_layers
    softmax = replace(step, arch=replace(step.arch, num_layers=layers, mamba=None))
    return (
        *embedding(step, whole=step.graph.conventions.coarse_hybrids),
        *_mamba_block(step, facts),
        *attention_block(softmax),
        *all_reduce("attention_allreduce", step, layers),
        *_feed_forwards(step, facts),
        lm_head(step),
        *stage_hand_over(step),
    )


def _mamba_block(step: Step, facts: MambaFacts) -> tuple[Operation, ...]:
    """Norm, projections, convolution, recurrence, gated norm and reduction of the Mamba-2 layers."""
    hidden, tp, count = step.arch.hidden_size, step.layout.tp, facts.layers
    inner, component = facts.inner // tp, _component(step)
    read_and_written = 2 * facts.groups_of(tp) * facts.state
    gated_norm = Elementwise("mamba_gated_norm", 2 * inner, inner, count)
    return (
        Elementwise("mamba_norm", 2 * hidden, 2 * hidden, count),
        Gemm("mamba_in", 2 * inner + read_and_written + facts.heads // tp, hidden, count, component),
        _kernel(step, facts, "convolution"),
        _kernel(step, facts, "recurrence"),
        *(() if step.graph.conventions.coarse_hybrids else (gated_norm,)),
        Gemm("mamba_out", hidden, inner, count, component),
        *all_reduce("mamba_allreduce", step, count),
    )


def _kernel(step: Step, facts: MambaFacts, stage: str) -> StateSpace:
    """Over the rank's heads; coarsely, over all."""
    tp = 1 if step.graph.conventions.coarse_hybrids else step.layout.tp
    return StateSpace(
        f"mamba_{stage}",
        stage,  # type: ignore[arg-type]
        step.arch.hidden_size,
        facts.state,
        facts.taps,
        facts.heads // tp,
        facts.head_dim,
        facts.groups_of(tp),
        facts.chunk,
        facts.state_element_bytes,
        facts.layers,
    )


def _feed_forwards(step: Step, facts: MambaFacts) -> tuple[Operation, ...]:
    """Norms, experts and FFNs of the layers that are one of the two."""
    hidden, moe = step.arch.hidden_size, step.arch.moe
    dense = facts.feed_forwards if moe is None else moe.dense_layers
    norms = Elementwise("ffn_norm", 2 * hidden, 2 * hidden, facts.feed_forwards)
    return (norms, *_networks(step, dense), *_mixtures(step, facts.feed_forwards - dense))


def _networks(step: Step, count: int) -> tuple[Operation, ...]:
    if not count:
        return ()
    inner = step.arch.intermediate_size // step.layout.tp
    return (*ffn("", step.arch, inner, count, step.split), *all_reduce("ffn_allreduce", step, count))


def _mixtures(step: Step, count: int) -> tuple[Operation, ...]:
    """Experts of the layers that have them; coarsely, with an all-reduce beside the exchange's own two."""
    moe = step.arch.moe
    if moe is None:
        return ()
    coarse = step.graph.conventions.coarse_hybrids
    alone = replace(step, arch=replace(step.arch, num_layers=count, moe=replace(moe, dense_layers=0)))
    return (
        *expert_block(alone, summed=not coarse),
        *(all_reduce("experts_allreduce", step, count) if coarse else ()),
    )


def _component(step: Step) -> Component:
    """Format of Mamba's projections: bfloat16 where the checkpoint leaves them in it."""
    left_out = "linear" in step.arch.checkpoint.unquantised
    return "bfloat16" if left_out and not step.graph.conventions.coarse_hybrids else "gemm"


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    facts, tp = _facts(arch), layout.tp
    if layout.cp > 1:
        return f"Mamba layers pass their state from token to token and cannot have cp {layout.cp}"
    if facts.heads % tp:
        return f"tp {tp} does not divide the {facts.heads} heads of the Mamba layers"
    if facts.groups % tp and tp % facts.groups:
        return f"tp {tp} and the {facts.groups} groups of the Mamba layers: one must divide the other"
    return (illegal_dense if arch.moe is None else illegal_grouped_mixture)(arch, layout, graph)


def _facts(arch: Architecture) -> MambaFacts:
    assert arch.mamba is not None, f"{arch.model} has no Mamba layers"
    return arch.mamba
