"""DeepSeek-V4: attention to compressed tokens, over several residual streams."""

from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import CompressedModule, ExpertExchange, HyperConnection, Operation, Overlap
from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import catalogue_config, load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

FLASH, PRO = "deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro"
GIB = 2**30


def read(**changes: Any) -> Architecture:
    """DeepSeek-V4-Flash with some keys changed."""
    found = catalogue_config(FLASH)
    assert found is not None
    return Architecture.from_config({**found[1], **changes}, "v4", "made")


def modules(model: str, layout: Layout) -> tuple[CompressedModule, ...]:
    """The attention of one step."""
    listed = operations(load_architecture(model), layout, "decode", Graph("vllm"))
    return tuple(op for op in listed if isinstance(op, CompressedModule))


def test_facts_are_read() -> None:
    """The draft layer's entry, past the model's own layers, is left out."""
    facts = load_architecture(FLASH).compressed
    assert facts is not None and (len(facts.ratios), facts.window, facts.topk) == (43, 128, 512)
    assert (facts.ratios[:4], facts.ratios.count(4), facts.ratios.count(128)) == ((0, 0, 4, 128), 21, 20)
    assert (facts.streams, facts.rounds, facts.o_groups) == (4, 20, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compress_ratios": [4, 4]}, "compress_ratios"),
        ({"compress_ratios": [7] * 43}, "compress_ratios"),
        ({"index_topk": 0}, "index_topk"),
    ],
)
def test_a_config_out_of_shape_is_refused(changes: dict[str, Any], message: str) -> None:
    """Too few layers, tokens of an entry that the model does not have, no choice: the key is named."""
    with pytest.raises(InputError, match=message):
        read(**changes)


def test_expert_formats_are_the_checkpoints() -> None:
    """DeepSeek's own checkpoints have fp4 experts beside fp8 products; the cache is fp8 by the class."""
    own, plain = (
        infer(load_architecture(FLASH)),
        infer(load_architecture("sgl-project/DeepSeek-V4-Flash-FP8")),
    )
    assert (own.gemm, own.moe, own.kvcache) == ("fp8_block", "w4a8_mxfp4_mxfp8", "fp8")
    assert (plain.gemm, plain.moe, plain.kvcache) == ("fp8_block", "fp8_block", "fp8")
    assert infer(load_architecture("nvidia/DeepSeek-V4-Flash-NVFP4")).kvcache == "fp8"


def test_modules_are_those_of_the_layers() -> None:
    """Each kind counts its layers, and tp splits the heads and their groups, never the index."""
    chooses, wide = modules(FLASH, Layout(tp=8, moe_ep=8))
    assert (chooses.ratio, chooses.count, wide.ratio, wide.count) == (4, 21, 128, 22)
    assert (chooses.heads, chooses.native_heads, chooses.groups, chooses.index_heads) == (8, 64, 1, 64)
    (whole, _) = modules(PRO, Layout(dp=8, moe_ep=8))
    assert (whole.heads, whole.groups, whole.count) == (128, 16, 30)


def test_weights_are_the_parameters() -> None:
    """On one GPU, in bfloat16, what is charged is what is published, but for norms and positions."""
    arch = load_architecture(FLASH)
    listed = operations(arch, Layout(), "prefill", Graph("vllm"))
    held = weight_bytes(listed, Quant()) / 2
    assert held == pytest.approx(parameter_count(arch), rel=1e-3)


def test_parameters_of_the_large_model() -> None:
    """ "1.6T" on its card."""
    assert parameter_count(load_architecture(PRO)) == pytest.approx(1.6e12, rel=0.02)


def test_cache_grows_by_entries() -> None:
    """A million tokens take about a tenth of DeepSeek-V3.2's cache (the report's claim); few, a window."""
    v4, v32 = load_architecture(PRO), load_architecture("deepseek-ai/DeepSeek-V3.2")
    layout, quant = Layout(tp=8, moe_ep=8), Quant(kvcache="bfloat16")
    long = float(2**20)
    held = kv_bytes_per_sequence(v4, layout, quant, long)
    assert 8.0 < held / GIB < 9.0  # 9.62 GiB with keys of the index in bfloat16
    assert held < 0.11 * kv_bytes_per_sequence(v32, layout, quant, long)
    window, more = (kv_bytes_per_sequence(v4, layout, quant, tokens) for tokens in (127.0, 128.0))
    entries = 30 * (512 * 2 + 64) + 31 * 512 * 2
    assert more - window == 61 * 512 * 2 + entries


def _stream_bytes(conventions: Conventions) -> float:
    arch = load_architecture(FLASH)
    listed = operations(arch, Layout(tp=8, moe_ep=8), "prefill", Graph("vllm", conventions=conventions))
    return weight_bytes([op for op in listed if isinstance(op, HyperConnection)], Quant())


def test_streams_are_mixed_by_one_set_of_weights() -> None:
    """The peer counts it before and after the sublayers."""
    assert _stream_bytes(Conventions(compressed_by_convention=True)) == 2 * _stream_bytes(Conventions())
    assert _stream_bytes(Conventions()) == 43 * 2 * (24 * 4 * 4096 + 24 + 3) * 2


def _exchanges(listed: tuple[Operation, ...]) -> set[str]:
    (overlap,) = (op for op in listed if isinstance(op, Overlap))
    return {op.phase for op in overlap.first if isinstance(op, ExpertExchange)}


def test_ranks_that_shared_a_prompt_hold_the_same_tokens_in_decode() -> None:
    """Their outputs are summed; the peer gathers and scatters as in prefill."""
    layout, arch = Layout(cp=8, moe_tp=8), load_architecture(FLASH)
    own, peer = (
        operations(arch, layout, "decode", Graph("sglang", conventions=counts))
        for counts in (Conventions(), Conventions(compressed_by_convention=True))
    )
    assert (_exchanges(own), _exchanges(peer)) == ({"decode"}, {"prefill"})


def test_heads_must_divide() -> None:
    """The reason names the degree and the heads."""
    with pytest.raises(InputError, match="tp 3 does not divide the 64 attention heads"):
        operations(load_architecture(FLASH), Layout(tp=3, moe_tp=3), "decode", Graph("vllm"))
