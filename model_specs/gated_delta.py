"""Hybrids of gated delta layers and softmax attention: Qwen3-Next, Qwen3.5 and 3.6, dense and mixtures.

Three layers of four attend linearly: a (d_k, d_v) state a value head, decayed and corrected by each token,
stands for all earlier ones. One product gives queries, keys, values and the output gate, a narrow one the
decay and the step of each value head; a causal convolution and the recurrence follow, then a gated norm. The
softmax layers' output is gated too. Every layer ends in a dense FFN, or in experts with a gated shared one:
``modeling_qwen3_next`` and ``modeling_qwen3_5`` of ``transformers``, ``qwen3_5.py`` of SGLang.
"""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_block,
    embedding,
    ffn_block,
    lm_head,
    stage_hand_over,
    with_stored_formats,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_blocks, illegal_dense, illegal_grouped_mixture
from aicfg.model_specs.operations import Component, DeltaRule, Elementwise, Gemm, Operation
from aicfg.model_specs.recurrent import DeltaFacts


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    step = with_stored_formats(step)
    softmax = replace(step, arch=replace(step.arch, num_layers=step.arch.softmax_layers, delta=None))
    return (
        *embedding(step),
        *attention_block(softmax),
        *_delta_block(step, _facts(step.arch)),
        *(ffn_block(step) if step.arch.moe is None else _mixture(step)),
        lm_head(step),
        *stage_hand_over(step),
    )


def _delta_block(step: Step, facts: DeltaFacts) -> tuple[Operation, ...]:
    """Norm, projections, convolution, recurrence, gated norm and output projection of the linear layers."""
    hidden, tp, count = step.arch.hidden_size, step.layout.tp, facts.layers
    component, coarse = _component(step), step.graph.conventions.coarse_hybrids
    values = facts.values // tp
    gated_norm = Elementwise("delta_gated_norm", 2 * values, values, count)
    return (
        Elementwise("delta_norm", 2 * hidden, 2 * hidden, count),
        Gemm("delta_in", (facts.convolved + facts.values) // tp, hidden, count, component),
        Gemm(
            "delta_decay",
            2 * facts.value_heads // tp,
            hidden,
            count,
            component if coarse else "bfloat16",
            narrow=True,
        ),
        _kernel(step, facts, "convolution"),
        _kernel(step, facts, "recurrence"),
        *(() if coarse else (gated_norm,)),
        Gemm("delta_out", hidden, values, count, component, input_low_precision=True),
    )


def _kernel(step: Step, facts: DeltaFacts, stage: str) -> DeltaRule:
    tp = step.layout.tp
    return DeltaRule(
        f"delta_{stage}",
        stage,  # type: ignore[arg-type]
        step.arch.hidden_size,
        facts.key_heads // tp,
        facts.key_dim,
        facts.value_heads // tp,
        facts.value_dim,
        facts.taps,
        facts.state_element_bytes,
        facts.layers,
    )


def _mixture(step: Step) -> tuple[Operation, ...]:
    """Sum of the attention's output, norm and experts of all layers.

    SGLang's gather of the attention ranks' tokens sums as well; elsewhere the sum is an operation of its own.
    """
    hidden, layers, layout = step.arch.hidden_size, step.arch.num_layers, step.layout
    folded = step.graph.backend == "sglang" and layout.dp > 1 and step.transport is None
    doubled = step.graph.backend == "trtllm" and step.graph.conventions.coarse_hybrids
    return (
        *(() if folded else all_reduce("attention_allreduce", step, layers)),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers),
        *expert_block(step, summed=not folded and not doubled),
    )


def _component(step: Step) -> Component:
    """Format of the linear layers' projections: bfloat16 where the checkpoint leaves them in it."""
    return "bfloat16" if "linear" in step.arch.checkpoint.unquantised else "gemm"


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    facts = _facts(arch)
    if layout.cp > 1:
        return f"gated delta layers pass their state from token to token and cannot have cp {layout.cp}"
    if facts.key_heads % layout.tp:
        return f"tp {layout.tp} does not divide the {facts.key_heads} key heads of the gated delta layers"
    ordinary = illegal_dense if arch.moe is None else illegal_grouped_mixture
    shards = {"delta keys": facts.keys // layout.tp, "delta values": facts.values // layout.tp}
    return ordinary(arch, layout, graph) or illegal_blocks(arch, layout, shards)


def _facts(arch: Architecture) -> DeltaFacts:
    assert arch.delta is not None, f"{arch.model} has no gated delta layers"
    return arch.delta
