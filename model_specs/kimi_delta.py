"""Hybrids of Kimi delta attention and latent attention: Kimi-Linear, Kimi-K3.

Three layers of four keep a (d, d) state a head, decayed channel by channel and corrected by each token: a
product gives queries, keys, values and the output gate, a narrow one the step of each head and the start of
the decay's two; a causal convolution and the recurrence follow, then a gated norm. The others have latent
attention, in K3 with an output gate. Routed experts may work on a narrower projection of the tokens. K3's
sublayers read a mix of earlier blocks' outputs instead of one residual stream. Source: Kimi Team, "Kimi
Linear: An Expressive, Efficient Attention Architecture", 2025; ``kimi_linear.py`` of vLLM.
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
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.latent_attention import beside_module, module
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.legality import illegal_mixture
from aicfg.model_specs.operations import Component, Elementwise, Gemm, KimiDelta, Operation
from aicfg.model_specs.recurrent import KimiDeltaFacts

_MIXED_READ, _MIXED_WRITTEN = 4, 2
"""Vectors that a mix of earlier blocks' outputs reads and writes for a token: AIConfigurator 0.12's count."""


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    facts = _facts(step.arch)
    return (
        *embedding(step),
        *_delta_block(step, facts),
        *_latent_block(step),
        *_mixed_residuals(step, facts),
        *_feed_forwards(step),
        lm_head(step),
        *stage_hand_over(step),
    )


def _delta_block(step: Step, facts: KimiDeltaFacts) -> tuple[Operation, ...]:
    """Norm, projections, convolution, recurrence, gated norm, output projection and sum of its layers."""
    hidden, count, component = step.arch.hidden_size, facts.layers, _component(step)
    inner, narrow = facts.inner // step.layout.tp, facts.head_dim
    wide = 4 * inner if facts.full_gate else 3 * inner
    beside = facts.heads + (1 if facts.full_gate else 2) * narrow
    widened = Gemm("delta_decay", inner, narrow, count, component)
    gate = () if facts.full_gate else (Gemm("delta_gate", inner, narrow, count, component),)
    return (
        Elementwise("delta_norm", 2 * hidden, 2 * hidden, count),
        Gemm("delta_in", wide, hidden, count, component),
        Gemm("delta_narrow", beside, hidden, count, component),
        widened,
        *gate,
        *_kernels(step, facts),
        Gemm("delta_out", hidden, inner, count, component, input_low_precision=True),
        *_reduction(step, "delta_allreduce", count),
    )


def _kernels(step: Step, facts: KimiDeltaFacts) -> tuple[Operation, ...]:
    """vLLM decodes in one kernel, the gated norm included."""
    fused = step.graph.backend == "vllm" and step.phase == "decode"
    inner, heads = facts.inner // step.layout.tp, facts.heads // step.layout.tp
    kernels = tuple(
        KimiDelta(
            f"delta_{stage}",
            stage,  # type: ignore[arg-type]
            step.arch.hidden_size,
            heads,
            facts.head_dim,
            facts.taps,
            facts.layers,
        )
        for stage in (("fused",) if fused else ("convolution", "recurrence"))
    )
    norm = Elementwise("delta_gated_norm", 2 * inner, inner, facts.layers)
    return kernels if fused else (*kernels, norm)


def _latent_block(step: Step) -> tuple[Operation, ...]:
    """Norm, latent attention, its output's gate and sum in the other layers."""
    arch, hidden, count = step.arch, step.arch.hidden_size, step.arch.softmax_layers
    assert arch.latent is not None, f"{arch.model} has no latent attention"
    alone = replace(step, arch=replace(arch, num_layers=count, kimi_delta=None))
    coarse = step.graph.conventions.coarse_hybrids
    width = arch.num_heads * arch.latent.v_head_dim // step.layout.tp
    component: Component = "bfloat16" if "o" in arch.checkpoint.unquantised else "gemm"
    gate = (
        Gemm("attention_gate", width, hidden, count, component),
        Elementwise("attention_gated", 2 * width, width, count),
    )
    return (
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, count),
        *(beside_module(alone) if coarse else module(alone)),
        *(gate if arch.output_gate else ()),
        *_reduction(step, "attention_allreduce", count),
    )


def _mixed_residuals(step: Step, facts: KimiDeltaFacts) -> tuple[Operation, ...]:
    if not facts.residual_block:
        return ()
    hidden, sublayers = step.arch.hidden_size, 2 * step.arch.num_layers
    return (Elementwise("residual_mix", _MIXED_READ * hidden, _MIXED_WRITTEN * hidden, sublayers),)


def _feed_forwards(step: Step) -> tuple[Operation, ...]:
    """Norms of all layers, dense networks of the first, experts of the others."""
    arch, hidden = step.arch, step.arch.hidden_size
    assert arch.moe is not None, f"{arch.model} has no experts"
    dense, inner = arch.moe.dense_layers, arch.intermediate_size // step.layout.tp
    networks = ffn("dense_", arch, inner, dense, step.split, low_precision=True)
    mixtures = replace(arch, num_layers=arch.num_layers - dense, moe=replace(arch.moe, dense_layers=0))
    summed = not _folded(step) and not step.graph.conventions.coarse_hybrids
    return (
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, arch.num_layers),
        *((*networks, *all_reduce("dense_ffn_allreduce", step, dense)) if dense else ()),
        *expert_block(replace(step, arch=mixtures), summed=summed),
    )


def _reduction(step: Step, name: str, count: int) -> tuple[Operation, ...]:
    return () if _folded(step) else all_reduce(name, step, count)


def _folded(step: Step) -> bool:
    """SGLang's gather of the attention ranks' tokens sums the attention's output as well."""
    gathers = step.graph.backend == "sglang" and step.layout.dp > 1 and step.transport is None
    return gathers and not step.graph.conventions.coarse_hybrids


def _component(step: Step) -> Component:
    """Format of the linear layers' projections: bfloat16 where the checkpoint leaves attention in it."""
    return "bfloat16" if {"q", "kv", "o"} <= step.arch.checkpoint.unquantised else "gemm"


def illegal(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the model cannot be laid out so, or None."""
    if layout.cp > 1:
        return f"delta attention passes its state from token to token and cannot have cp {layout.cp}"
    if _facts(arch).heads % layout.tp:
        return f"tp {layout.tp} does not divide the {_facts(arch).heads} heads of delta attention"
    if arch.num_heads % layout.tp:
        return f"tp {layout.tp} does not divide the {arch.num_heads} attention heads"
    return illegal_mixture(arch, layout, graph)


def _facts(arch: Architecture) -> KimiDeltaFacts:
    assert arch.kimi_delta is not None, f"{arch.model} has no Kimi delta attention"
    return arch.kimi_delta
