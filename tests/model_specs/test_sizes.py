"""Tests of aicfg.model_specs.sizes."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

GIB = 2**30
_WEIGHTS = "memory_weights"

with (Path(__file__).parents[1] / "data" / "check_values.csv").open() as _rows:
    WEIGHTS = {
        row["case"]: float(row["value"]) for row in csv.DictReader(_rows) if row["quantity"] == _WEIGHTS
    }

PEER = Conventions(
    experts_in_every_layer=True,
    lm_head_in_expert_prefill=False,
    two_reductions_beside_exchange=True,
    attention_reduction_beside_alltoall=False,
    short_wide_graph=True,
    wide_router_left_out=("DeepseekV3ForCausalLM",),
    kernel_heads_of_128=True,
    shared_experts_of_gqa=False,
    whole_latent_embedding=True,
    unquantised_attention_of_gqa=False,
    tied_embedding_twice=True,
)
"""What AIConfigurator 0.12.0 counts."""

_CASE = re.compile(
    r"agg (\S+) (\w+)/(\w+) tp(\d+)pp(\d+)dp(\d+)etp(\d+)ep(\d+) .*"
    r"\[gemm=(\w+) moe=(\w+) fmha=(\w+) kv=(\w+)\]"
)


def _graph(model: str, backend: str, layout: Layout) -> Graph:
    """Of the cases, DeepSeek-V3 on H200 reaches its experts by an all-to-all where §3.4's rules allow."""
    wide = model == "deepseek-ai/DeepSeek-V3" and layout.moe_tp == 1
    if not wide or (backend == "trtllm" and layout.dp == 1):
        return Graph(backend, conventions=PEER)
    prefix = "trtllm_" if backend == "trtllm" else ""
    return Graph(backend, f"{prefix}deepep_ht", f"{prefix}deepep_ll", PEER)


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_equal_aiconfigurator(case: str) -> None:
    """Weight memory is that of every row of check_values.csv, under the conventions it was computed with."""
    found = _CASE.match(case)
    assert found is not None
    model, _, backend, *numbers = found.groups()
    tp, pp, dp, moe_tp, moe_ep = (int(number) for number in numbers[:5])
    layout = Layout(tp, pp, dp, 1, moe_tp, moe_ep)
    quant = Quant(gemm=numbers[5], moe=numbers[6], fmha=numbers[7], kvcache=numbers[8])
    listed = operations(load_architecture(model), layout, "prefill", _graph(model, backend, layout))
    assert weight_bytes(listed, quant) / pp / GIB == pytest.approx(WEIGHTS[case], rel=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        "Qwen/Qwen3-8B",
        "Qwen/Qwen3-4B",
        "mistralai/Mixtral-8x7B-v0.1",
        "openai/gpt-oss-20b",
        "zai-org/GLM-4.7",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
        "deepseek-ai/DeepSeek-V3",
        "moonshotai/Kimi-K2-Instruct",
        "MiniMaxAI/MiniMax-M1-80k",
    ],
)
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_true_weights_are_the_parameters(model: str, backend: str) -> None:
    """By default one GPU holds each parameter once: dense layers, shared experts, a tied table."""
    arch = load_architecture(model)
    found = weight_bytes(operations(arch, Layout(), "prefill", Graph(backend)), Quant())
    assert found / 2 == pytest.approx(parameter_count(arch), rel=5e-4)


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_wide_ranks_hold_the_whole_model(backend: str) -> None:
    """Eight data-parallel ranks of DeepSeek-V3: every rank all but the routed experts, of those an eighth."""
    arch, layout = load_architecture("deepseek-ai/DeepSeek-V3"), Layout(dp=8, moe_ep=8)
    prefix = "trtllm_" if backend == "trtllm" else ""
    graph = Graph(backend, f"{prefix}deepep_ht", f"{prefix}deepep_ll")
    routed = 58 * 256 * 3 * 7168 * 2048
    found = weight_bytes(operations(arch, layout, "prefill", graph), Quant()) / 2
    assert found == pytest.approx(parameter_count(arch) - routed * 7 / 8, rel=3e-4)


def test_weights_follow_each_component() -> None:
    """Halving the GEMM format leaves embedding and lm_head as they were."""
    listed = operations(load_architecture("Qwen/Qwen3-8B"), Layout(), "decode")
    tables = 2 * 2 * 151936 * 4096
    full, half = weight_bytes(listed, Quant()), weight_bytes(listed, Quant(gemm="fp8"))
    assert full - tables == 2 * (half - tables)


def test_unquantised_attention_keeps_its_bytes() -> None:
    """Llama-3.1-405B-FP8 is Meta's 487 GB checkpoint, but for two FFNs that are still in bfloat16."""
    arch = load_architecture("meta-llama/Llama-3.1-405B-FP8")
    found = weight_bytes(operations(arch, Layout(), "decode"), infer(arch))
    first_and_last_ffn = 2 * 3 * 16384 * 53248
    assert found + first_and_last_ffn == pytest.approx(487_168_311_296, rel=1e-4)


@pytest.mark.parametrize(
    ("tp", "quant", "nbytes"),
    [
        (1, Quant(), 2 * 8 * 128 * 64 * 2),
        (2, Quant(), 2 * 4 * 128 * 64 * 2),
        (16, Quant(), 2 * 1 * 128 * 64 * 2),
        (2, Quant(kvcache="fp8"), 2 * 4 * 128 * 64),
    ],
)
def test_kv_bytes_of_a_token(tp: int, quant: Quant, nbytes: float) -> None:
    """Qwen3-32B: keys and values of the rank's heads in all layers; replicated heads are counted on each."""
    assert kv_bytes_per_sequence(load_architecture("Qwen/Qwen3-32B"), Layout(tp=tp), quant, 1) == nbytes


def test_kv_cache_equals_aiconfigurator() -> None:
    """Qwen3-32B, tp 2, 32 requests of 5000 tokens: 19.53125 GiB (design/check_values.md)."""
    found = kv_bytes_per_sequence(load_architecture("Qwen/Qwen3-32B"), Layout(tp=2), Quant(), 5000)
    assert 32 * found / GIB == 19.53125


def test_windowed_layers_keep_their_window() -> None:
    """gpt-oss-120b: 18 layers keep 128 tokens at most, the other 18 all of them; lengths come as an array."""
    arch, lengths = load_architecture("openai/gpt-oss-120b"), np.array([1.0, 128.0, 2048.0])
    found = kv_bytes_per_sequence(arch, Layout(tp=2, moe_ep=2), Quant(), lengths)
    assert found.tolist() == [2 * 4 * 64 * 2 * 18 * tokens for tokens in (2, 256, 2048 + 128)]


@pytest.mark.parametrize("tp", [1, 8])
def test_latent_cache_is_not_split(tp: int) -> None:
    """DeepSeek-V3 keeps 576 elements a token and layer on every rank."""
    arch, layout = load_architecture("deepseek-ai/DeepSeek-V3"), Layout(tp=tp, moe_ep=tp)
    assert kv_bytes_per_sequence(arch, layout, Quant(kvcache="fp8"), 1000) == 61 * 576 * 1000


def test_lightning_layers_keep_a_state() -> None:
    """MiniMax-M1 on 8 ranks: a cache in 10 layers, and in 70 a float32 state of the rank's 8 heads."""
    arch, layout = load_architecture("MiniMaxAI/MiniMax-M1-80k"), Layout(tp=8, moe_ep=8)
    state = 70 * 8 * 128 * 128 * 4
    for tokens in (0, 1, 10_000):
        found = kv_bytes_per_sequence(arch, layout, Quant(), tokens)
        assert found == 10 * 2 * 1 * 128 * 2 * tokens + state
