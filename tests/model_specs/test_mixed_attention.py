"""Tests of aicfg.model_specs.mixed_attention."""

from dataclasses import replace

import pytest

from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Collective,
    Elementwise,
    Embedding,
    ExpertExchange,
    Experts,
    Gemm,
    Rows,
)
from aicfg.model_specs.resolve import load_architecture

_MIMO = load_architecture("XiaomiMiMo/MiMo-V2-Flash")
_STEP = load_architecture("stepfun-ai/Step-3.7-Flash")


def test_mimo_on_four_ranks() -> None:
    """MiMo-V2-Flash with tp 4 and ep 4: 9 full and 39 windowed layers, one dense FFN, 47 mixtures."""
    hidden, kv = 4096, 192 + 128
    ranks = (1, 4, 1)
    assert operations(_MIMO, Layout(tp=4, moe_ep=4), "decode", Graph("sglang")) == (
        Embedding("embedding", hidden, 152576 // 4),
        AllReduce("embedding_allreduce", hidden, 4),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 9),
        Gemm("attention_qkv", 16 * 192 + kv, hidden, 9),
        Attention("attention", 16, 1, 192, count=9),
        Gemm("attention_out", hidden, 16 * 128, 9, input_low_precision=True),
        Elementwise("attention_window_norm", 2 * hidden, 2 * hidden, 39),
        Gemm("attention_window_qkv", 16 * 192 + 2 * kv, hidden, 39),
        Attention("attention_window", 16, 2, 192, window=128, count=39),
        Gemm("attention_window_out", hidden, 16 * 128, 39, input_low_precision=True),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 48),
        AllReduce("dense_attention_allreduce", hidden, 4, 1),
        Gemm("dense_gate_up", 2 * 4096, hidden, 1),
        Elementwise("dense_activation", 2 * 4096, 4096, 1),
        Gemm("dense_down", hidden, 4096, 1, input_low_precision=True),
        AllReduce("dense_ffn_allreduce", hidden, 4, 1),
        Gemm("router", 256, hidden, 47, "bfloat16"),
        ExpertExchange("expert_dispatch", hidden, *ranks, True, "decode", count=47),
        Experts("experts", hidden, 2048, 8, 256, *ranks, "power_law_1.01", count=47),
        ExpertExchange("expert_combine", hidden, *ranks, False, "decode", count=47),
        Gemm("lm_head", 152576 // 4, hidden, component="bfloat16", rows=Rows.LOGITS),
    )


def test_coarsely_the_marks_are_swapped() -> None:
    """AIConfigurator reads MiMo's marks the other way round, and does not sum around the dense FFN."""
    graph = Graph("sglang", conventions=Conventions(coarse_hybrids=True, experts_in_every_layer=True))
    listed = {op.name: op for op in operations(_MIMO, Layout(tp=4, moe_ep=4), "prefill", graph)}
    assert [listed[name].count for name in ("attention", "attention_window", "experts")] == [39, 9, 47]
    assert not any(isinstance(op, AllReduce) for op in listed.values())
    assert listed["embedding"] == Embedding("embedding", 4096, 152576)


def test_heads_have_gates() -> None:
    """Step-3 scales each head's output, where its config says so; its windowed layers may have more heads."""
    full, windowed = _STEP.attentions
    arch = replace(_STEP, head_gate=True, attentions=(full, replace(windowed, heads=96)))
    listed = {op.name: op for op in operations(arch, Layout(tp=8, moe_ep=8), "decode", Graph("vllm"))}
    assert listed["attention_gate"] == Gemm("attention_gate", 8, 4096, 12, narrow=True)
    assert listed["attention_window_gated"] == Elementwise(
        "attention_window_gated", 12 * 128 + 12, 12 * 128, 33
    )
    assert "attention_gate" not in {op.name for op in operations(_STEP, Layout(), "decode")}


def test_a_prompt_over_ranks() -> None:
    """Each kind gathers its own keys and values."""
    listed = {op.name: op for op in operations(_MIMO, Layout(cp=4, moe_ep=4), "prefill", Graph("sglang"))}
    expected = {"attention_kv_allgather": (4 * 320, 9), "attention_window_kv_allgather": (8 * 320, 39)}
    for name, (width, count) in expected.items():
        assert listed[name] == Collective(name, "all_gather", width, 4, count, payload="kvcache")


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(tp=128, moe_ep=128), "does not divide the 64 attention heads"),
        (Layout(tp=64, moe_ep=64), "no multiple of the fp8 block 128"),
        (Layout(tp=2), "must be equal"),
    ],
)
def test_illegal_layouts(layout: Layout, reason: str) -> None:
    """Heads of every kind must go onto the ranks, in whole fp8 blocks."""
    assert reason in (illegal(_MIMO, layout, Graph("vllm")) or "")
