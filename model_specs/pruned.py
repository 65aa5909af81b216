"""Dense models whose layers differ: Llama-Nemotron Super and Ultra (DeciLM, Nemotron-NAS).

A search left attention or the FFN of some layers out and narrowed the FFN of others; what is left is Llama's.
Source: Bercovich et al., "Puzzle: Distillation-Based NAS for Inference-Optimized LLMs", 2024;
``nemotron_nas.py`` of vLLM.
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
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_dense
from aicfg.model_specs.operations import Elementwise, Operation


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step, shape by shape."""
    arch = step.arch
    attentions = {shape.kv_heads: 0 for shape in arch.shapes if shape.kv_heads}
    networks = {shape.inner: 0 for shape in arch.shapes if shape.inner}
    for shape in arch.shapes:
        if shape.kv_heads:
            attentions[shape.kv_heads] += shape.layers
        if shape.inner:
            networks[shape.inner] += shape.layers
    return (
        *embedding(step, whole=step.graph.conventions.coarse_hybrids),
        *(op for heads, count in attentions.items() for op in _attention(step, heads, count)),
        *(op for inner, count in networks.items() for op in _network(step, inner, count)),
        lm_head(step),
        *stage_hand_over(step),
    )


def _attention(step: Step, kv_heads: int, count: int) -> tuple[Operation, ...]:
    """Attention, and the sum of its output, of the layers with so many key-value heads."""
    alone = replace(step, arch=replace(step.arch, num_layers=count, num_kv_heads=kv_heads))
    return (*attention_block(alone), *all_reduce("attention_allreduce", step, count))


def _network(step: Step, inner: int, count: int) -> tuple[Operation, ...]:
    """Norm, FFN and the sum of its output, of the layers whose FFN is so wide."""
    hidden, name = step.arch.hidden_size, f"ffn_{inner}_"
    return (
        Elementwise(f"{name}norm", 2 * hidden, 2 * hidden, count, split=step.split),
        *ffn(name, step.arch, inner // step.layout.tp, count, step.split, low_precision=True),
        *all_reduce(f"{name}allreduce", step, count),
    )


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    for shape in arch.shapes:
        kv_heads = shape.kv_heads or arch.num_kv_heads
        alike = replace(arch, num_kv_heads=kv_heads, intermediate_size=shape.inner or arch.intermediate_size)
        if reason := illegal_dense(alike, layout, graph):
            return reason
    return None
