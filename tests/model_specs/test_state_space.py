"""Tests of aicfg.model_specs.state_space."""

import pytest

from aicfg.model_specs.families import illegal, operations
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
    Rows,
    StateSpace,
)
from aicfg.model_specs.resolve import load_architecture

_NANO = load_architecture("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
_SUPER = load_architecture("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8")
_DENSE = load_architecture("nvidia/Nemotron-H-56B-Base-8K")
_COARSE = Conventions(coarse_hybrids=True)


def named(listed: tuple[Operation, ...]) -> dict[str, Operation]:
    """By name, those of overlapping streams too."""
    flat = [
        part for op in listed for part in ((*op.first, *op.second, op) if isinstance(op, Overlap) else (op,))
    ]
    return {op.name: op for op in flat}


def test_nano_on_two_ranks() -> None:
    """Nemotron 3 Nano with tp 2 and ep 2 in decode: 23 Mamba, 6 attention and 23 expert layers."""
    hidden, kernel = 2688, (2688, 128, 4, 32, 64, 4, 128, 4, 23)
    shared = (
        Gemm("shared_gate_up", 1856, hidden, 23),
        Elementwise("shared_activation", 1856, 1856, 23),
        Gemm("shared_down", hidden, 1856, 23, input_low_precision=True),
    )
    routed = (
        Gemm("router", 128, hidden, 23, "bfloat16"),
        ExpertExchange("expert_dispatch", hidden, 1, 2, 1, True, "decode", count=23, summed=True),
        Experts("experts", hidden, 1856, 6, 128, 1, 2, 1, "power_law_1.01", gated=False, count=23),
        ExpertExchange("expert_combine", hidden, 1, 2, 1, False, "decode", count=23),
    )
    assert operations(_NANO, Layout(tp=2, moe_ep=2), "decode", Graph("vllm")) == (
        Embedding("embedding", hidden, 131072 // 2),
        AllReduce("embedding_allreduce", hidden, 2),
        Elementwise("mamba_norm", 2 * hidden, 2 * hidden, 23),
        Gemm("mamba_in", 2 * 2048 + 2 * 4 * 128 + 32, hidden, 23),
        StateSpace("mamba_convolution", "convolution", *kernel),
        StateSpace("mamba_recurrence", "recurrence", *kernel),
        Elementwise("mamba_gated_norm", 2 * 2048, 2048, 23),
        Gemm("mamba_out", hidden, 2048, 23),
        AllReduce("mamba_allreduce", hidden, 2, 23),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 6),
        Gemm("qkv", 16 * 128 + 2 * 128, hidden, 6),
        Attention("attention", 16, 1, 128, count=6),
        Gemm("attention_out", hidden, 2048, 6, input_low_precision=True),
        AllReduce("attention_allreduce", hidden, 2, 6),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 23),
        Overlap("experts_overlap", routed, shared),
        Gemm("lm_head", 131072 // 2, hidden, component="bfloat16", rows=Rows.LOGITS),
    )


@pytest.mark.parametrize(
    ("layout", "width"),
    [(Layout(tp=4, moe_ep=4), 4096), (Layout(dp=4, moe_ep=4), 1024)],
)
def test_latent_experts(layout: Layout, width: int) -> None:
    """Super's experts see 1024 of 4096 elements; over tp the sum comes after the way back, over dp before."""
    listed = named(operations(_SUPER, layout, "prefill", Graph("vllm")))
    assert listed["latent_in"] == Gemm("latent_in", 1024, 4096, 40)
    assert listed["latent_out"] == Gemm("latent_out", 4096, 1024, 40, input_low_precision=True)
    experts, dispatch, combine = (listed[f"expert{name}"] for name in ("s", "_dispatch", "_combine"))
    assert isinstance(experts, Experts)
    assert isinstance(dispatch, ExpertExchange)
    assert isinstance(combine, ExpertExchange)
    assert (experts.hidden, dispatch.hidden, combine.hidden) == (1024, 1024, width)
    order = list(listed)
    assert (order.index("latent_out") < order.index("expert_combine")) == (layout.tp > 1)


def test_without_experts() -> None:
    """Nemotron-H-56B: 54 Mamba, 10 attention and 54 FFN layers; an FFN without a gate."""
    listed = named(operations(_DENSE, Layout(tp=4), "prefill"))
    assert [listed[name].count for name in ("mamba_norm", "attention", "ffn_norm")] == [54, 10, 54]
    assert listed["gate_up"] == Gemm("gate_up", 8192, 8192, 54)
    assert listed["ffn_allreduce"] == AllReduce("ffn_allreduce", 8192, 4, 54)
    assert "experts" not in listed


def test_coarsely_listed() -> None:
    """As AIConfigurator lists it: kernels of all heads, latent projections split, a third all-reduce."""
    graph = Graph("trtllm", conventions=_COARSE)
    listed = named(operations(_SUPER, Layout(tp=4, moe_ep=4), "decode", graph))
    kernel, dispatch = listed["mamba_recurrence"], listed["expert_dispatch"]
    assert isinstance(kernel, StateSpace)
    assert isinstance(dispatch, ExpertExchange)
    assert (kernel.heads, kernel.groups, dispatch.summed) == (128, 8, False)
    assert listed["latent_in"] == Gemm("latent_in", 256, 4096, 40)
    assert listed["embedding"] == Embedding("embedding", 4096, 131072)
    assert "experts_allreduce" in listed
    assert not {"experts_overlap", "mamba_gated_norm", "embedding_allreduce"} & set(listed)


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(cp=2, moe_ep=2), "pass their state from token to token"),
        (Layout(tp=3, moe_ep=3), "does not divide the 64 heads"),
        (Layout(tp=2), "must be equal"),
    ],
)
def test_illegal_layouts(layout: Layout, reason: str) -> None:
    """A state cannot be shared out over a prompt's ranks, and a rank holds whole heads."""
    assert reason in (illegal(_NANO, layout, Graph("sglang")) or "")


def test_groups_are_replicated() -> None:
    """Eight groups serve 16 and 32 ranks; a dense hybrid has no expert degrees."""
    assert illegal(_NANO, Layout(tp=16, moe_ep=16), Graph("vllm")) is None
    assert "dense" in (illegal(_DENSE, Layout(tp=2, moe_ep=2), Graph("vllm")) or "")
