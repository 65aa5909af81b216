"""What the generator asks of a model beside the plan."""

import pytest
from deploy_plans import plan, pool

from aicfg.experiments.deploy.deployment import deployment
from aicfg.experiments.deploy.dialect import exact_dialect
from aicfg.experiments.deploy.facts import model_facts
from aicfg.experiments.deploy.servers.sglang import facts
from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.model_specs.errors import InputError


@pytest.mark.parametrize(
    ("model", "gemm", "moe"),
    [
        ("openai/gpt-oss-120b", "bfloat16", "w4a8_mxfp4_mxfp8"),
        ("deepseek-ai/DeepSeek-V4-Flash", "fp8_block", "w4a8_mxfp4_mxfp8_trtllm"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "nvfp4_wo", "nvfp4_wo"),
    ],
)
def test_an_engines_arithmetic_needs_no_other_weights(model: str, gemm: str, moe: str) -> None:
    """Four-bit weights are stored once, and each engine unpacks them for its own kernels."""
    assert model_facts(model).turned_into(gemm, moe, "agg") is None


@pytest.mark.parametrize(
    ("model", "moe"),
    [("Qwen/Qwen3-32B", "bfloat16"), ("Qwen/Qwen3-32B", "fp8"), ("Qwen/Qwen3-235B-A22B", "fp8")],
)
def test_16_bit_weights_are_turned_into_fp8_while_they_are_loaded(model: str, moe: str) -> None:
    """All of them at once; a dense model has no experts whose format could be another."""
    assert model_facts(model).turned_into("fp8", moe, "agg") == "fp8"


def test_experts_are_not_left_behind() -> None:
    """No server turns the dense weights alone."""
    with pytest.raises(InputError, match="no server turns one into the other"):
        model_facts("Qwen/Qwen3-235B-A22B").turned_into("fp8", "bfloat16", "agg")


def test_no_server_makes_four_bits() -> None:
    """A plan in a format that the checkpoint does not have is refused with both named."""
    with pytest.raises(InputError, match=r"nvfp4 weights .* has fp8_block \(fp8_block\)"):
        model_facts("deepseek-ai/DeepSeek-V3").turned_into("nvfp4", "nvfp4", "agg")


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("deepseek-ai/DeepSeek-V3", "zigzag"),
        ("zai-org/GLM-5-FP8", "interleave"),
        ("deepseek-ai/DeepSeek-V4-Flash", "interleave"),
    ],
)
def test_ranks_share_a_prompt_as_the_attention_needs(model: str, strategy: str) -> None:
    """Where an index chooses tokens SGLang deals them out one by one, else in two pieces each."""
    kind = deployment(plan(pool("sglang", "agg", 1, cp=8, moe_ep=8), model=model), Settings()).types[0]
    assert dict(facts(kind, exact_dialect("sglang", "0.5.14"), None))["context_parallel_strategy"] == strategy
