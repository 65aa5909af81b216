"""Tests of aicfg.model_specs.config_parts."""

from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.parts import LatentFacts, LightningFacts, MoeFacts
from aicfg.model_specs.resolve import load_architecture

MIXTURE: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "intermediate_size": 6144,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
}


def read(**changes: Any) -> Architecture:
    """The architecture of a mixture with some keys changed; None takes a key out."""
    merged = {key: value for key, value in {**MIXTURE, **changes}.items() if value is not None}
    return Architecture.from_config(merged, "test/model", "config.json")


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("mistralai/Mixtral-8x7B-v0.1", MoeFacts(8, 2, 14336)),
        ("Qwen/Qwen3-235B-A22B", MoeFacts(128, 8, 1536)),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", MoeFacts(160, 8, 2560)),
        ("MiniMaxAI/MiniMax-M2.5", MoeFacts(256, 8, 1536)),
        ("openai/gpt-oss-120b", MoeFacts(128, 4, 2880, biases=True)),
        ("zai-org/GLM-4.7", MoeFacts(160, 8, 1536, shared_inner=1536, dense_layers=3)),
        (
            "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
            MoeFacts(128, 1, 8192, shared_inner=8192, dense_layers=24, skew="power_law_1.01"),
        ),
        ("deepseek-ai/DeepSeek-V3", MoeFacts(256, 8, 2048, 2048, 3, "power_law_1.01")),
        ("moonshotai/Kimi-K2.5", MoeFacts(384, 8, 2048, 2048, 1, "power_law_1.01")),
        ("MiniMaxAI/MiniMax-M1-80k", MoeFacts(32, 2, 9216)),
        ("Qwen/Qwen3-32B", None),
    ],
)
def test_mixtures_of_the_catalogue(model: str, facts: MoeFacts | None) -> None:
    """Every class's own names for the same facts are understood."""
    assert load_architecture(model).moe == facts


@pytest.mark.parametrize(
    ("changes", "dense"),
    [
        ({}, 0),
        ({"decoder_sparse_step": 2}, 4),
        ({"mlp_only_layers": [0, 3]}, 2),
        ({"decoder_sparse_step": 2, "mlp_only_layers": [0, 1]}, 5),
        ({"first_k_dense_replace": 3}, 3),
        ({"first_k_dense_replace": 0}, 0),
        ({"moe_layer_freq": [0, 1, 1, 1, 0, 1, 1, 1]}, 2),
        ({"moe_layer_freq": 1}, 0),
    ],
)
def test_dense_layers(changes: dict[str, Any], dense: int) -> None:
    """First layers, every second one, named ones or a list of all: each way to have dense layers counts."""
    arch = read(**changes)
    assert arch.moe is not None
    assert arch.moe.dense_layers == dense


def test_latent_attention_of_the_catalogue() -> None:
    """DeepSeek's attention: 2112 compressed elements a token, 576 of them kept."""
    facts = load_architecture("deepseek-ai/DeepSeek-R1").latent
    assert facts == LatentFacts(1536, 512, 128, 64, 128)
    assert (facts.compressed, facts.cached, facts.query_head, facts.key_value_head) == (2112, 576, 192, 256)


def test_queries_without_compression() -> None:
    """DeepSeek-V2-Lite has a null q_lora_rank."""
    latent = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
    config = {"architectures": ["DeepseekV2ForCausalLM"], "n_routed_experts": 64, "num_experts": None}
    facts = read(**config, **latent).latent
    assert facts is not None
    assert (facts.q_lora_rank, facts.compressed) == (0, 576)


def test_lightning_attention_of_the_catalogue() -> None:
    """Seven of MiniMax-M1's eight layers attend linearly."""
    assert load_architecture("MiniMaxAI/MiniMax-M1-40k").lightning == LightningFacts(70, 64, 128)


@pytest.mark.parametrize(
    ("model", "window", "layers"),
    [
        ("openai/gpt-oss-120b", 128, 18),
        ("openai/gpt-oss-20b", 128, 12),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 8192, 36),
        ("mistralai/Mistral-7B-v0.1", 4096, 0),
        ("Qwen/Qwen3-235B-A22B", 0, 0),
    ],
)
def test_windows_of_the_catalogue(model: str, window: int, layers: int) -> None:
    """Alternating windows and chunks are modelled; one that all layers share is only known."""
    arch = load_architecture(model)
    assert (arch.sliding_window, arch.windowed_layers) == (window, layers)


def test_alternating_windows_without_a_list() -> None:
    """A gpt-oss config without layer_types has a window in every other layer, from the first on."""
    config = {"architectures": ["GptOssForCausalLM"], "num_local_experts": 8, "sliding_window": 128}
    assert read(**config, num_hidden_layers=5).windowed_layers == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_experts": None}, "num_experts: missing.*did you mean 'num_experts_per_tok'"),
        ({"num_experts": 0}, "num_experts: must lie in 1"),
        ({"num_experts_per_tok": 65}, "num_experts_per_tok: 65 of 64 experts cannot be"),
        ({"moe_intermediate_size": "768"}, "moe_intermediate_size: a positive integer"),
        ({"decoder_sparse_step": 9}, "num_hidden_layers: no layer has experts"),
        ({"mlp_only_layers": 3}, "mlp_only_layers: a list of layers is needed, found 3"),
        (
            {"moe_layer_freq": [1, 1]},
            r"moe_layer_freq: a list of at least 8 entries is needed, found \[1, 1\]",
        ),
    ],
)
def test_bad_mixtures_name_the_key(changes: dict[str, Any], message: str) -> None:
    """Each mistake is one line that names the key."""
    with pytest.raises(InputError, match=message):
        read(**changes)
