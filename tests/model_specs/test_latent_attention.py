"""Tests of aicfg.model_specs.latent_attention."""

from dataclasses import replace

import pytest

from aicfg.model_specs.decoder import Step
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.latent_attention import granular, module, wide_stack
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AbsorbedProduct,
    Attention,
    Collective,
    FirstMeasured,
    Gemm,
    LatentAttention,
    LatentModule,
    Phase,
    Split,
    WideLatentAttention,
)
from aicfg.model_specs.resolve import load_architecture

_EIGHT = Layout(tp=8, moe_ep=8)
_TRUE = Conventions()


def step(
    model: str,
    backend: str = "trtllm",
    phase: Phase = "decode",
    layout: Layout = _EIGHT,
    conventions: Conventions = _TRUE,
) -> Step:
    """A step of a model of the catalogue."""
    return Step(load_architecture(model), layout, phase, Graph(backend, conventions=conventions))


@pytest.mark.parametrize(
    ("model", "formats"),
    [
        ("deepseek-ai/DeepSeek-V3", ("gemm", "gemm", "gemm", "gemm")),
        ("nvidia/DeepSeek-V3.1-NVFP4", ("bfloat16", "bfloat16", "bfloat16", "gemm")),
        ("nvidia/Kimi-K2.5-NVFP4", ("bfloat16", "bfloat16", "bfloat16", "bfloat16")),
    ],
)
def test_projections_follow_the_checkpoint(model: str, formats: tuple[str, ...]) -> None:
    """Compression, queries, keys and values, output: each in its format; absorbed products in the third's."""
    prefill = granular(step(model, phase="prefill"), 61)
    products = [operation for operation in prefill if isinstance(operation, Gemm)]
    assert [operation.name for operation in products] == [
        "compression",
        "queries",
        "keys_values",
        "attention_out",
    ]
    assert tuple(operation.component for operation in products) == formats
    absorbed = [
        operation for operation in granular(step(model), 61) if isinstance(operation, AbsorbedProduct)
    ]
    assert [operation.component for operation in absorbed] == [formats[2], formats[2]]


def test_mixed_formats_have_no_module() -> None:
    """A module is measured in one format: mixed checkpoints are charged product by product."""
    mixed = step("nvidia/DeepSeek-V3.1-NVFP4")
    assert module(mixed) == granular(mixed, 61)
    (uniform,) = module(step("nvidia/Kimi-K2.5-NVFP4"))
    assert isinstance(uniform, FirstMeasured)
    assert uniform.whole == LatentModule("latent_module", 8, 64, "bfloat16", 61)


def test_another_shape_has_no_module() -> None:
    """The module tables are of DeepSeek-V3's shape; a model that only shares the class has its products."""
    small = step("deepseek-ai/DeepSeek-V3")
    small = replace(small, arch=replace(small.arch, hidden_size=2048))
    assert module(small) == granular(small, 61)


def test_queries_from_the_layer_input() -> None:
    """Without compressed queries the query projection reads the hidden state."""
    plain = step("deepseek-ai/DeepSeek-V3", layout=Layout())
    assert plain.arch.latent is not None
    arch = replace(plain.arch, latent=replace(plain.arch.latent, q_lora_rank=0))
    listed = granular(replace(plain, arch=arch), 61)
    assert listed[:2] == (Gemm("compression", 576, 7168, 61), Gemm("queries", 128 * 192, 7168, 61))


@pytest.mark.parametrize(
    ("conventions", "heads"), [(Conventions(), 8), (Conventions(kernel_heads_of_128=True), 16)]
)
def test_kernel_heads(conventions: Conventions, heads: int) -> None:
    """Kimi's 64 heads on 8 ranks are 8 each; the reference looks 128 heads' share up."""
    listed = granular(step("moonshotai/Kimi-K2-Instruct", conventions=conventions), 61)
    assert LatentAttention("attention", heads, 61) in listed
    assert AbsorbedProduct("absorb_queries", 8, True, count=61) in listed


def test_vllm_has_no_kernel_of_its_own() -> None:
    """It is charged as multi-head attention as wide as the values, without absorbed products."""
    listed = granular(step("deepseek-ai/DeepSeek-V3", "vllm"), 61)
    assert [operation.name for operation in listed] == [
        "compression",
        "queries",
        "attention",
        "attention_out",
    ]
    assert listed[2] == Attention("attention", 16, 16, 128, count=61)


def test_context_parallel_prefill() -> None:
    """SGLang with cp 4: tokens and the module's repetitions are shared out, the compressed cache gathered."""
    layout = Layout(cp=4, moe_ep=4)
    block, gather = module(step("deepseek-ai/DeepSeek-V3", "sglang", "prefill", layout))
    assert gather == Collective("kv_allgather", "all_gather", 576, 4, 61, payload="kvcache")
    assert isinstance(block, FirstMeasured)
    assert block.whole == LatentModule("latent_module", 128, 128, count=61 / 4)
    assert block.parts[0] == Gemm("compression", 2112, 7168, 61, split=Split(context=4))
    assert block.parts[3] == LatentAttention("attention", 128, 61, context=4)


def test_wide_stack() -> None:
    """SGLang's: the tables' ranks follow the model's heads, and the projections inside have weights."""
    inner = 1536 * 192 + 512 * 256 + 128 * 7168
    deepseek, kimi = (
        wide_stack(step(model, "sglang", "prefill"))
        for model in ("deepseek-ai/DeepSeek-V3", "moonshotai/Kimi-K2-Instruct")
    )
    assert deepseek == (
        Gemm("compression", 2112, 7168, 61, split=Split(shards=8)),
        Collective("tp_allgather", "all_gather", 7168, 8, 61),
        WideLatentAttention("attention", 8, 61, parameters=inner * 16),
        Collective("tp_reduce_scatter", "reduce_scatter", 7168, 8, 61),
    )
    assert kimi[2] == WideLatentAttention("attention", 16, 61, parameters=inner * 8)
    decode = wide_stack(step("deepseek-ai/DeepSeek-V3", "sglang"))
    assert decode[0] == Gemm("compression", 2112, 7168, 61)
    assert len(decode) == 2
