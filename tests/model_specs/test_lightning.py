"""Tests of aicfg.model_specs.lightning."""

from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Elementwise,
    Embedding,
    ExpertExchange,
    Experts,
    Gemm,
    Rows,
)
from aicfg.model_specs.resolve import load_architecture

_MINIMAX = load_architecture("MiniMaxAI/MiniMax-M1-80k")


def test_minimax_on_eight_ranks() -> None:
    """MiniMax-M1 with tp 8 and ep 8 in decode: 10 softmax and 70 linear layers, experts in all 80."""
    hidden, width = 6144, 64 * 128 // 8
    state = 2 * width * 128
    assert operations(_MINIMAX, Layout(tp=8, moe_ep=8), "decode", Graph("vllm")) == (
        Embedding("embedding", hidden, 200064 // 8),
        AllReduce("embedding_allreduce", hidden, 8),
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, 10),
        Gemm("qkv", width + 2 * 128, hidden, 10),
        Attention("attention", 8, 1, 128, count=10),
        Gemm("attention_out", hidden, width, 10, input_low_precision=True),
        Elementwise("lightning_norm", 2 * hidden, 2 * hidden, 70),
        Gemm("lightning_qkv", 3 * width, hidden, 70),
        Elementwise("lightning_state", 3 * width + state, width + state, 70),
        Gemm("lightning_gate", width, hidden, 70),
        Elementwise("lightning_gated_norm", 2 * width, width, 70),
        Gemm("lightning_out", hidden, width, 70, input_low_precision=True),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, 80),
        Gemm("router", 32, hidden, 80, "bfloat16"),
        ExpertExchange("expert_dispatch", hidden, 1, 8, 1, True, "decode", count=80),
        Experts("experts", hidden, 9216, 2, 32, 1, 8, 1, "power_law_1.2", count=80),
        ExpertExchange("expert_combine", hidden, 1, 8, 1, False, "decode", count=80),
        Gemm("lm_head", 200064 // 8, hidden, component="bfloat16", rows=Rows.LOGITS),
    )


def test_a_prompt_moves_the_state_once_a_block() -> None:
    """In prefill the state goes in and out every 256 tokens: 4 MiB a layer, 16 KiB a token."""
    listed = {operation.name: operation for operation in operations(_MINIMAX, Layout(), "prefill")}
    width = 64 * 128
    state = 2 * width * 128 // 256
    assert 2 * state == 16 * 1024
    assert listed["lightning_state"] == Elementwise("lightning_state", 3 * width + state, width + state, 70)
