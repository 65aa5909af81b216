"""Tests of aicfg.model_specs.gated_delta."""

from dataclasses import replace

import pytest

from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    DeltaRule,
    Elementwise,
    Embedding,
    ExpertExchange,
    Experts,
    Gemm,
    Operation,
    Overlap,
    Rows,
)
from aicfg.model_specs.resolve import load_architecture

_MIXTURE = load_architecture("Qwen/Qwen3.5-397B-A17B")
_DENSE = load_architecture("Qwen/Qwen3.5-27B")
_NVFP4 = load_architecture("nvidia/Qwen3.5-397B-A17B-NVFP4")
_COARSE = Conventions(coarse_hybrids=True)
_EIGHT = Layout(tp=8, moe_ep=8)


def named(operations_of_step: tuple[Operation, ...]) -> dict[str, Operation]:
    """By name, those of overlapping streams too."""
    flat = [
        part
        for op in operations_of_step
        for part in ((*op.first, *op.second, op) if isinstance(op, Overlap) else (op,))
    ]
    return {op.name: op for op in flat}


def test_qwen_on_eight_ranks() -> None:
    """Qwen3.5-397B with tp 8 and ep 8 on SGLang in decode: 15 softmax and 45 linear layers, 60 mixtures."""
    hidden, width = 4096, 32 * 256 // 8
    kernel = (hidden, 2, 128, 8, 128, 4, 4, 45)
    shared = (
        Gemm("shared_gate_up", 256, hidden, 60),
        Elementwise("shared_activation", 256, 128, 60),
        Gemm("shared_down", hidden, 128, 60, input_low_precision=True),
    )
    routed = (
        Gemm("router", 512, hidden, 60, "bfloat16"),
        ExpertExchange("expert_dispatch", hidden, 1, 8, 1, True, "decode", count=60, summed=True),
        Experts("experts", hidden, 1024, 10, 512, 1, 8, 1, "power_law_1.2", count=60),
        ExpertExchange("expert_combine", hidden, 1, 8, 1, False, "decode", count=60),
    )
    assert operations(_MIXTURE, _EIGHT, "decode", Graph("sglang")) == (
        Embedding("embedding", hidden, 248320 // 8),
        AllReduce("embedding_allreduce", hidden, 8),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 15),
        Gemm("qkv", 2 * width + 2 * 256, hidden, 15),
        Attention("attention", 4, 1, 256, qk_norm=True, count=15),
        Elementwise("attention_gate", 2 * width, width, 15),
        Gemm("attention_out", hidden, width, 15, input_low_precision=True),
        Elementwise("delta_norm", 2 * hidden, 2 * hidden, 45),
        Gemm("delta_in", 2 * 2 * 128 + 2 * 8 * 128, hidden, 45),
        Gemm("delta_decay", 2 * 8, hidden, 45, "bfloat16", narrow=True),
        DeltaRule("delta_convolution", "convolution", *kernel),
        DeltaRule("delta_recurrence", "recurrence", *kernel),
        Elementwise("delta_gated_norm", 2 * 1024, 1024, 45),
        Gemm("delta_out", hidden, 1024, 45, input_low_precision=True),
        AllReduce("attention_allreduce", hidden, 8, 60),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 60),
        Overlap("experts_overlap", routed, shared),
        Elementwise("experts_add", 3 * hidden, hidden, 60),
        Gemm("lm_head", 248320 // 8, hidden, component="bfloat16", rows=Rows.LOGITS),
    )


def test_the_dense_model_has_ffns() -> None:
    """Qwen3.5-27B: 16 softmax and 48 linear layers, 64 FFNs, no experts; key heads stay one to three."""
    listed = named(operations(_DENSE, Layout(tp=2), "prefill"))
    assert listed["attention"].count == 16
    assert listed["gate_up"] == Gemm("gate_up", 17408, 5120, 64)
    assert listed["delta_recurrence"] == DeltaRule(
        "delta_recurrence", "recurrence", 5120, 8, 128, 24, 128, 4, count=48
    )
    assert "experts" not in listed


@pytest.mark.parametrize(("backend", "gated"), [("sglang", False), ("vllm", True), ("trtllm", True)])
def test_the_shared_expert_is_gated(backend: str, gated: bool) -> None:
    """SGLang applies the shared expert's gate in the final sum, the others in a product and a pass before."""
    listed = named(operations(_MIXTURE, _EIGHT, "decode", Graph(backend)))
    assert ("shared_gate" in listed, "shared_gated" in listed) == (gated, gated)
    add = listed["experts_add"]
    assert isinstance(add, Elementwise)
    assert add.reads == (2 if gated else 3) * 4096


@pytest.mark.parametrize(
    ("backend", "layout", "sums"),
    [
        ("sglang", Layout(tp=8, moe_ep=8), True),
        ("sglang", Layout(tp=4, dp=2, moe_ep=8), False),
        ("vllm", Layout(tp=4, dp=2, moe_ep=8), True),
    ],
)
def test_the_attention_is_summed_once(backend: str, layout: Layout, sums: bool) -> None:
    """By an all-reduce, or by SGLang's gather of the attention ranks' tokens, which then does it."""
    listed = named(operations(_MIXTURE, layout, "prefill", Graph(backend)))
    dispatch = listed["expert_dispatch"]
    assert isinstance(dispatch, ExpertExchange)
    assert ("attention_allreduce" in listed, dispatch.summed) == (sums, sums)


def test_coarsely_listed() -> None:
    """As AIConfigurator lists it: no gate passes; TensorRT-LLM sums twice and runs shared experts in turn."""
    listed = operations(_MIXTURE, _EIGHT, "decode", Graph("trtllm", conventions=_COARSE))
    by_name = named(listed)
    assert not {"attention_gate", "delta_gated_norm", "experts_overlap"} & set(by_name)
    dispatch, decay = by_name["expert_dispatch"], by_name["delta_decay"]
    assert isinstance(dispatch, ExpertExchange)
    assert isinstance(decay, Gemm)
    assert not dispatch.summed
    assert "attention_allreduce" in by_name
    assert decay.component == "gemm"


def test_projections_are_in_the_checkpoints_format() -> None:
    """NVIDIA's checkpoint leaves both kinds of attention and the shared expert in bfloat16."""
    listed = named(operations(_NVFP4, _EIGHT, "decode", Graph("trtllm")))
    names = ("qkv", "attention_out", "delta_in", "delta_out", "shared_gate_up", "shared_down")
    assert [getattr(listed[name], "component") for name in names] == ["bfloat16"] * 6  # noqa: B009


def test_coarsely_projections_are_quantised_all_or_none() -> None:
    """A checkpoint that leaves only the linear layers out: both kinds count as left out, coarsely."""
    kept = replace(_NVFP4.checkpoint, unquantised=frozenset({"linear"}))
    arch = replace(_NVFP4, checkpoint=kept)
    found = {
        coarse: named(
            operations(arch, _EIGHT, "decode", Graph("vllm", conventions=Conventions(coarse_hybrids=coarse)))
        )
        for coarse in (False, True)
    }
    formats = {
        coarse: [getattr(listed[name], "component") for name in ("qkv", "delta_in")]  # noqa: B009
        for coarse, listed in found.items()
    }
    assert formats == {False: ["gemm", "bfloat16"], True: ["bfloat16", "bfloat16"]}


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(cp=2, moe_ep=2), "pass their state from token to token"),
        (Layout(tp=32, moe_ep=32), "does not divide the 16 key heads"),
        (Layout(tp=2), "must be equal"),
        (Layout(tp=3, moe_ep=3), "does not divide the 16 key heads"),
    ],
)
def test_illegal_layouts(layout: Layout, reason: str) -> None:
    """A state cannot be shared out over a prompt's ranks, and a rank holds whole heads."""
    assert reason in (illegal(_MIXTURE, layout, Graph("sglang")) or "")


def test_dense_layouts() -> None:
    """The dense model has no expert degrees; 16 key heads go onto 16 ranks, but 24 query heads do not."""
    assert illegal(_DENSE, Layout(tp=8), Graph("vllm")) is None
    assert "does not divide the 24 attention heads" in (illegal(_DENSE, Layout(tp=16), Graph("vllm")) or "")
    assert "dense" in (illegal(_DENSE, Layout(tp=2, moe_ep=2), Graph("vllm")) or "")
