"""Which checkpoint a measured row really served."""

import pytest

from aicfg.experiments.predictions.served import served


@pytest.mark.parametrize(
    ("recorded", "formats"),
    [
        (("deepseek-ai/DeepSeek-R1", "fp8", "fp8"), ("fp8_block", "fp8_block")),
        (("deepseek-ai/DeepSeek-R1", "nvfp4", "nvfp4"), ("nvfp4", "nvfp4")),
        (("openai/gpt-oss-120b", "nvfp4", "nvfp4"), ("bfloat16", "w4a16_mxfp4")),
        (("moonshotai/Kimi-K2.5", "int4_wo", "int4_wo"), ("bfloat16", "int4_wo")),
        (("moonshotai/Kimi-K2.5", "nvfp4", "nvfp4"), ("nvfp4", "nvfp4")),
        (("meta-llama/Llama-3.1-70B", "fp8", "fp8"), ("fp8_static", "fp8")),
        (("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8", "fp8"), ("fp8_static", "fp8")),
        (("Qwen/Qwen3-32B", "", ""), ("bfloat16", "bfloat16")),
        (("Qwen/Qwen3-32B", "fp8", "fp8"), ("fp8_block", "fp8_block")),
        (("Qwen/Qwen3.5-397B-A17B", "fp8", "fp8_block"), ("fp8_block", "fp8_block")),
    ],
)
def test_formats_are_those_of_the_checkpoint(
    recorded: tuple[str, str, str], formats: tuple[str, str]
) -> None:
    """A recorded format that is another name of the checkpoint's own gives way to it."""
    _, quant = served(*recorded)
    assert (quant.gemm, quant.moe) == formats


@pytest.mark.parametrize(
    ("model", "gemm", "formats"),
    [
        ("meta-llama/Llama-3.1-70B", "fp8", ("fp8_static", "fp8", "fp8")),
        ("meta-llama/Llama-3.1-70B", "fp8_ootb", ("fp8_ootb", "fp8", "fp8")),
        ("meta-llama/Llama-3.1-70B", "sq", ("sq", "bfloat16", "bfloat16")),
        ("MiniMaxAI/MiniMax-M2.5", "fp8_static", ("fp8_block", "fp8_block", "fp8")),
        ("Qwen/Qwen3-235B-A22B", "int4_wo", ("int4_wo", "int4_wo", "bfloat16")),
        ("Qwen/Qwen3-235B-A22B", "sq", ("sq", "bfloat16", "bfloat16")),
    ],
)
def test_experts_come_in_what_goes_with_the_dense_products(
    model: str, gemm: str, formats: tuple[str, str, str]
) -> None:
    """A format that experts do not have gives theirs, and weights of fewer bits are no FP8 checkpoint."""
    for moe in ("", gemm):
        _, quant = served(model, gemm, moe)
        assert (quant.gemm, quant.moe, quant.kvcache) == formats
