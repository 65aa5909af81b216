"""Multi-head latent attention, from the layer's input to its output projection, as each engine runs it."""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import Step, gather_keys_and_values
from aicfg.model_specs.operations import (
    AbsorbedProduct,
    Attention,
    Collective,
    Component,
    Elementwise,
    FirstMeasured,
    Gemm,
    LatentAttention,
    LatentModule,
    Operation,
    Overlap,
    Split,
    WideLatentAttention,
)
from aicfg.model_specs.parts import LatentFacts

_NATIVE_HEADS = 128
"""Heads of DeepSeek-V3, the model that the tables were measured with."""
_MEASURED_WIDTH = 7168
_MEASURED = LatentFacts(
    q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128
)
"""Its hidden size and its attention; the module tables are of no other."""


def module(step: Step) -> tuple[Operation, ...]:
    """The measured module, or its parts; only the parts where formats are mixed or the shape is another."""
    parts, gathered = granular(step, step.arch.num_layers), _gathered(step)
    if not measured_whole(step.arch):
        return (*parts, *gathered)
    heads, layers = step.arch.num_heads, step.arch.num_layers / step.context
    whole = LatentModule("latent_module", heads // step.layout.tp, heads, _component(step, "o"), layers)
    return (FirstMeasured("latent_attention", whole, parts), *gathered)


def beside_module(step: Step) -> tuple[Operation, ...]:
    """Kimi-K3's as AIConfigurator 0.12 lists it: the compression beside the module, which holds it already;
    the module in vLLM alone."""
    compression, *parts = granular(step, step.arch.num_layers)
    if step.graph.backend != "vllm":
        return (compression, *parts)
    heads, layers = step.arch.num_heads, step.arch.num_layers
    whole = LatentModule("latent_module", heads // step.layout.tp, heads, _component(step, "o"), layers)
    return (compression, FirstMeasured("latent_attention", whole, tuple(parts)))


def measured_whole(arch: Architecture) -> bool:
    """Whether the module tables are of the model: of its shape, all projections in one format."""
    unquantised = {projection in arch.checkpoint.unquantised for projection in ("q", "kv", "o")}
    return len(unquantised) == 1 and arch.hidden_size == _MEASURED_WIDTH and arch.latent == _MEASURED


def granular(step: Step, layers: float) -> tuple[Operation, ...]:
    """Product by product: compression, unfolding, attention, output."""
    return (
        _compression(step, "compression", layers, step.split),
        _queries(step, layers),
        *_keys_and_values(step, layers),
        *_kernel(step, layers),
        _output(step, layers),
    )


def overlapped(step: Step, layers: float) -> tuple[Operation, ...]:
    """The same in TensorRT-LLM's large-expert-parallel stack: with the queries' norm, and the first absorbed
    product beside the rotation and the cache's update."""
    facts = _facts(step)
    norm = Elementwise("query_norm", facts.q_lora_rank, facts.q_lora_rank, layers, split=step.split)
    before, kernel, after = _absorbed(step, layers)
    update = Elementwise("rope_and_cache", facts.cached, facts.cached, layers)
    unfolding: tuple[Operation, ...] = _keys_and_values(step, layers)
    attention: tuple[Operation, ...] = (kernel,)
    if step.phase == "decode":
        unfolding = (Overlap("absorb_and_rope", (before,), (update,)),)
        attention = (kernel, after)
    return (
        _compression(step, "compression", layers, step.split),
        norm,
        _queries(step, layers),
        *unfolding,
        *attention,
        _output(step, layers),
    )


def wide_stack(step: Step) -> tuple[Operation, ...]:
    """SGLang's large-expert-parallel stack: compression on each rank's share of the tokens, then attention
    between a gather and a scatter over tp (decode needs neither)."""
    layers, tp, prefills = step.arch.num_layers, step.layout.tp, step.phase == "prefill"
    short, hidden = step.graph.conventions.short_wide_graph, step.arch.hidden_size
    share = Split(tp, step.context) if prefills else step.split
    moved = prefills and tp > 1
    facts = _facts(step)
    inner = facts.q_lora_rank * facts.query_head + facts.kv_lora_rank * facts.key_value_head
    inner += facts.v_head_dim * hidden
    parameters = 0 if short else inner * step.arch.num_heads // tp
    kernel = WideLatentAttention(
        "attention", _table_ranks(step), layers, step.context, parameters, _component(step, "kv")
    )
    return (
        _compression(step, "compression", layers, share),
        *((Collective("tp_allgather", "all_gather", hidden, tp, layers),) if moved else ()),
        *((_compression(step, "second_compression", layers, step.split),) if short else ()),
        kernel,
        *_gathered(step),
        *((Collective("tp_reduce_scatter", "reduce_scatter", hidden, tp, layers),) if moved else ()),
    )


def _gathered(step: Step) -> tuple[Operation, ...]:
    return gather_keys_and_values(step, _facts(step).cached, step.arch.num_layers)


def _compression(step: Step, name: str, layers: float, split: Split) -> Gemm:
    both = {_component(step, "q"), _component(step, "kv")} == {"bfloat16"}
    component: Component = "bfloat16" if both else "gemm"
    return Gemm(name, _facts(step).compressed, step.arch.hidden_size, layers, component, split=split)


def _queries(step: Step, layers: float) -> Gemm:
    facts, heads = _facts(step), step.arch.num_heads
    width = heads * facts.query_head // step.layout.tp
    narrow = facts.q_lora_rank or step.arch.hidden_size  # without compressed queries: from the layer's input
    return Gemm("queries", width, narrow, layers, _component(step, "q"), split=step.split)


def _keys_and_values(step: Step, layers: float) -> tuple[Operation, ...]:
    """Unfolded in prefill; absorbed in decode."""
    if step.phase == "decode":
        return ()
    facts, heads = _facts(step), step.arch.num_heads
    width = heads * facts.key_value_head // step.layout.tp
    unfold = Gemm("keys_values", width, facts.kv_lora_rank, layers, _component(step, "kv"), split=step.split)
    return (unfold,)


def _output(step: Step, layers: float) -> Gemm:
    width = step.arch.num_heads * _facts(step).v_head_dim // step.layout.tp
    return Gemm(
        "attention_out", step.arch.hidden_size, width, layers, _component(step, "o"), split=step.split
    )


def _kernel(step: Step, layers: float) -> tuple[Operation, ...]:
    """The attention kernel; vLLM's has no table of its own and is charged as multi-head attention that is as
    wide as the values."""
    tp, arch = step.layout.tp, step.arch
    if step.graph.backend == "vllm":
        heads = arch.num_heads // tp
        return (
            Attention("attention", heads, arch.num_kv_heads // tp, _facts(step).v_head_dim, count=layers),
        )
    before, kernel, after = _absorbed(step, layers)
    return (before, kernel, after) if step.phase == "decode" else (kernel,)


def _absorbed(step: Step, layers: float) -> tuple[AbsorbedProduct, LatentAttention, AbsorbedProduct]:
    heads, component = step.arch.num_heads // step.layout.tp, _component(step, "kv")
    of_128 = step.graph.conventions.kernel_heads_of_128 and step.arch.family == "latent"
    counted = _NATIVE_HEADS // step.layout.tp if of_128 else heads
    return (
        AbsorbedProduct("absorb_queries", heads, True, component, layers),
        LatentAttention("attention", counted, layers, step.context),
        AbsorbedProduct("absorb_outputs", heads, False, component, layers),
    )


def _table_ranks(step: Step) -> int:
    """Ranks that would leave each of the tables' 128 heads' shares with this rank's number of heads."""
    if step.graph.conventions.kernel_heads_of_128:
        return step.layout.tp
    return step.layout.tp * _NATIVE_HEADS // step.arch.num_heads


def _component(step: Step, projection: str) -> Component:
    return "bfloat16" if projection in step.arch.checkpoint.unquantised else "gemm"


def _facts(step: Step) -> LatentFacts:
    assert step.arch.latent is not None, f"{step.arch.model} has no latent attention"
    return step.arch.latent
