"""Tests of aicfg.model_specs.pruned and of the shapes of its layers."""

from collections import Counter
from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import AllReduce, Attention, Elementwise, Gemm
from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.pruned_facts import LayerShape
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

_SUPER = load_architecture("nvidia/Llama-3_3-Nemotron-Super-49B-v1")
_COARSE = Conventions(coarse_hybrids=True)
_BLOCKS = [
    {"attention": {"n_heads_in_group": 4, "no_op": False}, "ffn": {"ffn_mult": 2.625, "no_op": False}},
    {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 1.3125}},
    {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 2.625}},
    {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": None, "no_op": True}},
]
_TINY: dict[str, Any] = {
    "architectures": ["DeciLMForCausalLM"],
    "hidden_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": None,
    "intermediate_size": None,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
    "block_configs": _BLOCKS,
}


def tiny(**changes: object) -> Architecture:
    """Four layers of four shapes, with keys of the config changed."""
    return Architecture.from_config({**_TINY, **changes}, "tiny", "config.json")


def test_shapes() -> None:
    """Heads by group; two thirds of the multiple of 1,024, rounded up to 256: 1,792, and 896 to 1,024."""
    assert tiny().shapes == (
        LayerShape(1, 4, 1792),
        LayerShape(1, 2, 1024),
        LayerShape(1, 0, 1792),
        LayerShape(1, 4, 0),
    )
    assert (tiny().num_kv_heads, tiny().intermediate_size) == (4, 1792)
    assert (tiny().softmax_layers, tiny().feed_forwards) == (3, 3)


def test_super_is_what_its_config_lists() -> None:
    """49 of 80 layers have attention, with 8 key-value heads each; six widths of FFNs."""
    widths: Counter[int] = Counter()
    for shape in _SUPER.shapes:
        widths[shape.inner] += shape.layers
    assert (_SUPER.softmax_layers, _SUPER.num_kv_heads) == (49, 8)
    assert widths == {28672: 49, 17920: 1, 14336: 6, 7168: 10, 5632: 8, 2816: 6}


def test_operations_by_shape() -> None:
    """Attention by its number of key-value heads, FFNs by their width."""
    hidden = 1024
    listed = operations(tiny(), Layout(tp=2), "prefill", Graph("vllm"))
    attentions = [op for op in listed if isinstance(op, Attention)]
    assert attentions == [Attention("attention", 8, 2, 64, count=2), Attention("attention", 8, 1, 64)]
    at = [op.name for op in listed].index("ffn_1792_norm")
    assert listed[at : at + 5] == (
        Elementwise("ffn_1792_norm", 2 * hidden, 2 * hidden, 2),
        Gemm("ffn_1792_gate_up", 1792, hidden, 2),
        Elementwise("ffn_1792_activation", 1792, 896, 2),
        Gemm("ffn_1792_down", hidden, 896, 2, input_low_precision=True),
        AllReduce("ffn_1792_allreduce", hidden, 2, 2),
    )
    assert "embedding_allreduce" in {op.name for op in listed}
    coarse = operations(tiny(), Layout(tp=2), "prefill", Graph("vllm", conventions=_COARSE))
    assert "embedding_allreduce" not in {op.name for op in coarse}


def test_sizes_count_what_is_there() -> None:
    """Weights and parameters agree but for norms; the cache has 2 x 4 and 2 heads in three layers."""
    arch = tiny()
    weights = weight_bytes(operations(arch, Layout(), "prefill"), Quant()) / 2
    assert parameter_count(arch) == weights + (3 + 3 + 1) * 1024
    assert kv_bytes_per_sequence(arch, Layout(), Quant(), 100) == 2 * (4 + 2 + 4) * 64 * 2 * 100
    assert kv_bytes_per_sequence(arch, Layout(tp=4), Quant(), 100) == 2 * 3 * 64 * 2 * 100
    assert kv_bytes_per_sequence(arch, Layout(), Quant(), 100, _COARSE) == 0


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(tp=4), None),
        (Layout(tp=32), "tp 32 does not divide the 16 attention heads"),
        (Layout(tp=3), "tp 3 does not divide the intermediate size 1792"),
        (Layout(dp=2), "a dense model has dp = moe_tp = moe_ep = 1"),
    ],
)
def test_layouts(layout: Layout, reason: str | None) -> None:
    """Every shape must be divided."""
    assert illegal(tiny(), layout, Graph("vllm")) == reason


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        (None, "a list of 4 layers is needed"),
        (_BLOCKS[:3], "a list of at least 4 entries is needed"),
        ([*_BLOCKS[:3], {"attention": {}}], "cannot be understood"),
        ([*_BLOCKS[:3], {"attention": {"n_heads_in_group": 5}, "ffn": {"no_op": True}}], "groups of 5"),
        ([*_BLOCKS[:3], {"attention": {"n_heads_in_group": -8}, "ffn": {"no_op": True}}], "groups of -8"),
        ([*_BLOCKS[:3], {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1e9}}], "an FFN of 6.83e"),
        ([*_BLOCKS[:3], {"attention": {"no_op": True}, "ffn": {"ffn_mult": -1}}], "an FFN of -"),
        ([*_BLOCKS[:3], {"attention": {"no_op": True}, "ffn": {"ffn_mult": float("inf")}}], "cannot be"),
        ([*_BLOCKS[:3], {"attention": {"replace_with_linear": True}, "ffn": {}}], "a linear map"),
    ],
)
def test_blocks_that_cannot_be(blocks: object, problem: str) -> None:
    """The message names the key."""
    with pytest.raises(InputError, match=f"config.json: block_configs: {problem}"):
        tiny(block_configs=blocks)
