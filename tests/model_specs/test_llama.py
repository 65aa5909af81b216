"""Tests of aicfg.model_specs.llama and the decoder parts it is made of."""

from dataclasses import replace

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.checkpoint import CheckpointQuant
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Collective,
    Elementwise,
    Embedding,
    Gemm,
    PointToPoint,
    Rows,
    Split,
)
from aicfg.model_specs.resolve import load_architecture

_QWEN = load_architecture("Qwen/Qwen3-32B")
_TRUE = Conventions()


def test_operations_of_one_rank() -> None:
    """Qwen3-32B on one GPU: the list of performance model §3.1, without any communication."""
    assert operations(_QWEN, Layout(), "prefill") == (
        Embedding("embedding", 5120, 151936),
        Elementwise("attention_norm", 10240, 10240, 64),
        Gemm("qkv", 64 * 128 + 2 * 8 * 128, 5120, 64),
        Attention("attention", 64, 8, 128, qk_norm=True, count=64),
        Gemm("attention_out", 5120, 64 * 128, 64, input_low_precision=True),
        Elementwise("ffn_norm", 10240, 10240, 64),
        Gemm("gate_up", 2 * 25600, 5120, 64),
        Elementwise("activation", 2 * 25600, 25600, 64),
        Gemm("down", 5120, 25600, 64, input_low_precision=True),
        Gemm("lm_head", 151936, 5120, component="bfloat16", rows=Rows.LOGITS),
    )


def test_sharding_and_communication() -> None:
    """Four ranks in three stages: widths are divided, the three reductions and the hand-over appear."""
    listed = {operation.name: operation for operation in operations(_QWEN, Layout(tp=4, pp=3), "decode")}
    assert listed["embedding"] == Embedding("embedding", 5120, 151936 // 4)
    assert listed["embedding_allreduce"] == AllReduce("embedding_allreduce", 5120, 4, 1)
    assert listed["qkv"] == Gemm("qkv", 64 * 128 // 4 + 2 * 2 * 128, 5120, 64)
    assert listed["attention"] == Attention("attention", 16, 2, 128, qk_norm=True, count=64)
    assert listed["attention_allreduce"] == AllReduce("attention_allreduce", 5120, 4, 64)
    assert listed["activation"] == Elementwise("activation", 2 * 6400, 6400, 64)
    assert listed["ffn_allreduce"] == AllReduce("ffn_allreduce", 5120, 4, 64)
    assert listed["p2p"] == PointToPoint("p2p", 5120, 2, gpus=12)
    assert list(listed).index("embedding_allreduce") == 1


def test_key_value_heads_are_replicated_beyond_their_number() -> None:
    """Eight key-value heads on sixteen ranks: each rank keeps a whole one."""
    listed = {operation.name: operation for operation in operations(_QWEN, Layout(tp=16), "decode")}
    assert listed["qkv"] == Gemm("qkv", 64 * 128 // 16 + 2 * 128, 5120, 64)
    assert listed["attention"] == Attention("attention", 4, 1, 128, qk_norm=True, count=64)


def test_odd_vocabulary_is_cut_down() -> None:
    """A vocabulary that tp does not divide is split by integer division, as the reference does."""
    odd = replace(_QWEN, vocab_size=151937)
    listed = {operation.name: operation for operation in operations(odd, Layout(tp=2), "decode")}
    assert listed["embedding"] == Embedding("embedding", 5120, 75968)
    assert listed["lm_head"] == Gemm("lm_head", 75968, 5120, component="bfloat16", rows=Rows.LOGITS)


def test_context_parallel_prefill() -> None:
    """Four context ranks on SGLang share the tokens out and gather keys and values; decode has none of it."""
    graph, layout = Graph("sglang"), Layout(cp=4)
    listed = {operation.name: operation for operation in operations(_QWEN, layout, "prefill", graph)}
    quarter = Split(context=4)
    assert listed["qkv"] == Gemm("qkv", 64 * 128 + 2 * 8 * 128, 5120, 64, split=quarter)
    assert listed["attention"] == Attention("attention", 64, 8, 128, qk_norm=True, count=64, context=4)
    assert listed["kv_allgather"] == Collective(
        "kv_allgather", "all_gather", 2 * 8 * 128, 4, 64, payload="kvcache"
    )
    assert listed["down"] == Gemm("down", 5120, 25600, 64, input_low_precision=True, split=quarter)
    assert operations(_QWEN, layout, "decode", graph) == operations(_QWEN, Layout(), "decode")


def test_tied_embedding_has_one_weight() -> None:
    """The LM head of a tied model is marked, unless a profile counts its weights again."""
    arch = load_architecture("Qwen/Qwen3-4B")
    twice = Graph("vllm", conventions=Conventions(tied_embedding_twice=True))
    for graph, tied in ((Graph("vllm"), True), (twice, False)):
        head = operations(arch, Layout(), "decode", graph)[-1]
        assert isinstance(head, Gemm)
        assert (head.name, head.tied) == ("lm_head", tied)


def test_unquantised_attention_stays_bfloat16() -> None:
    """Meta's 405B-FP8 quantises its FFNs only: the attention projections stay, unless a profile says no."""
    meta = load_architecture("meta-llama/Llama-3.1-405B-FP8")
    assert _components(meta) == {
        "qkv": "bfloat16",
        "attention_out": "bfloat16",
        "gate_up": "gemm",
        "down": "gemm",
        "lm_head": "bfloat16",
    }
    assert _components(replace(meta, checkpoint=CheckpointQuant("fp8")))["qkv"] == "gemm"
    assert _components(meta, Conventions(unquantised_attention_of_gqa=False))["qkv"] == "gemm"


def _components(arch: Architecture, conventions: Conventions = _TRUE) -> dict[str, str]:
    listed = operations(arch, Layout(tp=8), "prefill", Graph("vllm", conventions=conventions))
    return {operation.name: operation.component for operation in listed if isinstance(operation, Gemm)}
