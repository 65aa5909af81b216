"""Tests of aicfg.model_specs.attention_kinds."""

from typing import Any

import numpy as np
import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.attention_kinds import AttentionKind
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.gemma_facts import GemmaFacts
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence

_MIMO = load_architecture("XiaomiMiMo/MiMo-V2-Flash")
_GEMMA = load_architecture("google/gemma-4-26B-A4B")

SMALL: dict[str, Any] = {
    # of the shape of Gemma 4 E2B: few key-value heads, shared by the last layers
    "hidden_size": 1536,
    "num_hidden_layers": 10,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "global_head_dim": 512,
    "intermediate_size": 6144,
    "vocab_size": 262144,
    "max_position_embeddings": 131072,
    "sliding_window": 512,
    "num_kv_shared_layers": 5,
    "hidden_size_per_layer_input": 256,
    "vocab_size_per_layer_input": 262144,
    "use_double_wide_mlp": True,
    "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 2,
}


def gemma(**changes: Any) -> Architecture:
    """A small Gemma 4 with some keys changed; None takes a key out."""
    merged = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
    config = {"architectures": ["Gemma4ForConditionalGeneration"], "text_config": merged}
    return Architecture.from_config(config, "test/model", "config.json")


def test_kinds_of_the_catalogue() -> None:
    """MiMo: nine layers without a window, four KV heads; Gemma 4: five, of twice the head size."""
    assert _MIMO.attentions == (
        AttentionKind(9, 64, 4, 192, 128, 0, 9),
        AttentionKind(39, 64, 8, 192, 128, 128, 39),
    )
    assert _GEMMA.attentions == (
        AttentionKind(5, 16, 2, 512, 512, 0, 5, keys_are_values=True),
        AttentionKind(25, 16, 8, 256, 256, 1024, 25),
    )
    assert load_architecture("openai/gpt-oss-120b").attentions == ()


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, [(2, 1), (8, 4)]),
        ({"num_kv_shared_layers": None}, [(2, 2), (8, 8)]),
        ({"layer_types": None}, [(1, 0), (9, 5)]),
        ({"layer_types": None, "num_kv_shared_layers": 0}, [(1, 1), (9, 9)]),
    ],
)
def test_layers_and_owners(changes: dict[str, Any], layers: list[tuple[int, int]]) -> None:
    """Listed, or every sixth without a window; the last ones may take others' keys and values."""
    assert [(kind.layers, kind.owners) for kind in gemma(**changes).attentions] == layers


def test_facts_beside_attention() -> None:
    """Layers that share have FFNs of double width where the config says so; inputs may be absent."""
    assert gemma().gemma == GemmaFacts(5, 256, 262144)
    plain = gemma(use_double_wide_mlp=False, hidden_size_per_layer_input=0)
    assert plain.gemma == GemmaFacts()
    assert plain.moe is None
    with pytest.raises(InputError, match=r"num_experts: missing"):
        gemma(enable_moe_block=True)


def test_columns_and_cache_of_a_kind() -> None:
    """Values may come from the keys' projection, yet both are kept; one head is kept at least."""
    full, windowed = _GEMMA.attentions
    assert (full.key_value_columns, windowed.key_value_columns) == (512, 512)
    assert [full.cached(tp) for tp in (1, 2, 8)] == [2 * 1024, 1024, 1024]


def test_cache_of_two_kinds() -> None:
    """Windowed layers keep their window; layers that share keep nothing; lengths come as an array."""
    lengths = np.array([100.0, 512.0, 5000.0])
    found = kv_bytes_per_sequence(gemma(), Layout(), Quant(), lengths)
    assert found.tolist() == [2 * (1024 * n + 4 * 512 * min(n, 512)) for n in lengths]
    coarse = kv_bytes_per_sequence(gemma(), Layout(), Quant(), lengths, Conventions(coarse_hybrids=True))
    assert coarse.tolist() == [2 * (2 * 1024 * n + 8 * 512 * min(n, 512)) for n in lengths]


def test_cache_of_mimo() -> None:
    """Keys are wider than values; coarsely, all layers keep all tokens at the keys' width."""
    layout = Layout(tp=4, moe_ep=4)
    full, window = 9 * 320 * 5000, 39 * 2 * 320 * 128
    assert kv_bytes_per_sequence(_MIMO, layout, Quant(kvcache="fp8"), 5000) == full + window
    coarse = kv_bytes_per_sequence(
        _MIMO, layout, Quant(kvcache="fp8"), 5000, Conventions(coarse_hybrids=True)
    )
    assert coarse == 48 * 2 * 192 * 5000
