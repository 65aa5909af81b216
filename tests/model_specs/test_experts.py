"""Tests of aicfg.model_specs.experts."""

from typing import Literal

from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllToAll,
    Elementwise,
    ExpertCompute,
    ExpertExchange,
    Gemm,
    Operation,
    Overlap,
    Phase,
    Split,
)
from aicfg.model_specs.resolve import load_architecture

_QWEN = load_architecture("Qwen/Qwen3-235B-A22B-FP8")
_GLM = load_architecture("zai-org/GLM-4.7")


def block(graph: Graph, layout: Layout, phase: Phase, model: str = "qwen") -> dict[str, Operation]:
    """Operations by name."""
    arch = _QWEN if model == "qwen" else _GLM
    return {operation.name: operation for operation in operations(arch, layout, phase, graph)}


def test_all_to_all_of_a_prefill() -> None:
    """DeepEP: each of the four tp ranks sends its share of a prefill's tokens; decode sends all of them."""
    graph, layout = Graph("vllm", "deepep_ht", "deepep_ll"), Layout(tp=4, dp=2, moe_ep=8)
    prefill, decode = block(graph, layout, "prefill"), block(graph, layout, "decode")
    shape = (4096, 8, 128, 8)
    sent = Split(shards=4)
    stages: tuple[Literal["dispatch", "combine"], ...] = ("dispatch", "combine")
    for stage in stages:
        expected = AllToAll(f"expert_{stage}", "deepep_ht", stage, "prefill", *shape, sent, 94)
        assert prefill[f"expert_{stage}"] == expected
    assert decode["expert_dispatch"] == AllToAll(
        "expert_dispatch", "deepep_ll", "dispatch", "decode", *shape, count=94
    )
    assert prefill["experts"] == ExpertCompute(
        "experts", "prefill", 4096, 1536, 8, 128, 8, 2, "power_law_1.2", count=94
    )
    assert prefill["router"] == Gemm("router", 128, 4096, 94, "bfloat16")


def test_context_ranks_send_their_shares_too() -> None:
    """SGLang with cp 4: a quarter of the tokens goes out from each rank."""
    found = block(Graph("sglang", "deepep_ht", None), Layout(cp=4, moe_ep=4), "prefill")["expert_dispatch"]
    assert isinstance(found, AllToAll)
    assert found.split == Split(shards=4)


def test_a_phase_without_a_transport_is_fused() -> None:
    """Where only decode has an all-to-all, prefill still runs its collectives."""
    graph, layout = Graph("sglang", None, "deepep_ll"), Layout(dp=8, moe_ep=8)
    assert isinstance(block(graph, layout, "prefill")["expert_dispatch"], ExpertExchange)
    assert isinstance(block(graph, layout, "decode")["expert_dispatch"], AllToAll)


def test_nvlink_prepares() -> None:
    """The two-sided NVLink exchange counts tokens first; no share of the tokens is taken."""
    graph, layout = Graph("trtllm", "nvlink_two_sided", "nvlink_one_sided"), Layout(dp=8, moe_ep=8)
    prefill, decode = block(graph, layout, "prefill"), block(graph, layout, "decode")
    assert [name for name in prefill if name.startswith("expert_")] == [
        "expert_prepare",
        "expert_dispatch",
        "expert_combine",
    ]
    assert "expert_prepare" not in decode
    assert prefill["expert_prepare"] == AllToAll(
        "expert_prepare", "nvlink_two_sided", "prepare", "prefill", 4096, 8, 128, 8, count=94
    )


def test_shared_experts_beside_an_all_to_all() -> None:
    """They are whole on every rank; SGLang shares a prefill's tokens out, TensorRT-LLM overlaps decode."""
    layout = Layout(tp=2, dp=4, moe_ep=8)
    sglang = block(Graph("sglang", "deepep_ht", "deepep_ll"), layout, "prefill", "glm")
    assert sglang["shared_down"] == Gemm("shared_down", 5120, 1536, 89, split=Split(shards=2))
    graph, layout = Graph("trtllm", "trtllm_deepep_ht", "trtllm_deepep_ll"), Layout(dp=8, moe_ep=8)
    prefill, decode = block(graph, layout, "prefill", "glm"), block(graph, layout, "decode", "glm")
    assert prefill["shared_down"] == Gemm("shared_down", 5120, 1536, 89)
    assert prefill["experts_add"] == Elementwise("experts_add", 10240, 5120, 89)
    overlap = decode["experts_overlap"]
    assert isinstance(overlap, Overlap)
    assert [operation.name for operation in overlap.first] == [
        "router",
        "expert_dispatch",
        "experts",
        "expert_combine",
    ]
    assert "experts_add" in decode
