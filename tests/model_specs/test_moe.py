"""Tests of aicfg.model_specs.moe."""

from msgspec.structs import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Elementwise,
    Embedding,
    ExpertExchange,
    Experts,
    Gemm,
    Operation,
    Overlap,
    Phase,
    PointToPoint,
    Rows,
)
from aicfg.model_specs.resolve import load_architecture

_QWEN = load_architecture("Qwen/Qwen3-235B-A22B-FP8")
_GLM = load_architecture("zai-org/GLM-4.7")
_TRUE = Conventions()


def listed(
    arch: Architecture, layout: Layout, phase: Phase, conventions: Conventions = _TRUE
) -> dict[str, Operation]:
    """Operations by name on vLLM."""
    graph = Graph("vllm", conventions=conventions)
    return {operation.name: operation for operation in operations(arch, layout, phase, graph)}


def test_qwen3_on_four_ranks() -> None:
    """Qwen3-235B with tp 4 and ep 4 in decode: the list of performance model §3.3."""
    assert operations(_QWEN, Layout(tp=4, moe_ep=4), "decode") == (
        Embedding("embedding", 4096, 151936 // 4),
        AllReduce("embedding_allreduce", 4096, 4),
        Elementwise("attention_norm", 8192, 8192, 94),
        Gemm("qkv", 64 * 128 // 4 + 2 * 128, 4096, 94),
        Attention("attention", 16, 1, 128, qk_norm=True, count=94),
        Gemm("attention_out", 4096, 64 * 128 // 4, 94, input_low_precision=True),
        Elementwise("ffn_norm", 8192, 8192, 94),
        Gemm("router", 128, 4096, 94, "bfloat16"),
        ExpertExchange("expert_dispatch", 4096, 1, 4, 1, True, "decode", count=94),
        Experts("experts", 4096, 1536, 8, 128, 1, 4, 1, "power_law_1.2", count=94),
        ExpertExchange("expert_combine", 4096, 1, 4, 1, False, "decode", count=94),
        Gemm("lm_head", 151936 // 4, 4096, component="bfloat16", rows=Rows.LOGITS),
    )


def test_prefill_differs_by_convention_only() -> None:
    """A prefill has an LM head too; a profile may leave it out."""
    layout = Layout(tp=4, moe_ep=4)
    whole, decode = listed(_QWEN, layout, "prefill"), listed(_QWEN, layout, "decode")
    assert list(whole) == list(decode)
    without = listed(_QWEN, layout, "prefill", Conventions(lm_head_in_expert_prefill=False))
    assert set(whole) - set(without) == {"lm_head"}
    assert "lm_head" in listed(_QWEN, layout, "decode", Conventions(lm_head_in_expert_prefill=False))


def test_every_rank_of_data_parallel_attention_is_whole() -> None:
    """With dp 8 a rank has all heads and the whole vocabulary; its experts serve all eight ranks' tokens."""
    found = listed(_QWEN, Layout(dp=8, pp=2, moe_ep=8), "decode")
    assert found["attention"] == Attention("attention", 64, 4, 128, qk_norm=True, count=94)
    assert found["embedding"] == Embedding("embedding", 4096, 151936)
    assert found["experts"] == Experts("experts", 4096, 1536, 8, 128, 1, 8, 8, "power_law_1.2", count=94)
    assert found["p2p"] == PointToPoint("p2p", 4096, 1, gpus=16)
    assert not any(isinstance(operation, AllReduce) for operation in found.values())


def test_alternating_windows() -> None:
    """gpt-oss: half of the layers within 128 tokens, half over all; projections once for both."""
    found = listed(load_architecture("openai/gpt-oss-120b"), Layout(tp=2, moe_ep=2), "prefill")
    assert found["attention_window"] == Attention("attention_window", 32, 4, 64, window=128, count=18)
    assert found["attention"] == Attention("attention", 32, 4, 64, count=18)
    assert found["qkv"] == Gemm("qkv", 32 * 64 + 2 * 4 * 64, 2880, 36, "bfloat16")


def test_leading_dense_layers_and_shared_experts() -> None:
    """GLM-4.7: three layers with an FFN of 12288 and their own reductions, 89 with a shared expert beside."""
    found = listed(_GLM, Layout(tp=8, moe_ep=8), "prefill")
    assert found["dense_attention_allreduce"] == AllReduce("dense_attention_allreduce", 5120, 8, 3)
    assert found["dense_gate_up"] == Gemm("dense_gate_up", 2 * 12288 // 8, 5120, 3)
    assert found["dense_down"] == Gemm("dense_down", 5120, 12288 // 8, 3, input_low_precision=True)
    assert found["dense_ffn_allreduce"] == AllReduce("dense_ffn_allreduce", 5120, 8, 3)
    assert found["shared_gate_up"] == Gemm("shared_gate_up", 2 * 1536 // 8, 5120, 89)
    assert found["experts"] == Experts("experts", 5120, 1536, 8, 160, 1, 8, 1, "power_law_1.2", count=89)
    assert found["ffn_norm"] == Elementwise("ffn_norm", 10240, 10240, 92)
    decode = listed(_GLM, Layout(tp=8, moe_ep=8), "decode")["experts_overlap"]
    assert isinstance(decode, Overlap)
    assert [operation.name for operation in decode.second] == [
        "shared_gate_up",
        "shared_activation",
        "shared_down",
    ]


def test_a_profile_may_see_experts_everywhere_and_no_shared_ones() -> None:
    """The reference charges all 92 layers of such a model as experts and forgets the shared ones."""
    peer = Conventions(experts_in_every_layer=True, shared_experts_of_gqa=False)
    found = listed(_GLM, Layout(tp=8, moe_ep=8), "decode", peer)
    assert not any(name.startswith(("dense_", "shared_", "experts_overlap")) for name in found)
    assert found["experts"] == Experts("experts", 5120, 1536, 8, 160, 1, 8, 1, "power_law_1.2", count=92)


def test_tokens_behind_an_all_to_all_are_summed_before() -> None:
    """An all-to-all does not sum the attention output over tp: a reduction does, or a profile has none."""
    layout = Layout(tp=4, dp=2, moe_ep=8)
    for kept in (True, False):
        conventions = Conventions(attention_reduction_beside_alltoall=kept)
        graph = Graph("vllm", "deepep_ht", "deepep_ll", conventions)
        names = [operation.name for operation in operations(_QWEN, layout, "decode", graph)]
        assert ("attention_allreduce" in names) == kept
    assert "attention_allreduce" not in listed(_QWEN, layout, "decode")


def test_sglang_replicates_the_embedding_behind_an_all_to_all() -> None:
    """Its large-expert-parallel stack has the whole vocabulary on each rank; a profile may drop p2p."""
    layout = Layout(tp=4, pp=2, moe_ep=4)
    graph = Graph("sglang", "deepep_ht", "deepep_ll")
    names = [operation.name for operation in operations(_QWEN, layout, "decode", graph)]
    assert operations(_QWEN, layout, "decode", graph)[0] == Embedding("embedding", 4096, 151936)
    assert "embedding_allreduce" not in names and "p2p" in names
    short = replace(graph, conventions=Conventions(short_wide_graph=True))
    assert "p2p" not in [operation.name for operation in operations(_QWEN, layout, "decode", short)]
