"""Tests of aicfg.model_specs.checkpoint."""

from typing import Any

import pytest

from aicfg.model_specs.checkpoint import CheckpointQuant, checkpoint_quant
from aicfg.model_specs.errors import InputError


def _group(kind: str, bits: int, activations: dict[str, Any] | None = None, **weights: Any) -> dict[str, Any]:
    scheme = {"weights": {"type": kind, "num_bits": bits, **weights}, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": scheme}}


_STATIC, _DYNAMIC = {"dynamic": False}, {"dynamic": True}


def read(quant: Any, hf_quant: dict[str, Any] | None = None, layers: int = 4) -> CheckpointQuant:
    """What a config with such a declaration says."""
    config = {"num_hidden_layers": layers, "quantization_config": quant}
    return checkpoint_quant(config, {"quantization": hf_quant} if hf_quant else None, "config.json")


@pytest.mark.parametrize(
    ("quant", "gemm", "moe"),
    [
        (None, "bfloat16", "bfloat16"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block", "fp8_block"),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8", "fp8"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "fp8_static", "fp8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8", "fp8"),
        ({"quant_method": "mxfp4"}, "bfloat16", "w4a16_mxfp4"),
        ({"quant_method": "awq", "bits": 4}, "int4_wo", "int4_wo"),
        ({"quant_method": "gptq", "bits": 8}, "int8_wo", "int8_wo"),
        (_group("float", 8, _STATIC, strategy="tensor"), "fp8_static", "fp8"),
        (_group("float", 8, _DYNAMIC, strategy="channel"), "fp8", "fp8"),
        (_group("float", 8, _DYNAMIC, strategy="block"), "fp8_block", "fp8_block"),
        (_group("float", 4, _STATIC, group_size=16), "nvfp4", "nvfp4"),
        (_group("float", 4, None, group_size=16), "w4a16_nvfp4", "w4a16_nvfp4"),
        (_group("float", 4, None, group_size=32), "bfloat16", "w4a16_mxfp4"),
        (_group("int", 8, _DYNAMIC), "sq", "bfloat16"),
        (_group("int", 8), "int8_wo", "int8_wo"),
        (_group("int", 4), "int4_wo", "int4_wo"),
        ({"quant_algo": "FP8"}, "fp8_static", "fp8"),
        ({"quant_algo": "NVFP4"}, "nvfp4", "nvfp4"),
        ({"quant_algo": "W4A8_AWQ"}, "int4_wo", "w4afp8"),
    ],
)
def test_declared_formats(quant: dict[str, Any] | None, gemm: str, moe: str) -> None:
    """Each way of declaring weights gives its gemm and moe mode."""
    found = read(quant)
    assert (found.gemm, found.moe) == (gemm, moe)


def test_hf_quant_config_is_read() -> None:
    """ModelOpt's file stands in for a missing quantization_config, its cache format included."""
    found = read(None, {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]})
    assert found == CheckpointQuant("fp8_static", "fp8", "fp8")


@pytest.mark.parametrize(
    ("declared", "kvcache"),
    [
        ({"kv_cache_scheme": {"type": "float", "num_bits": 8}}, "fp8"),
        ({"kv_cache_scheme": {"type": "int", "num_bits": 8}}, "int8"),
        ({"kv_cache_scheme": "FP8"}, "fp8"),
        ({"kv_cache_quant_algo": None}, ""),
        ({}, ""),
    ],
)
def test_kv_cache_format(declared: dict[str, Any], kvcache: str) -> None:
    """The cache format is what the checkpoint says, empty when it is silent."""
    assert read({"quant_algo": "NVFP4", **declared}).kvcache == kvcache


def test_block_edge_is_kept() -> None:
    """The block of the scales decides which shards can be loaded."""
    assert read({"quant_method": "fp8", "weight_block_size": [64, 64]}).block == 64


def test_mixed_precision_takes_the_commonest_of_the_rest() -> None:
    """Experts decide moe, the commonest format of all other layers gemm; the unlisted cache is bfloat16."""
    layers = {
        "model.layers.0.mlp.experts": "NVFP4",
        "model.layers.0.self_attn.q_proj": "FP8",
        "model.layers.{1..3}.self_attn.q_proj": "FP8",
        "model.layers.0.mlp.shared_expert.up_proj": "NVFP4",
    }
    quantised = {name: {"quant_algo": algorithm} for name, algorithm in layers.items()}
    found = read({"quant_algo": "MIXED_PRECISION", "quantized_layers": quantised})
    assert (found.gemm, found.moe, found.kvcache) == ("fp8_static", "nvfp4", "bfloat16")


@pytest.mark.parametrize(
    ("left_out", "unquantised"),
    [
        (["lm_head"], ""),
        (["re:.*self_attn.*"], "q kv o indexer"),
        (["model.layers.*.self_attn"], "q kv o indexer"),
        (["model.layers.{0..3}.self_attn.q_proj"], "q"),
        (
            ["model.layers.{0..3}.self_attn.q_a_proj", "model.layers.{0..3}.self_attn.kv_a_proj_with_mqa"],
            "q kv",
        ),
        (["model.layers.{0,3}.self_attn*"], "q kv o indexer"),
        (["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"], ""),
        (["model.layers.{0..3}.self_attn.q_norm"], "attention_norms"),
        (["model.layers.{0..3}.self_attn.indexer*"], "indexer"),
        (["model.layers.{0..3}.self_attn.indexer.k_norm"], ""),
        (["model.layers.{1..3}.mlp.shared_experts*"], "shared"),
        (["model.layers.{0..3}.mlp.gate"], ""),
        (["model.layers.{0..3}.mlp.gate_proj"], "ffn"),
    ],
)
def test_parts_left_unquantised(left_out: list[str], unquantised: str) -> None:
    """A part counts as left out when it is so in half of the layers; a router, one layer do not."""
    found = read({**_group("int", 4), "ignore": left_out})
    assert (found.gemm, found.unquantised) == ("int4_wo", frozenset(unquantised.split()))


def test_experts_only() -> None:
    """Kimi-K2.5 leaves attention and dense FFNs out: the dense products stay bfloat16."""
    found = read({**_group("int", 4), "ignore": ["re:.*self_attn.*", "re:.*mlp\\.(gate|up|down)_proj.*"]})
    assert (found.gemm, found.moe) == ("bfloat16", "int4_wo")


@pytest.mark.parametrize(
    ("quant", "message"),
    [
        ({"quant_method": "fb8"}, "quant_method: 'fb8' is not known.*did you mean 'fp8'"),
        ({"quant_method": "bitsandbytes"}, "'bitsandbytes' is not known; accepted"),
        ({"quant_algo": "NVFP5"}, "quant_algo: 'NVFP5' is not known.*did you mean 'NVFP4'"),
        ({"quant_method": "gptq", "bits": 3}, "bits: 3 with gptq; accepted: 4, 8"),
        ({"quant_method": "compressed-tensors"}, "cannot be understood"),
        (_group("float", 6), "6-bit float weights are not known"),
        ({"quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"}, "KV cache in 'nvfp4' is not known"),
        ({"quant_method": "fp8", "weight_block_size": "big"}, "cannot be understood"),
        ("fp8", "cannot be understood"),
    ],
)
def test_unknown_declarations_are_refused(quant: Any, message: str) -> None:
    """What is not understood is refused in one line that opens with the file."""
    with pytest.raises(InputError, match=message) as caught:
        read(quant)
    assert str(caught.value).startswith("config.json: ")
