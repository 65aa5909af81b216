"""Tests of aicfg.model_specs.gemma and gemma_facts."""

from dataclasses import replace

import pytest

from aicfg.model_specs.attention_kinds import AttentionKind
from aicfg.model_specs.checkpoint import CheckpointQuant
from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.gemma_facts import GemmaFacts
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
    Rows,
)
from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.resolve import load_architecture

_MIXTURE = load_architecture("google/gemma-4-26B-A4B")
_DENSE = load_architecture("nvidia/Gemma-4-31B-IT-NVFP4")
_NVFP4 = load_architecture("nvidia/Gemma-4-26B-A4B-NVFP4")
_SMALL = replace(
    _DENSE,
    hidden_size=1536,
    num_layers=10,
    intermediate_size=6144,
    attentions=(AttentionKind(2, 8, 1, 512, 512, 0, 1), AttentionKind(8, 8, 1, 256, 256, 512, 4)),
    gemma=GemmaFacts(wide_layers=5, input_width=256, input_vocabulary=262144),
    checkpoint=CheckpointQuant(),
)
"""Of the shape of Gemma 4 E2B: the last five layers take keys and values of earlier ones."""


def named(listed: tuple[Operation, ...]) -> dict[str, Operation]:
    """By name."""
    return {op.name: op for op in listed}


def test_the_mixture_on_two_ranks() -> None:
    """Gemma 4 26B-A4B with tp 2 and ep 2: FFN and experts in every layer, each summed; seven norms."""
    hidden, ranks = 2816, (1, 2, 1)
    assert operations(_MIXTURE, Layout(tp=2, moe_ep=2), "decode", Graph("vllm")) == (
        Embedding("embedding", hidden, 262144 // 2),
        AllReduce("embedding_allreduce", hidden, 2),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 5),
        Gemm("attention_qkv", 8 * 512 + 512, hidden, 5),
        Attention("attention", 8, 1, 512, qk_norm=True, count=5),
        Gemm("attention_out", hidden, 8 * 512, 5, input_low_precision=True),
        Elementwise("attention_window_norm", 2 * hidden, 2 * hidden, 25),
        Gemm("attention_window_qkv", 8 * 256 + 2 * 4 * 256, hidden, 25),
        Attention("attention_window", 8, 4, 256, window=1024, qk_norm=True, count=25),
        Gemm("attention_window_out", hidden, 8 * 256, 25, input_low_precision=True),
        AllReduce("attention_allreduce", hidden, 2, 30),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 30),
        Gemm("gate_up", 2112, hidden, 30),
        Elementwise("activation", 2112, 1056, 30),
        Gemm("down", hidden, 1056, 30, input_low_precision=True),
        AllReduce("ffn_allreduce", hidden, 2, 30),
        Gemm("router", 128, hidden, 30, "bfloat16"),
        ExpertExchange("expert_dispatch", hidden, *ranks, True, "decode", count=30, summed=True),
        Experts("experts", hidden, 704, 8, 128, *ranks, "power_law_1.01", count=30),
        ExpertExchange("expert_combine", hidden, *ranks, False, "decode", count=30),
        Elementwise("post_norms", hidden, hidden, 5 * 30),
        Gemm("lm_head", 262144 // 2, hidden, component="bfloat16", rows=Rows.LOGITS, tied=True),
    )


def test_the_dense_model() -> None:
    """Gemma 4 31B: FFNs in NVFP4, attention in bfloat16, two norms more a layer."""
    listed = named(operations(_DENSE, Layout(tp=2), "prefill", Graph("vllm")))
    assert listed["gate_up"] == Gemm("gate_up", 21504, 5376, 60)
    assert listed["attention_qkv"] == Gemm("attention_qkv", 16 * 512 + 2 * 512, 5376, 10, "bfloat16")
    assert listed["post_norms"] == Elementwise("post_norms", 5376, 5376, 120)
    assert "experts" not in listed


def test_layers_that_share_and_inputs_of_layers() -> None:
    """A small model: five layers project queries alone and have wide FFNs; all get the token's embedding."""
    listed = named(operations(_SMALL, Layout(tp=2), "decode", Graph("vllm")))
    assert listed["attention_window_qkv"] == Gemm("attention_window_qkv", 4 * 256 + 2 * 256, 1536, 4)
    assert listed["attention_window_q"] == Gemm("attention_window_q", 4 * 256, 1536, 4)
    assert [listed[name].count for name in ("attention_qkv", "attention_q")] == [1, 1]
    assert listed["gate_up"] == Gemm("gate_up", 6144, 1536, 5)
    assert listed["wide_gate_up"] == Gemm("wide_gate_up", 12288, 1536, 5)
    assert listed["layer_inputs"] == Embedding("layer_inputs", 10 * 256, 262144 // 2)
    assert listed["layer_input_gate"] == Gemm("layer_input_gate", 256, 1536, 10, "bfloat16")


def test_coarsely_listed() -> None:
    """As AIConfigurator lists it: sums over tp around experts alone, no further norms or inputs."""
    graph = Graph("vllm", conventions=Conventions(coarse_hybrids=True))
    listed = operations(_NVFP4, Layout(tp=2, moe_ep=2), "prefill", graph)
    assert not any(isinstance(op, AllReduce) for op in listed)
    by_name = named(listed)
    dispatch, experts, attention = (by_name[n] for n in ("expert_dispatch", "experts", "attention"))
    assert isinstance(dispatch, ExpertExchange)
    assert isinstance(experts, Experts)
    assert isinstance(attention, Attention)
    assert (dispatch.summed, experts.component, attention.qk_norm) == (False, "bfloat16", False)
    small = named(operations(_SMALL, Layout(), "prefill", graph))
    assert not {"layer_inputs", "wide_gate_up", "attention_q", "post_norms"} & set(small)


def test_the_experts_follow_their_own_format() -> None:
    """The checkpoint that leaves the dense FFNs in bfloat16 has its experts in NVFP4."""
    listed = named(operations(_NVFP4, Layout(), "prefill", Graph("sglang")))
    experts, up = listed["experts"], listed["gate_up"]
    assert isinstance(experts, Experts)
    assert isinstance(up, Gemm)
    assert (experts.component, up.component) == ("moe", "bfloat16")


def test_parameters_of_the_inputs_of_layers() -> None:
    """The embedding, its projection and norm once; gate, way back and norm in every layer; wide FFNs."""
    added = parameter_count(_SMALL) - parameter_count(replace(_SMALL, gemma=GemmaFacts()))
    every, wide = 10 * 256, 5 * 3 * 1536 * 6144
    assert added == 262144 * every + 1536 * every + 256 + 10 * (2 * 1536 * 256 + 1536) + wide


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(tp=2), "must be equal"),
        (Layout(tp=3, moe_ep=3), "divide"),
        (Layout(tp=32, moe_ep=32), "does not divide the 16 attention heads"),
    ],
)
def test_illegal_layouts(layout: Layout, reason: str) -> None:
    """Experts and attention share the GPUs; heads of both kinds and the FFN must go onto the ranks."""
    assert reason in (illegal(_MIXTURE, layout, Graph("sglang")) or "")


def test_dense_layouts() -> None:
    """The dense model has no expert degrees and runs on up to 32 ranks."""
    assert illegal(_DENSE, Layout(tp=32), Graph("vllm")) is None
    assert "dense" in (illegal(_DENSE, Layout(tp=2, moe_tp=2), Graph("vllm")) or "")
    assert "intermediate size" in (illegal(_DENSE, Layout(tp=5), Graph("vllm")) or "")
