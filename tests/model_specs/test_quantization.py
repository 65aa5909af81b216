"""Tests of aicfg.model_specs.quantization."""

import csv
from pathlib import Path

import pytest

from aicfg.model_specs.checkpoint import checkpoint_quant
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.quantization import Quant, element_bytes, flops_class, infer, modes, quant_of
from aicfg.model_specs.resolve import catalogue_config, load_architecture

with Path(__file__).with_name("inferred_quant.csv").open() as _rows:
    INFERRED = {row.pop("model"): row for row in csv.DictReader(_rows)}
"""What AIConfigurator 0.12.0 infers from each bundled checkpoint (design/model-facts.yaml, aic_view)."""

DIFFER = {
    "nvidia/DeepSeek-V4-Flash-NVFP4": "the class, not the checkpoint, says that the cache is fp8",
    "nvidia/DeepSeek-V4-Pro-NVFP4": "the class, not the checkpoint, says that the cache is fp8",
    "nvidia/Gemma-4-26B-A4B-NVFP4": "attention and dense FFN are in its exclude_modules",
}
"""Checkpoints where plain rules and AIConfigurator part, with the reason."""


@pytest.mark.parametrize("model", INFERRED)
def test_inferred_quantisation_equals_aiconfigurator(model: str) -> None:
    """The formats inferred from each checkpoint are AIConfigurator's, but for the listed few."""
    entry = catalogue_config(model)
    assert entry is not None
    _, config, source = entry
    quant = quant_of(checkpoint_quant(config, config.get("hf_quant_config"), source))
    same = all(getattr(quant, component) == mode for component, mode in INFERRED[model].items())
    assert same == (model not in DIFFER), f"{quant} against {INFERRED[model]}"


def test_infer_reads_the_architecture() -> None:
    """A per-tensor fp8 checkpoint is served with static scales and an fp8 cache."""
    arch = load_architecture("nvidia/Llama-3.1-70B-Instruct-FP8")
    assert infer(arch) == Quant("fp8_static", "fp8", "fp8", "fp8", "half")


@pytest.mark.parametrize(
    ("component", "mode", "nbytes", "flops"),
    [
        ("gemm", "bfloat16", 2, "bfloat16"),
        ("gemm", "int4_wo", 0.5, "bfloat16"),
        ("gemm", "fp8_block", 1, "fp8"),
        ("gemm", "sq", 1, "int8"),
        ("gemm", "nvfp4", 9 / 16, "fp4"),
        ("gemm", "nvfp4_wo", 9 / 16, "bfloat16"),
        ("moe", "w4afp8", 0.5, "fp8"),
        ("moe", "w4a16_mxfp4", 0.5, "bfloat16"),
        ("kvcache", "fp8", 1, "fp8"),
        ("kvcache", "bf16", 2, "bfloat16"),
        ("comm", "half", 2, "bfloat16"),
        ("bfloat16", "bfloat16", 2, "bfloat16"),
    ],
)
def test_bytes_and_arithmetic(component: str, mode: str, nbytes: float, flops: str) -> None:
    """Bytes an element and FLOPS class are those of performance model §2.1."""
    assert (element_bytes(component, mode), flops_class(component, mode)) == (nbytes, flops)


def test_aliases_become_the_canonical_name() -> None:
    """Users' short names are resolved once, so that equal formats compare equal."""
    assert Quant("bf16", "fp16", "bf16", "fp16", "bf16") == Quant(fmha="float16")
    assert hash(Quant("bf16")) == hash(Quant())


@pytest.mark.parametrize(
    ("component", "given", "close"),
    [
        ("gemm", "fp8block", "fp8_block"),
        ("moe", "fp8_static", "nvfp4|fp8"),
        ("kvcache", "fp4", "fp8"),
        ("fmha", "bfloat", "bfloat16"),
        ("comm", "hlaf", "half"),
    ],
)
def test_unknown_format_names_the_accepted_ones(component: str, given: str, close: str) -> None:
    """The message names the component, the accepted formats and a close match."""
    with pytest.raises(InputError, match=rf"quant\.{component}: '{given}' .*accepted: .*({close})"):
        Quant(**{component: given})


def test_every_inferable_format_is_known() -> None:
    """All 85 expectations use names of the facts file."""
    for row in INFERRED.values():
        assert all(mode in modes(component) for component, mode in row.items())
