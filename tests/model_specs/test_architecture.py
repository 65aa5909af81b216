"""Tests of aicfg.model_specs.architecture and the typed reading behind it."""

import json
from pathlib import Path
from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.parts import MoeFacts
from aicfg.model_specs.resolve import load_architecture

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
GPT2: dict[str, Any] = {
    "architectures": ["GPT2LMHeadModel"],
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "vocab_size": 50257,
    "n_positions": 1024,
}


def read(config: dict[str, Any], **changes: Any) -> Architecture:
    """The architecture of a config with some keys changed; None takes a key out."""
    merged = {key: value for key, value in {**config, **changes}.items() if value is not None}
    return Architecture.from_config(merged, "test/model", "config.json")


def test_llama_config_is_read_in_full() -> None:
    """Every field of a plain Llama config lands where it belongs."""
    arch = read(LLAMA)
    assert (arch.family, arch.gated_mlp, arch.tie_word_embeddings) == ("llama", True, False)
    assert (arch.hidden_size, arch.num_layers, arch.num_heads, arch.num_kv_heads) == (4096, 32, 32, 8)
    assert (arch.head_dim, arch.intermediate_size, arch.vocab_size) == (128, 14336, 128256)
    assert (arch.max_position_embeddings, arch.sliding_window, arch.qk_norm) == (8192, 0, False)


def test_missing_key_value_heads_mean_one_each() -> None:
    """Configs older than grouped-query attention have no num_key_value_heads."""
    assert read(LLAMA, num_key_value_heads=None).num_kv_heads == 32


def test_explicit_head_dim_wins() -> None:
    """Qwen3-32B and Mistral-Nemo have heads of another width than hidden/heads."""
    assert read(LLAMA, head_dim=64).head_dim == 64


def test_gpt2_names_and_null_inner_width() -> None:
    """GPT-2's own key names are understood; a null n_inner means four times the hidden size."""
    arch = read(GPT2, n_inner=None)
    assert (arch.family, arch.hidden_size, arch.num_layers, arch.num_heads) == ("gpt", 768, 12, 12)
    assert (arch.intermediate_size, arch.gated_mlp, arch.learned_positions) == (3072, False, 1024)
    assert arch.tie_word_embeddings


@pytest.mark.parametrize(("multi_query", "kv_heads"), [(True, 1), (False, 12), (None, 1)])
def test_bigcode_multi_query_flag(multi_query: bool | None, kv_heads: int) -> None:
    """GPTBigCode has one key-value head unless the flag says otherwise."""
    arch = read(GPT2, architectures=["GPTBigCodeForCausalLM"], multi_query=multi_query)
    assert arch.num_kv_heads == kv_heads


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"architectures": ["MistralForCausalLM"], "sliding_window": 4096}, 4096),
        ({"architectures": ["Qwen2ForCausalLM"], "sliding_window": 4096}, 0),
        ({"architectures": ["Qwen2ForCausalLM"], "sliding_window": 4096, "use_sliding_window": True}, 4096),
    ],
)
def test_sliding_window_counts_only_when_used(changes: dict[str, Any], window: int) -> None:
    """Qwen's configs name a window and switch it off by a flag."""
    assert read(LLAMA, **changes).sliding_window == window


@pytest.mark.parametrize(
    ("scaling", "context"),
    [
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}, 32768),
        ({"type": "linear", "factor": 2}, 16384),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 1024}, 8192),
        ({"rope_type": "default"}, 8192),
    ],
)
def test_context_includes_rope_scaling(scaling: dict[str, Any], context: int) -> None:
    """YaRN and linear scaling stretch the declared positions, Llama 3's declares them stretched."""
    assert read(LLAMA, rope_scaling=scaling).max_position_embeddings == context


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"hidden_size": None}, "hidden_size: missing"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: must lie in 1"),
        ({"num_attention_heads": -32}, "num_attention_heads: must lie in 1"),
        ({"intermediate_size": "14336"}, "intermediate_size: a positive integer is needed, found '14336'"),
        ({"vocab_size": 128256.5}, "vocab_size: a positive integer"),
        ({"vocab_size": float("nan")}, "vocab_size: a positive integer"),
        ({"hidden_size": 10**30}, "hidden_size: must lie in 1 … 1048576, found a number of 31 digits"),
        ({"num_hidden_layers": True}, "num_hidden_layers: a positive integer is needed, found True"),
        ({"hidden_size": 4100}, "num_attention_heads 32 does not divide hidden size 4100"),
        ({"num_key_value_heads": 5}, "num_key_value_heads: 5 does not divide num_attention_heads 32"),
        ({"num_key_value_heads": 64}, "num_key_value_heads: 64 does not divide"),
        ({"head_dim": 0}, "head_dim: must lie in 1"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings: true or false is needed, found 'yes'"),
        ({"rope_scaling": [1]}, "rope_scaling: a mapping is needed"),
        ({"rope_scaling": {"type": "yarn", "factor": "4"}}, "rope_scaling: factor must be a number"),
        ({"architectures": None}, "architectures: a list with the model's class is needed"),
        ({"architectures": []}, "architectures: a list with the model's class is needed"),
        ({"architectures": "LlamaForCausalLM"}, "architectures: a list with the model's class"),
        ({"quantization_config": {"quant_method": "fp9"}}, "quant_method: 'fp9' is not known"),
        ({"quantization_config": 8}, "quantization_config cannot be understood"),
        ({"hidden_size": None, "hidden_sizes": 4096}, "hidden_size: missing.*did you mean 'hidden_sizes'"),
    ],
)
def test_bad_config_names_file_and_key(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    """Each mistake in a config.json is one line that names the file and the key."""
    merged = {name: value for name, value in {**LLAMA, **changes}.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(merged))
    with pytest.raises(InputError, match=key) as caught:
        load_architecture(str(tmp_path))
    assert str(caught.value).startswith(str(tmp_path / "config.json"))
    assert "\n" not in str(caught.value)


def test_post_norm_opt_is_refused() -> None:
    """opt-350m is built differently from its siblings."""
    opt = {**LLAMA, "architectures": ["OPTForCausalLM"], "ffn_dim": 4096, "do_layer_norm_before": False}
    with pytest.raises(InputError, match="do_layer_norm_before: only True is covered"):
        read(opt)


def test_unknown_class_lists_the_covered_ones() -> None:
    """A class nobody has heard of is refused with the covered ones and a close match."""
    with pytest.raises(InputError, match=r"'LamaForCausalLM' is not known.*Qwen3.*mean 'LlamaForCausalLM'"):
        read(LLAMA, architectures=["LamaForCausalLM"])


def test_known_class_without_family_says_so() -> None:
    """Jamba is known and refused for its reason."""
    with pytest.raises(InputError, match=r"Jamba.*\(Mamba-1 layers\) is not covered yet"):
        read(LLAMA, architectures=["JambaForCausalLM"])


def test_an_unknown_class_is_read_as_the_assumed_family() -> None:
    """The source says what was assumed; a class that is covered is read as it is."""
    unknown = {**LLAMA, "architectures": ["YodaForCausalLM"]}
    arch = Architecture.from_config(unknown, "test/model", "config.json", assume_family="llama")
    assert (arch.family, arch.intermediate_size) == ("llama", 14336)
    assert arch.source == "config.json; YodaForCausalLM read as llama (assumed)"
    mixture = {**unknown, "n_routed_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
    arch = Architecture.from_config(mixture, "test/model", "config.json", assume_family="moe")
    assert (arch.family, arch.moe) == ("moe", MoeFacts(16, 2, 512))
    assert Architecture.from_config(LLAMA, "m", "config.json", assume_family="moe").family == "llama"


def test_a_family_that_cannot_be_assumed() -> None:
    """Only families whose keys are common names can be assumed."""
    unknown = {**LLAMA, "architectures": ["YodaForCausalLM"]}
    with pytest.raises(InputError, match=r"assume_family: 'lama' cannot.*llama, moe.*mean 'llama'"):
        Architecture.from_config(unknown, "test/model", "config.json", assume_family="lama")


def test_the_language_model_inside() -> None:
    """Classes with a vision encoder keep the language model's config apart; tying may be said outside."""
    text = {key: value for key, value in LLAMA.items() if key != "architectures"}
    outer = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "tie_word_embeddings": True,
        "text_config": text,
    }
    arch = Architecture.from_config(outer, "test/model", "config.json")
    assert (arch.hidden_size, arch.tie_word_embeddings) == (4096, True)
    assert arch.source == "config.json; the language model alone"
    with pytest.raises(InputError, match="text_config: a mapping is needed, found 7"):
        Architecture.from_config({**outer, "text_config": 7}, "test/model", "config.json")
