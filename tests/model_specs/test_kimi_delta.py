"""Tests of aicfg.model_specs.kimi_delta."""

from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
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
    FirstMeasured,
    Gemm,
    KimiDelta,
    LatentAttention,
    LatentModule,
    Operation,
    Overlap,
    Rows,
)
from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.parts import MoeFacts
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.recurrent import KimiDeltaFacts
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence

_K3 = load_architecture("moonshotai/Kimi-K3")
_COARSE = Conventions(coarse_hybrids=True, kernel_heads_of_128=True)
_EIGHT = Layout(tp=8, moe_ep=8)
_LATENT_LAYERS = (4, 8, 12, 16, 20, 24, 27)
_LINEAR: dict[str, Any] = {
    "architectures": ["KimiLinearForCausalLM"],
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 27,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 72,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "moe_intermediate_size": 1024,
    "num_experts": 256,
    "num_experts_per_token": 8,
    "num_shared_experts": 1,
    "first_k_dense_replace": 1,
    "linear_attn_config": {
        "full_attn_layers": list(_LATENT_LAYERS),
        "kda_layers": [layer for layer in range(1, 28) if layer not in _LATENT_LAYERS],
        "head_dim": 128,
        "num_heads": 32,
        "short_conv_kernel_size": 4,
    },
    "model_max_length": 1048576,
    "vocab_size": 163840,
    "tie_word_embeddings": False,
}
"""Kimi-Linear-48B-A3B."""


def linear(**changes: object) -> Architecture:
    """Kimi-Linear with keys of its config changed."""
    return Architecture.from_config({**_LINEAR, **changes}, "kimi-linear", "config.json")


def named(operations_of_step: tuple[Operation, ...]) -> dict[str, Operation]:
    """By name, those of overlapping streams too."""
    flat = [
        part
        for op in operations_of_step
        for part in ((*op.first, *op.second, op) if isinstance(op, Overlap) else (op,))
    ]
    return {op.name: op for op in flat}


def test_k3_decodes_on_eight_ranks_of_vllm() -> None:
    """69 layers with one fused kernel, 24 with latent attention of 96 heads, 92 mixtures in 3,584 columns."""
    hidden, inner, latent = 7168, 96 * 128 // 8, 3584
    module = LatentModule("latent_module", 12, 96, "bfloat16", 24)
    parts = (
        Gemm("compression", 1536 + 512 + 64, hidden, 24, "bfloat16"),
        Gemm("queries", 12 * 192, 1536, 24, "bfloat16"),
        Attention("attention", 12, 12, 128, count=24),
        Gemm("attention_out", hidden, inner, 24, "bfloat16"),
    )
    routed = (
        Gemm("router", 896, hidden, 92, "bfloat16"),
        Gemm("latent_in", latent, hidden, 92),
        Elementwise("latent_norm", 2 * latent, 2 * latent, 92),
        ExpertExchange("expert_dispatch", latent, 1, 8, 1, True, "decode", count=92, summed=True),
        Experts("experts", latent, 3072, 16, 896, 1, 8, 1, "power_law_1.01", count=92),
        Gemm("latent_out", hidden, latent, 92, input_low_precision=True),
        ExpertExchange("expert_combine", hidden, 1, 8, 1, False, "decode", count=92),
    )
    shared = (
        Gemm("shared_gate_up", 1536, hidden, 92, "bfloat16"),
        Elementwise("shared_activation", 1536, 768, 92),
        Gemm("shared_down", hidden, 768, 92, "bfloat16", input_low_precision=True),
    )
    assert operations(_K3, _EIGHT, "decode", Graph("vllm")) == (
        Embedding("embedding", hidden, 163840 // 8),
        AllReduce("embedding_allreduce", hidden, 8),
        Elementwise("delta_norm", 2 * hidden, 2 * hidden, 69),
        Gemm("delta_in", 4 * inner, hidden, 69, "bfloat16"),
        Gemm("delta_narrow", 96 + 128, hidden, 69, "bfloat16"),
        Gemm("delta_decay", inner, 128, 69, "bfloat16"),
        KimiDelta("delta_fused", "fused", hidden, 12, 128, 4, 69),
        Gemm("delta_out", hidden, inner, 69, "bfloat16", input_low_precision=True),
        AllReduce("delta_allreduce", hidden, 8, 69),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 24),
        FirstMeasured("latent_attention", module, parts),
        Gemm("attention_gate", inner, hidden, 24, "bfloat16"),
        Elementwise("attention_gated", 2 * inner, inner, 24),
        AllReduce("attention_allreduce", hidden, 8, 24),
        Elementwise("residual_mix", 4 * hidden, 2 * hidden, 186),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 93),
        Gemm("dense_gate_up", 2 * 33792 // 8, hidden),
        Elementwise("dense_activation", 2 * 33792 // 8, 33792 // 8),
        Gemm("dense_down", hidden, 33792 // 8, input_low_precision=True),
        AllReduce("dense_ffn_allreduce", hidden, 8, 1),
        Overlap("experts_overlap", routed, shared),
        Gemm("lm_head", 163840 // 8, hidden, component="bfloat16", rows=Rows.LOGITS),
    )


@pytest.mark.parametrize(
    ("backend", "role"), [("sglang", "prefill"), ("sglang", "decode"), ("vllm", "prefill")]
)
def test_elsewhere_two_kernels_and_a_norm(backend: str, role: Any) -> None:
    """Only vLLM fuses them, in decode."""
    listed = named(operations(_K3, _EIGHT, role, Graph(backend)))
    assert listed["delta_convolution"] == KimiDelta("delta_convolution", "convolution", 7168, 12, 128, 4, 69)
    assert listed["delta_recurrence"] == KimiDelta("delta_recurrence", "recurrence", 7168, 12, 128, 4, 69)
    assert listed["delta_gated_norm"] == Elementwise("delta_gated_norm", 2 * 1536, 1536, 69)
    assert "delta_fused" not in listed


def test_kimi_linear_has_a_gate_of_low_rank() -> None:
    """Its gate and decay go through 128 columns each; no output gate, no latent experts, no mix of blocks."""
    listed = named(operations(linear(), Layout(tp=2, moe_ep=2), "prefill", Graph("sglang")))
    assert listed["delta_in"] == Gemm("delta_in", 3 * 2048, 2304, 20)
    assert listed["delta_narrow"] == Gemm("delta_narrow", 32 + 2 * 128, 2304, 20)
    assert listed["delta_decay"] == Gemm("delta_decay", 2048, 128, 20)
    assert listed["delta_gate"] == Gemm("delta_gate", 2048, 128, 20)
    assert listed["queries"] == Gemm("queries", 16 * 192, 2304, 7)
    assert not {"attention_gate", "latent_in", "residual_mix"} & set(listed)


def test_facts_of_kimi_linear() -> None:
    """From its flat config: 20 layers of 27, a longest prompt under another name."""
    arch = linear()
    assert arch.kimi_delta == KimiDeltaFacts(20, 32, 128, 4)
    assert arch.moe == MoeFacts(256, 8, 1024, 1024, 1, "power_law_1.01")
    assert (arch.softmax_layers, arch.irregular_layers, arch.output_gate) == (7, 20, False)
    assert arch.max_position_embeddings == 1048576
    assert parameter_count(arch) == pytest.approx(49.1e9, rel=1e-3)


@pytest.mark.parametrize("listed", [None, [0, 1], [1, 28], ["1"]])
def test_layers_that_cannot_be(listed: object) -> None:
    """They are numbered from 1."""
    changed = {**_LINEAR["linear_attn_config"], "kda_layers": listed}
    with pytest.raises(InputError, match="linear_attn_config: kda_layers: a list of layers from 1 to 27"):
        linear(linear_attn_config=changed)


def test_coarse_k3() -> None:
    """The compression beside the module, another sum before the experts, shared experts after them."""
    fine = named(operations(_K3, _EIGHT, "decode", Graph("vllm")))
    coarse = named(operations(_K3, _EIGHT, "decode", Graph("vllm", conventions=_COARSE)))
    assert coarse["compression"] == Gemm("compression", 2112, 7168, 24, "bfloat16")
    assert "compression" not in fine
    block = coarse["latent_attention"]
    assert isinstance(block, FirstMeasured)
    assert [part.name for part in block.parts] == ["queries", "attention", "attention_out"]
    dispatch, combine = coarse["expert_dispatch"], coarse["expert_combine"]
    assert isinstance(dispatch, ExpertExchange) and isinstance(combine, ExpertExchange)
    assert (dispatch.summed, dispatch.hidden, combine.hidden) == (False, 3584, 3584)
    assert "experts_overlap" in fine and "experts_overlap" not in coarse


def test_coarse_k3_on_sglang_looks_its_own_heads_up() -> None:
    """Product by product, and not 128 heads' share, as DeepSeek's."""
    listed = named(operations(_K3, _EIGHT, "decode", Graph("sglang", conventions=_COARSE)))
    assert listed["attention"] == LatentAttention("attention", 12, 24)
    assert "latent_attention" not in listed


def test_sglang_sums_where_it_gathers() -> None:
    """With attention ranks; coarsely it sums all the same."""
    layout, sums = Layout(tp=4, dp=4, moe_ep=16), {"delta_allreduce", "attention_allreduce"}
    assert not sums & set(named(operations(_K3, layout, "decode", Graph("sglang"))))
    assert sums <= set(named(operations(_K3, layout, "decode", Graph("vllm"))))
    assert sums <= set(named(operations(_K3, layout, "decode", Graph("sglang", conventions=_COARSE))))


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (_EIGHT, None),
        (Layout(tp=32, moe_ep=32), None),
        (Layout(tp=64, moe_ep=64), "tp 64 does not divide the 96 heads of delta attention"),
        (Layout(cp=2, moe_ep=2), "delta attention passes its state from token to token and cannot have cp 2"),
        (Layout(tp=8, moe_ep=4), "tp x dp x cp = 8 and moe_tp x moe_ep = 4 must be equal"),
    ],
)
def test_layouts(layout: Layout, reason: str | None) -> None:
    """What the heads, the state and the experts allow."""
    found = illegal(_K3, layout, Graph("sglang"))
    assert found is None if reason is None else (found or "").startswith(reason)


def test_cache_of_latent_layers_and_one_state() -> None:
    """24 layers keep 576 elements a token, 69 a state and 3 inputs of the convolution, over tp."""
    token = 24 * 576 * 2
    state = 69 * (96 * 128 * 128 * 4 + 3 * 96 * 128 * 3 * 2) // 8
    assert kv_bytes_per_sequence(_K3, _EIGHT, Quant(), 1000) == token * 1000 + state
    assert kv_bytes_per_sequence(_K3, _EIGHT, Quant(), 1000, _COARSE) == token * 1000 + 5 * state
