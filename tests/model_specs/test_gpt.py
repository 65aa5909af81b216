"""Tests of aicfg.model_specs.gpt."""

from aicfg.model_specs.families import operations
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import AllReduce, Attention, Elementwise, Embedding, Gemm, Rows
from aicfg.model_specs.resolve import load_architecture


def test_opt_on_two_ranks() -> None:
    """OPT-6.7B: whole embedding without a reduction, an FFN without a gate, heads of one query each."""
    assert operations(load_architecture("facebook/opt-6.7b"), Layout(tp=2), "prefill") == (
        Embedding("embedding", 4096, 50272),
        Elementwise("attention_norm", 8192, 8192, 32),
        Gemm("qkv", 3 * 2048, 4096, 32),
        Attention("attention", 16, 16, 128, count=32),
        Gemm("attention_out", 4096, 2048, 32, input_low_precision=True),
        AllReduce("attention_allreduce", 4096, 2, 32),
        Elementwise("ffn_norm", 8192, 8192, 32),
        Gemm("gate_up", 8192, 4096, 32),
        Elementwise("activation", 8192, 8192, 32),
        Gemm("down", 4096, 8192, 32, input_low_precision=True),
        AllReduce("ffn_allreduce", 4096, 2, 32),
        Gemm("lm_head", 25136, 4096, component="bfloat16", rows=Rows.LOGITS, tied=True),
    )


def test_multi_query_attention_is_replicated() -> None:
    """StarCoder's one key-value head is on every rank."""
    listed = operations(load_architecture("bigcode/starcoder"), Layout(tp=4), "decode")
    by_name = {operation.name: operation for operation in listed}
    assert by_name["attention"] == Attention("attention", 12, 1, 128, count=40)
    assert by_name["qkv"] == Gemm("qkv", 12 * 128 + 2 * 128, 6144, 40)
