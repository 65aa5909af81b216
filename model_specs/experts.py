"""The mixture of experts in place of a layer's FFN, and how tokens reach it.

Two ways: fused, where collectives bring every rank's tokens to a pool and one kernel runs the experts, split
by moe_tp and moe_ep; and wide, where an all-to-all sends each token to the ranks of its experts. Source:
performance model §3.3 and §3.4.
"""

from aicfg.model_specs.decoder import Step, all_reduce, ffn
from aicfg.model_specs.operations import (
    WHOLE,
    AllToAll,
    Component,
    Elementwise,
    ExpertCompute,
    ExpertExchange,
    Experts,
    Gemm,
    Operation,
    Overlap,
    Phase,
    Split,
)
from aicfg.model_specs.parts import MoeFacts

_PREPARING = ("nvlink_two_sided",)
"""Transports that exchange counts of tokens before the tokens."""


def expert_block(
    step: Step,
    *,
    shared: bool = True,
    router: bool = True,
    pace: float = 1,
    summed: bool = False,
    component: Component = "moe",
) -> tuple[Operation, ...]:
    """Router, experts and, if wanted, shared experts of all layers; dense FFNs where a layer has one.

    In decode, shared experts run beside the routed ones on a stream of their own. ``pace`` scales every
    repetition: below 1 where an engine overlaps consecutive operations. ``summed``: the attention's output
    is summed already, the exchange need not do it. ``component``: whose format the experts' weights follow.
    """
    layers = step.arch.num_layers - dense_layers(step)
    if step.transport is None:
        blocks = _fused(step, layers * pace, shared=shared, summed=summed, component=component)
    else:
        blocks = _wide(step, step.transport, layers * pace, shared=shared, router=router)
    return (*_dense(step, pace), *blocks)


def dense_layers(step: Step) -> int:
    """Layers charged with a dense FFN."""
    everywhere = step.graph.conventions.experts_in_every_layer and not step.arch.attentions
    return 0 if everywhere else _moe(step).dense_layers


def _dense(step: Step, pace: float) -> tuple[Operation, ...]:
    """FFNs of the dense layers, with both reductions that the exchange does elsewhere."""
    layers = dense_layers(step) * pace
    if not layers:
        return ()
    inner = step.arch.intermediate_size // step.layout.tp
    network = ffn("dense_", step.arch, inner, layers, step.split, low_precision=True)
    if step.arch.attentions and step.graph.conventions.coarse_hybrids:
        return network
    before = () if step.transport else all_reduce("dense_attention_allreduce", step, layers)
    return (*before, *network, *all_reduce("dense_ffn_allreduce", step, layers))


def _fused(
    step: Step, count: float, *, shared: bool, summed: bool, component: Component
) -> tuple[Operation, ...]:
    moe, layout = _moe(step), step.layout
    ranks = (layout.moe_tp, layout.moe_ep, layout.dp)
    width = moe.latent or step.arch.hidden_size
    narrowed, widened = _latent_projections(step, count)

    def exchange(name: str, width: int, *, before: bool) -> ExpertExchange:
        context = _exchange_context(step)
        phase = _exchange_phase(step)
        return ExpertExchange(name, width, *ranks, before, phase, context, count, before and summed)

    combine = (exchange("expert_combine", _combined(step), before=False),)
    routed = (
        _router(step, count),
        *narrowed,
        exchange("expert_dispatch", width, before=True),
        Experts(
            "experts", width, moe.inner, moe.topk, moe.experts, *ranks, moe.skew, moe.gated, count, component
        ),
        *(combine + widened if _combined(step) == width else widened + combine),
    )
    if not shared or not moe.shared_inner:
        return routed
    beside = _shared(step, moe.shared_inner // _shared_ranks(step), count, _beside_split(step))
    if step.phase == "decode" and not _in_turn(step):
        return (Overlap("experts_overlap", routed, beside), *_merged(step, count))
    return (*beside, *routed, *_merged(step, count))


def _latent_projections(step: Step, count: float) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    """To the width that routed experts work on, and back; every rank holds them whole."""
    latent, hidden = _moe(step).latent, step.arch.hidden_size
    if not latent:
        return (), ()
    split_up = step.graph.conventions.coarse_hybrids and step.arch.mamba is not None
    columns = latent // step.layout.tp if split_up else latent
    norm = Elementwise("latent_norm", 2 * latent, 2 * latent, count, split=step.split)
    return (
        (
            Gemm("latent_in", columns, hidden, count, split=step.split),
            *((norm,) if _moe(step).latent_norm else ()),
        ),
        (Gemm("latent_out", hidden, columns, count, input_low_precision=True, split=step.split),),
    )


def _combined(step: Step) -> int:
    """Width of what comes back from the experts: latent tokens go to their ranks, or all ranks' are summed
    after the projection back, with the shared experts'."""
    latent, summed = _moe(step).latent, step.layout.dp == 1 and not step.graph.conventions.coarse_hybrids
    return latent if latent and not summed else step.arch.hidden_size


def _in_turn(step: Step) -> bool:
    """Shared experts run after the routed ones even in decode."""
    if not step.graph.conventions.coarse_hybrids:
        return False
    arch, trtllm = step.arch, step.graph.backend == "trtllm"
    return arch.mamba is not None or arch.kimi_delta is not None or (arch.delta is not None and trtllm)


def _merged(step: Step, count: float) -> tuple[Operation, ...]:
    """Sum of routed and shared experts' outputs where the latter have a gate (SGLang applies it here)."""
    if not _moe(step).shared_gate:
        return ()
    read = 3 if step.graph.backend == "sglang" else 2
    hidden = step.arch.hidden_size
    return (Elementwise("experts_add", read * hidden, hidden, count, split=step.split),)


def _shared_ranks(step: Step) -> int:
    """GPUs that share the shared experts out."""
    return step.layout.moe_tp if step.whole_beside_sparse else step.layout.tp


def _beside_split(step: Step) -> Split:
    """A rank's share of the tokens in the router and the shared experts."""
    return WHOLE if step.whole_beside_sparse else step.split


def _exchange_phase(step: Step) -> Phase:
    """Whose collectives the exchange runs."""
    same = step.arch.compressed is not None and step.graph.conventions.compressed_by_convention
    return "prefill" if same else step.phase


def _exchange_context(step: Step) -> int:
    """Context ranks that the exchange spans; the decode pool of models that split prompts spans them too."""
    split = step.arch.latent is not None or step.arch.compressed is not None
    return step.layout.cp if split else step.context


def _wide(step: Step, transport: str, count: float, *, shared: bool, router: bool) -> tuple[Operation, ...]:
    moe, layout, hidden = _moe(step), step.layout, step.arch.hidden_size
    sharded = transport.startswith("deepep") and step.phase == "prefill"
    sent = Split(shards=layout.tp * layout.cp) if sharded else WHOLE

    def exchange(stage: str) -> AllToAll:
        shape = (hidden, moe.topk, moe.experts, layout.moe_ep)
        return AllToAll(f"expert_{stage}", transport, stage, step.phase, *shape, sent, count)  # type: ignore[arg-type]

    compute = ExpertCompute(
        "experts",
        step.phase,
        hidden,
        moe.inner,
        moe.topk,
        moe.experts,
        layout.moe_ep,
        layout.dp,
        moe.skew,
        count=count,
    )
    prepare = (exchange("prepare"),) if transport in _PREPARING else ()
    routed = (
        *((_router(step, count),) if router else ()),
        *prepare,
        exchange("dispatch"),
        compute,
        exchange("combine"),
    )
    beside = _wide_shared(step, count) if shared else ()
    if step.graph.backend != "trtllm" or not beside:
        return (*beside, *routed)
    added = Elementwise("experts_add", 2 * hidden, hidden, count)
    if step.phase == "decode":
        return (Overlap("experts_overlap", routed, beside), added)
    return (*beside, *routed, added)


def _wide_shared(step: Step, count: float) -> tuple[Operation, ...]:
    """Shared experts, whole on every rank; in prefill SGLang and vLLM give each its share of the tokens."""
    split = WHOLE
    if step.graph.backend != "trtllm" and step.phase == "prefill":
        split = Split(step.layout.tp, step.layout.cp)
    return _shared(step, _moe(step).shared_inner, count, split)


def _shared(step: Step, inner: int, count: float, split: Split) -> tuple[Operation, ...]:
    if not inner:
        return ()
    left_out = "shared" in step.arch.checkpoint.unquantised
    component: Component = "bfloat16" if left_out else "gemm"
    scaled = step.arch.recurrent is not None  # others find their static scales anew: performance model §3.4
    network = ffn("shared_", step.arch, inner, count, split, component, low_precision=scaled)
    if not _moe(step).shared_gate or step.graph.backend == "sglang":
        return network
    hidden = step.arch.hidden_size
    gate = Gemm("shared_gate", 1, hidden, count, "bfloat16", split=split, narrow=True)
    return (gate, *network, Elementwise("shared_gated", hidden, hidden, count, split=split))


def _router(step: Step, count: float) -> Gemm:
    """Scores of all experts: never quantised."""
    experts = _moe(step).experts
    return Gemm("router", experts, step.arch.hidden_size, count, "bfloat16", split=_beside_split(step))


def _moe(step: Step) -> MoeFacts:
    assert step.arch.moe is not None, f"{step.arch.model} has no experts"
    return step.arch.moe
