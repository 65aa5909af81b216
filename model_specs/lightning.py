"""Mixtures of experts with lightning attention in most layers: MiniMax-Text-01 and MiniMax-M1.

Seven layers of eight attend linearly: a (d, d) state a head stands for all earlier tokens. No table measures
that kernel. It is charged as what bounds it, the memory it moves: queries, keys and values in, outputs out,
and the float32 state in and out for every decoded token, or for every block of a prompt (its arithmetic,
2·d·(block + 2·d) FLOP a head and token, takes less time). The softmax layers and the experts are those of the
other mixtures. Source: MiniMax, "MiniMax-01: Scaling Foundation Models with Lightning Attention", 2025.
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_block,
    embedding,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_grouped_mixture
from aicfg.model_specs.operations import Elementwise, Gemm, Operation
from aicfg.model_specs.parts import LightningFacts

_STATE_ELEMENT = 2
"""A float32 of the state is two of the 2-byte elements that a pass counts."""


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    hidden, layers = step.arch.hidden_size, step.arch.num_layers
    facts = _facts(step.arch)
    softmax = replace(step, arch=replace(step.arch, num_layers=layers - facts.layers))
    alltoall = step.transport is not None
    return (
        *embedding(step, whole=step.wide_sglang),
        *attention_block(softmax),
        *_lightning_block(step, facts),
        *(all_reduce("attention_allreduce", step, layers) if alltoall else ()),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers, split=step.split),
        *expert_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )


def _lightning_block(step: Step, facts: LightningFacts) -> tuple[Operation, ...]:
    """Norm, projections, recurrence, gate and output projection of the linear layers."""
    hidden, count, split = step.arch.hidden_size, facts.layers, step.split
    width = facts.heads * facts.head_dim // step.layout.tp
    tokens = 1 if step.phase == "decode" else facts.block
    state = _STATE_ELEMENT * width * facts.head_dim // tokens
    return (
        Elementwise("lightning_norm", 2 * hidden, 2 * hidden, count, split=split),
        Gemm("lightning_qkv", 3 * width, hidden, count, split=split),
        Elementwise("lightning_state", 3 * width + state, width + state, count, split=split),
        Gemm("lightning_gate", width, hidden, count, split=split),
        Elementwise("lightning_gated_norm", 2 * width, width, count, split=split),
        Gemm("lightning_out", hidden, width, count, input_low_precision=True, split=split),
    )


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if layout.cp > 1:
        return f"lightning attention passes its state from token to token and cannot have cp {layout.cp}"
    if _facts(arch).heads % layout.tp:
        return f"tp {layout.tp} does not divide the {_facts(arch).heads} heads of lightning attention"
    return illegal_grouped_mixture(arch, layout, graph)


def _facts(arch: Architecture) -> LightningFacts:
    assert arch.lightning is not None, f"{arch.model} has no lightning attention"
    return arch.lightning
