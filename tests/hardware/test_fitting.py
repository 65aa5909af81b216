"""Number formats bent to what a GPU computes and the tables have."""

from dataclasses import replace

import pytest

from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import load_architecture

Formats = dict[str, str]


def fitted(model: str, system: str, backend: str, mode: DataMode = DataMode.SILICON, **asked: str) -> Quant:
    """The formats that a model is served in, some of them asked for."""
    arch, tables = load_architecture(model), open_tables(system, backend)
    quant = replace(infer(arch), **asked)
    return fitting_quant(arch, quant, load_system(system), tables, mode, frozenset(asked))


@pytest.mark.parametrize(
    ("model", "system", "backend", "formats"),
    [
        ("nvidia/DeepSeek-V3.1-NVFP4", "b200_sxm", "vllm", {"gemm": "nvfp4", "fmha": "bfloat16"}),
        ("nvidia/DeepSeek-V3.1-NVFP4", "b200_sxm", "sglang", {"gemm": "nvfp4", "fmha": "bfloat16"}),
        ("deepseek-ai/DeepSeek-V3", "b200_sxm", "vllm", {"gemm": "fp8_block", "fmha": "fp8"}),
        ("nvidia/DeepSeek-V3.1-NVFP4", "h200_sxm", "sglang", {"gemm": "nvfp4_wo", "fmha": "bfloat16"}),
        ("openai/gpt-oss-120b", "b200_sxm", "trtllm", {"moe": "w4a8_mxfp4_mxfp8"}),
        ("openai/gpt-oss-120b", "h200_sxm", "trtllm", {"moe": "w4a16_mxfp4"}),
        ("deepseek-ai/DeepSeek-V4-Flash", "b200_sxm", "vllm", {"moe": "w4a8_mxfp4_mxfp8"}),
        ("deepseek-ai/DeepSeek-V4-Flash", "b200_sxm", "sglang", {"moe": "w4a8_mxfp4_mxfp8_trtllm"}),
        ("deepseek-ai/DeepSeek-V4-Flash", "h200_sxm", "sglang", {"moe": "w4a16_mxfp4_cutlass"}),
        ("zai-org/GLM-5-FP8", "h200_sxm", "sglang", {"kvcache": "fp8", "fmha": "bfloat16"}),
        ("MiniMaxAI/MiniMax-M3", "h200_sxm", "vllm", {"kvcache": "bfloat16", "fmha": "bfloat16"}),
    ],
)
def test_formats(model: str, system: str, backend: str, formats: Formats) -> None:
    """What the table of the attention that is really priced has, and the GPU's arithmetic has kernels for.

    vLLM's fp8 modules are of no use to a checkpoint that leaves some projections alone: its parts are priced.
    """
    found = fitted(model, system, backend)
    assert {name: getattr(found, name) for name in formats} == formats


def test_what_was_asked_for_stays() -> None:
    """An arithmetic without a table is refused, with those that there are; estimates may go on with it."""
    model = "nvidia/DeepSeek-V3.1-NVFP4"
    with pytest.raises(InputError, match=r"no prefill attention table .* \(measured .*: bfloat16\)"):
        fitted(model, "b200_sxm", "vllm", fmha="fp8")
    assert fitted(model, "b200_sxm", "vllm", DataMode.HYBRID, fmha="fp8").fmha == "fp8"
