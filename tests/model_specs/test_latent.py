"""Tests of aicfg.model_specs.latent."""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AbsorbedProduct,
    AllReduce,
    Elementwise,
    Embedding,
    ExpertExchange,
    Experts,
    FirstMeasured,
    Gemm,
    LatentAttention,
    LatentModule,
    Operation,
    Overlap,
    Phase,
    Rows,
)
from aicfg.model_specs.resolve import load_architecture

_DEEPSEEK = load_architecture("deepseek-ai/DeepSeek-V3")
_EIGHT = Layout(tp=8, moe_ep=8)
_PEER = Conventions(
    experts_in_every_layer=True,
    two_reductions_beside_exchange=True,
    attention_reduction_beside_alltoall=False,
    short_wide_graph=True,
    wide_router_left_out=("DeepseekV3ForCausalLM",),
    kernel_heads_of_128=True,
    whole_latent_embedding=True,
    wide_decode_hastened=True,
)


def names(arch: Architecture, layout: Layout, phase: Phase, graph: Graph) -> list[str]:
    """Names of the listed operations."""
    return [operation.name for operation in operations(arch, layout, phase, graph)]


def test_deepseek_on_eight_ranks() -> None:
    """DeepSeek-V3 with tp 8 and ep 8 in decode on TensorRT-LLM: §3.4, with the model's three dense layers."""
    count, experts = 61, 58
    parts: tuple[Operation, ...] = (
        Gemm("compression", 1536 + 512 + 64, 7168, count),
        Gemm("queries", 128 * 192 // 8, 1536, count),
        AbsorbedProduct("absorb_queries", 16, True, count=count),
        LatentAttention("attention", 16, count),
        AbsorbedProduct("absorb_outputs", 16, False, count=count),
        Gemm("attention_out", 7168, 128 * 128 // 8, count),
    )
    routed: tuple[Operation, ...] = (
        Gemm("router", 256, 7168, experts, "bfloat16"),
        ExpertExchange("expert_dispatch", 7168, 1, 8, 1, True, "decode", count=experts),
        Experts("experts", 7168, 2048, 8, 256, 1, 8, 1, "power_law_1.01", count=experts),
        ExpertExchange("expert_combine", 7168, 1, 8, 1, False, "decode", count=experts),
    )
    shared: tuple[Operation, ...] = (
        Gemm("shared_gate_up", 2 * 2048 // 8, 7168, experts),
        Elementwise("shared_activation", 2 * 256, 256, experts),
        Gemm("shared_down", 7168, 2048 // 8, experts),
    )
    assert operations(_DEEPSEEK, _EIGHT, "decode", Graph("trtllm")) == (
        Embedding("embedding", 7168, 129280 // 8),
        AllReduce("embedding_allreduce", 7168, 8),
        Elementwise("attention_norm", 14336, 14336, count),
        FirstMeasured("latent_attention", LatentModule("latent_module", 16, 128, count=count), parts),
        Elementwise("ffn_norm", 14336, 14336, count),
        AllReduce("dense_attention_allreduce", 7168, 8, 3),
        Gemm("dense_gate_up", 2 * 18432 // 8, 7168, 3),
        Elementwise("dense_activation", 2 * 18432 // 8, 18432 // 8, 3),
        Gemm("dense_down", 7168, 18432 // 8, 3, input_low_precision=True),
        AllReduce("dense_ffn_allreduce", 7168, 8, 3),
        Overlap("experts_overlap", routed, shared),
        Gemm("lm_head", 129280 // 8, 7168, component="bfloat16", rows=Rows.LOGITS),
    )


def test_prefill_runs_one_stream() -> None:
    """In prefill keys and values are unfolded and shared experts come before the routed ones."""
    found = operations(_DEEPSEEK, _EIGHT, "prefill", Graph("trtllm", conventions=_PEER))
    assert [operation.name for operation in found] == [
        "embedding",
        "attention_norm",
        "latent_attention",
        "ffn_norm",
        "shared_gate_up",
        "shared_activation",
        "shared_down",
        "router",
        "expert_dispatch",
        "experts",
        "expert_combine",
        "lm_head",
    ]
    assert found[0] == Embedding("embedding", 7168, 129280)
    attention = found[2]
    assert isinstance(attention, FirstMeasured)
    assert attention.parts[2:4] == (
        Gemm("keys_values", 128 * 256 // 8, 512, 61),
        LatentAttention("attention", 16, 61),
    )


def test_vllm_reductions_are_a_convention() -> None:
    """The reference adds two reductions a layer on vLLM; one is needed beside an all-to-all, none else."""
    wide = ("deepep_ht", "deepep_ll")
    counted = operations(_DEEPSEEK, _EIGHT, "decode", Graph("vllm", *wide, _PEER))
    assert AllReduce("tp_allreduce", 7168, 8, 2 * 61) in counted
    true = operations(_DEEPSEEK, _EIGHT, "decode", Graph("vllm", *wide))
    assert AllReduce("attention_allreduce", 7168, 8, 61) in true
    assert "tp_allreduce" not in [operation.name for operation in true]
    assert "attention_allreduce" not in names(_DEEPSEEK, _EIGHT, "decode", Graph("vllm"))


def test_trtllm_wide_decode_is_paced() -> None:
    """Every operation of a layer counts nine tenths in its large-expert-parallel decode, not in prefill."""
    layout = Layout(dp=8, moe_ep=8)
    graph = Graph("trtllm", "trtllm_deepep_ht", "trtllm_deepep_ll", _PEER)
    decode = {operation.name: operation for operation in operations(_DEEPSEEK, layout, "decode", graph)}
    assert list(decode) == [
        "embedding",
        "attention_norm",
        "compression",
        "query_norm",
        "queries",
        "absorb_and_rope",
        "attention",
        "absorb_outputs",
        "attention_out",
        "ffn_norm",
        "experts_overlap",
        "experts_add",
        "lm_head",
    ]
    assert decode["compression"] == Gemm("compression", 2112, 7168, 61 * 0.9)
    assert decode["query_norm"] == Elementwise("query_norm", 1536, 1536, 61 * 0.9)
    overlap = decode["absorb_and_rope"]
    assert overlap == Overlap(
        "absorb_and_rope",
        (AbsorbedProduct("absorb_queries", 128, True, count=61 * 0.9),),
        (Elementwise("rope_and_cache", 576, 576, 61 * 0.9),),
    )
    assert decode["lm_head"] == Gemm("lm_head", 129280, 7168, component="bfloat16", rows=Rows.LOGITS)
    prefill = {operation.name: operation for operation in operations(_DEEPSEEK, layout, "prefill", graph)}
    assert prefill["keys_values"] == Gemm("keys_values", 128 * 256, 512, 61)
    assert prefill["attention"] == LatentAttention("attention", 128, 61)


def test_sglang_wide_graph() -> None:
    """Gather and scatter surround a prefill's attention; what the reference leaves out is there."""
    wide = ("deepep_ht", "deepep_ll")
    short = names(_DEEPSEEK, _EIGHT, "prefill", Graph("sglang", *wide, _PEER))
    assert short == [
        "embedding",
        "attention_norm",
        "compression",
        "tp_allgather",
        "second_compression",
        "attention",
        "tp_reduce_scatter",
        "shared_gate_up",
        "shared_activation",
        "shared_down",
        "expert_dispatch",
        "experts",
        "expert_combine",
    ]
    whole = names(_DEEPSEEK, _EIGHT, "prefill", Graph("sglang", *wide))
    assert set(whole) - set(short) > {"ffn_norm", "router", "lm_head"}
    assert "second_compression" not in whole
    decode = names(_DEEPSEEK, _EIGHT, "decode", Graph("sglang", *wide))
    assert "attention_allreduce" in decode and "tp_allgather" not in decode


def test_the_router_is_left_out_of_named_classes_only() -> None:
    """The reference has Kimi-K2.5's router, of its own class, and not DeepSeek's."""
    graph = Graph("sglang", "deepep_ht", "deepep_ll", _PEER)
    assert "router" in names(load_architecture("moonshotai/Kimi-K2.5"), _EIGHT, "decode", graph)
    assert "router" not in names(_DEEPSEEK, _EIGHT, "decode", graph)
