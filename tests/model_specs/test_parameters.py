"""Tests of aicfg.model_specs.parameters."""

import pytest

from aicfg.model_specs.parameters import parameter_count
from aicfg.model_specs.resolve import load_architecture

PUBLISHED = {
    # safetensors metadata of the model's page on huggingface.co
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "meta-llama/Llama-3.1-405B": 405_853_388_800,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-2-13b-hf": 13_015_864_320,
    "meta-llama/Llama-2-70b-hf": 68_976_648_192,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen2.5-3B-Instruct": 3_085_938_688,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "Qwen/Qwen2.5-14B": 14_770_033_664,
    "Qwen/Qwen2.5-32B-Instruct": 32_763_876_352,
    "Qwen/Qwen2.5-72B-Instruct": 72_706_203_648,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-7B-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Mistral-Small-24B-Instruct-2501": 23_572_403_200,
    "mistralai/Mistral-Large-Instruct-2411": 122_610_069_504,
    # model card of EleutherAI/gpt-neox-20b; table of the Pythia repository's README
    "EleutherAI/gpt-neox-20b": 20_554_567_680,
    "EleutherAI/pythia-160m": 162_322_944,
    "EleutherAI/pythia-1.4b": 1_414_647_808,
    "EleutherAI/pythia-6.9b": 6_857_302_016,
    "EleutherAI/pythia-12b": 11_846_072_320,
    # keras-team/keras-hub, gpt2_presets.py and opt_presets.py
    "openai-community/gpt2": 124_439_808,
    "openai-community/gpt2-medium": 354_823_168,
    "openai-community/gpt2-large": 774_030_080,
    "openai-community/gpt2-xl": 1_557_611_200,
    "facebook/opt-1.3b": 1_315_753_984,
    # as quoted for models fine-tuned from bigcode/starcoder
    "bigcode/starcoder": 15_517_456_384,
}

MIXTURES = {
    # safetensors metadata of the model's page on huggingface.co; headers of the checkpoint's shards
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "mistralai/Mixtral-8x22B-v0.1": 140_620_634_112,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": 480_154_875_392,
    "MiniMaxAI/MiniMax-M2.7": 228_689_764_864,
    "MiniMaxAI/MiniMax-M1-80k": 456_089_655_296,
    "openai/gpt-oss-20b": 20_914_757_184,
    "openai/gpt-oss-120b": 116_829_156_672,
    # the same without the draft layer (358 337 791 296 with it; "355B" on the model's card)
    "zai-org/GLM-4.7": 352_797_829_024,
    # without the draft layer: "671B" in the technical report; 685B on its page, which counts the layer
    "deepseek-ai/DeepSeek-V3": 671_026_419_200,
    # "1T" on its card; the 1.04T of the technical report is 1.3 % above what its own shapes give
    "moonshotai/Kimi-K2-Instruct": 1_026_408_232_448,
}

CARDS = {
    # the model's card or the technical report
    "Qwen/Qwen3-235B-A22B": 235e9,
    "zai-org/GLM-4.7": 355e9,
    "MiniMaxAI/MiniMax-M2.5": 230e9,
    "MiniMaxAI/MiniMax-M1-40k": 456e9,
    "openai/gpt-oss-120b": 116.8e9,
    "openai/gpt-oss-20b": 20.9e9,
    "deepseek-ai/DeepSeek-R1": 671e9,
    "mistralai/Mixtral-8x22B-v0.1": 141e9,
    "zai-org/GLM-5": 744e9,
    "deepseek-ai/DeepSeek-V3.2": 671e9,
    "deepseek-ai/DeepSeek-V4-Flash": 284e9,
    "MiniMaxAI/MiniMax-M3": 428e9,
    "Qwen/Qwen3.5-397B-A17B": 397e9,
    "Qwen/Qwen3.5-122B-A10B": 122e9,
    "Qwen/Qwen3.5-35B-A3B": 35e9,
    "Qwen/Qwen3.5-27B": 27e9,
    "google/gemma-4-26B-A4B": 25.2e9,
    "nvidia/Gemma-4-31B-IT-NVFP4": 30.7e9,
    "XiaomiMiMo/MiMo-V2-Flash": 309e9,
    "stepfun-ai/Step-3.7-Flash": 196e9,
    "nvidia/Nemotron-H-56B-Base-8K": 56e9,
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": 49.9e9,
    "moonshotai/Kimi-K3": 2.78e12,
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 31.6e9,
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8": 120e9,
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": 550e9,
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": 400e9,
}


@pytest.mark.parametrize("model", MIXTURES)
def test_mixtures_have_the_published_parameters(model: str) -> None:
    """To within a hundred-thousandth: left out are router biases, sinks and norms as wide as a layer."""
    assert parameter_count(load_architecture(model)) == pytest.approx(MIXTURES[model], rel=1e-5)


@pytest.mark.parametrize("model", CARDS)
def test_parameters_are_those_of_the_cards(model: str) -> None:
    """The round figures that models are known by are met to within a hundredth."""
    assert parameter_count(load_architecture(model)) == pytest.approx(CARDS[model], rel=1e-2)


@pytest.mark.parametrize("model", PUBLISHED)
def test_parameter_count_is_the_published_one(model: str) -> None:
    """The number of parameters follows from the facts to within a thousandth."""
    assert parameter_count(load_architecture(model)) == pytest.approx(PUBLISHED[model], rel=1e-3)


@pytest.mark.parametrize("model", [name for name in PUBLISHED if not name.startswith("facebook")])
def test_parameter_count_is_exact(model: str) -> None:
    """Down to the last bias and norm (the source for OPT leaves out the two padding positions)."""
    assert parameter_count(load_architecture(model)) == PUBLISHED[model]
