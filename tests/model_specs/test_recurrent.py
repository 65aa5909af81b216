"""Tests of aicfg.model_specs.recurrent."""

from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.recurrent import DeltaFacts, MambaFacts, mixers
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence

NEXT: dict[str, Any] = {
    # Qwen3-Next-80B-A3B-Instruct, its published config.json
    "architectures": ["Qwen3NextForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "vocab_size": 151936,
    "max_position_embeddings": 262144,
    "num_experts": 512,
    "num_experts_per_tok": 10,
    "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
    "decoder_sparse_step": 1,
    "full_attention_interval": 4,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
}


def read(**changes: Any) -> Architecture:
    """Qwen3-Next with some keys changed; None takes a key out."""
    merged = {key: value for key, value in {**NEXT, **changes}.items() if value is not None}
    return Architecture.from_config(merged, "test/model", "config.json")


def test_facts_of_the_catalogue() -> None:
    """Qwen3.5-397B: 45 layers of 16 key and 64 value heads."""
    assert load_architecture("Qwen/Qwen3.5-397B-A17B").delta == DeltaFacts(45, 16, 128, 64, 128, 4)
    assert load_architecture("Qwen/Qwen3-32B").delta is None


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, 36),
        ({"full_attention_interval": None}, 36),
        ({"full_attention_interval": 3}, 32),
        ({"layer_types": ["linear_attention"] * 40 + ["full_attention"] * 8}, 40),
    ],
)
def test_linear_layers(changes: dict[str, Any], layers: int) -> None:
    """Listed, or all but every fourth (or so many)."""
    arch = read(**changes)
    assert arch.delta is not None
    assert (arch.delta.layers, arch.softmax_layers) == (layers, 48 - layers)


def test_state_element() -> None:
    """The state is float32 unless the config says bfloat16; what it does not know counts as float32."""
    sizes = [read(mamba_ssm_dtype=dtype).delta for dtype in (None, "float32", "bfloat16", "fp8")]
    assert [facts.state_element_bytes for facts in sizes if facts] == [4, 4, 2, 4]


def test_value_heads_share_key_heads_out() -> None:
    """Each key head serves as many value heads."""
    with pytest.raises(InputError, match=r"linear_num_value_heads: 24 is no multiple of 16"):
        read(linear_num_value_heads=24)


def test_cache_and_state() -> None:
    """Qwen3.5-397B, tp 8: 15 layers keep one KV head's tokens, 45 a float32 state and three inputs."""
    arch, layout = load_architecture("Qwen/Qwen3.5-397B-A17B"), Layout(tp=8, moe_ep=8)
    state = 45 * (8 * 128 * 128 * 4 + (2 * 2 * 128 + 8 * 128) * 3 * 2)
    for tokens in (0, 1, 10_000):
        found = kv_bytes_per_sequence(arch, layout, Quant(), tokens)
        assert found == 15 * 2 * 1 * 256 * 2 * tokens + state


HYBRID: dict[str, Any] = {
    "architectures": ["NemotronHForCausalLM"],
    "hidden_size": 2688,
    "num_hidden_layers": 6,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "intermediate_size": 1856,
    "vocab_size": 131072,
    "max_position_embeddings": 262144,
    "n_routed_experts": 128,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 1856,
    "n_groups": 8,
    "hybrid_override_pattern": "MEM*-M",
    "mamba_head_dim": 64,
    "mamba_num_heads": 64,
    "ssm_state_size": 128,
    "conv_kernel": 4,
    "chunk_size": 128,
}


def hybrid(**changes: Any) -> Architecture:
    """A small Nemotron with some keys changed; None takes a key out."""
    merged = {key: value for key, value in {**HYBRID, **changes}.items() if value is not None}
    return Architecture.from_config(merged, "test/model", "config.json")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "hybrid_override_pattern": None,
            "layers_block_type": ["mamba", "moe", "mamba", "attention", "mlp", "mamba"],
            "num_hidden_layers": None,
        },
    ],
)
def test_layers_of_a_mamba_hybrid(changes: dict[str, Any]) -> None:
    """A letter or a word a layer; the list says how many there are where nothing else does."""
    arch = hybrid(**changes)
    assert arch.mamba == MambaFacts(3, 2, 64, 64, 8, 128, 4, 128)
    assert arch.moe is not None
    assert (arch.num_layers, arch.softmax_layers, arch.feed_forwards, arch.moe.dense_layers) == (6, 1, 2, 1)


def test_a_mamba_hybrid_without_experts() -> None:
    """Nemotron-H has FFNs alone, without a gate."""
    arch = hybrid(hybrid_override_pattern="M-M*-M")
    assert arch.moe is None
    assert not arch.gated_mlp
    assert arch.feed_forwards == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hybrid_override_pattern": "MEM*"}, "hybrid_override_pattern: 6 layers of M, *, E or - are needed"),
        ({"hybrid_override_pattern": "MEMx-M"}, "hybrid_override_pattern: 6 layers"),
        ({"hybrid_override_pattern": 6}, "hybrid_override_pattern: 6 layers"),
        (
            {"hybrid_override_pattern": None, "layers_block_type": ["mamba"] * 5 + ["conv"]},
            "layers_block_type: 6",
        ),
        ({"hybrid_override_pattern": None, "num_hidden_layers": None}, "num_hidden_layers: missing"),
    ],
)
def test_bad_layer_lists(changes: dict[str, Any], message: str) -> None:
    """A list of another length or of unknown kinds is named."""
    with pytest.raises(InputError) as raised:
        hybrid(**changes)
    assert message in str(raised.value)


def test_mixers_of_other_models() -> None:
    """A config without such a list has none."""
    assert mixers({"num_hidden_layers": 4}) == ""


@pytest.mark.parametrize(("tp", "groups"), [(1, 8), (4, 2), (16, 1)])
def test_state_of_mamba(tp: int, groups: int) -> None:
    """Heads are split over tp, groups as far as they go; a float32 state and three inputs wait."""
    facts = hybrid().mamba
    assert facts is not None
    inner = 64 * 64 // tp
    assert facts.state_bytes(tp) == inner * 128 * 4 + (inner + 2 * groups * 128) * 3 * 2


def test_cache_of_a_mamba_hybrid() -> None:
    """One attention layer keeps tokens, three Mamba layers a state; coarsely, six keep tokens."""
    arch, token = hybrid(), 2 * 2 * 128 * 2
    assert arch.mamba is not None
    assert kv_bytes_per_sequence(arch, Layout(), Quant(), 100) == 100 * token + 3 * arch.mamba.state_bytes(1)
    coarse = Conventions(coarse_hybrids=True)
    assert kv_bytes_per_sequence(arch, Layout(), Quant(), 100, coarse) == 6 * 100 * token
