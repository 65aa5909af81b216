"""Tests of aicfg.model_specs.legality."""

import pytest

from aicfg.model_specs.families import illegal
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.resolve import load_architecture

_QWEN, _QWEN_FP8 = "Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-235B-A22B-FP8"
_DEEPSEEK, _GLM, _MINIMAX = "deepseek-ai/DeepSeek-V3", "zai-org/GLM-4.7", "MiniMaxAI/MiniMax-M1-80k"
_VLLM, _SGLANG, _TRTLLM = Graph("vllm"), Graph("sglang"), Graph("trtllm")
_WIDE = Graph("trtllm", "trtllm_deepep_ht", "trtllm_deepep_ll")


@pytest.mark.parametrize(
    ("model", "graph", "layout", "reason"),
    [
        (_QWEN, _VLLM, Layout(), None),
        (_QWEN, _VLLM, Layout(tp=4, dp=2, moe_ep=8), None),
        (_QWEN, _VLLM, Layout(tp=4, moe_ep=8), "tp x dp x cp = 4 and moe_tp x moe_ep = 8 must be equal"),
        (_QWEN, _VLLM, Layout(tp=4, moe_tp=2, moe_ep=2), "vllm splits experts by moe_tp or by moe_ep"),
        (_QWEN, _SGLANG, Layout(tp=4, moe_tp=2, moe_ep=2), None),
        (_QWEN, _TRTLLM, Layout(tp=4, moe_tp=2, moe_ep=2), None),
        (_QWEN, _TRTLLM, Layout(tp=2, dp=2, moe_ep=4), "trtllm splits attention by tp or by dp"),
        (_QWEN, _SGLANG, Layout(tp=2, dp=2, moe_ep=4), None),
        (_QWEN, _SGLANG, Layout(cp=4, moe_ep=4), None),
        (_QWEN, _VLLM, Layout(cp=4, moe_ep=4), "vllm has no context parallelism (cp 4)"),
        (_QWEN, _SGLANG, Layout(tp=2, cp=2, moe_ep=4), "sglang: cp 2 excludes tp and dp of the attention"),
        (_QWEN, _SGLANG, Layout(dp=3, moe_ep=3), "moe_ep 3 does not divide the 128 experts"),
        (_QWEN, _SGLANG, Layout(dp=256, moe_ep=256), "moe_ep 256 does not divide the 128 experts"),
        (_QWEN, _SGLANG, Layout(dp=5, moe_tp=5), "moe_tp 5 does not divide the experts' width 1536"),
        (_QWEN, _SGLANG, Layout(tp=128, moe_ep=128), "tp 128 does not divide the 64 attention heads"),
        (_QWEN, _VLLM, Layout(tp=8, moe_tp=8), None),
        (
            _QWEN_FP8,
            _VLLM,
            Layout(tp=8, moe_tp=8),
            "moe_tp 8 leaves 192 of an expert, no multiple of the fp8",
        ),
        (_QWEN_FP8, _VLLM, Layout(tp=4, moe_tp=4), None),
        (_QWEN, _VLLM, Layout(pp=95), "pp 95 exceeds the 94 layers"),
        (_DEEPSEEK, _SGLANG, Layout(dp=256, moe_ep=256), None),
        (_DEEPSEEK, _VLLM, Layout(tp=256, moe_ep=256), "tp 256 does not divide the 128 attention heads"),
        (_DEEPSEEK, _VLLM, Layout(tp=32, moe_tp=32), "moe_tp 32 leaves 64 of an expert"),
        (_DEEPSEEK, _WIDE, Layout(dp=8, moe_ep=8), None),
        (_DEEPSEEK, _WIDE, Layout(tp=8, moe_ep=8), "trtllm's all-to-all to the experts needs dp beyond 1"),
        (_DEEPSEEK, _WIDE, Layout(dp=8, moe_tp=8), "an all-to-all to the experts needs moe_tp 1"),
        (_GLM, _VLLM, Layout(dp=32, moe_ep=32), None),
        (_GLM, _VLLM, Layout(dp=64, moe_ep=64), "moe_ep 64 does not divide the 160 experts"),
        (_MINIMAX, _SGLANG, Layout(cp=2, moe_ep=2), "lightning attention passes its state"),
        (_MINIMAX, _SGLANG, Layout(tp=8, moe_ep=8), None),
    ],
)
def test_mixtures_and_their_reasons(model: str, graph: Graph, layout: Layout, reason: str | None) -> None:
    """What the GPUs share, what must divide what, what each engine does not do: each has its sentence."""
    found = illegal(load_architecture(model), layout, graph)
    assert found is None if reason is None else found is not None and found.startswith(reason)
