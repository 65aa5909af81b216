"""Tests of aicfg.model_specs.sizes."""

import pytest

from aicfg.model_specs.families import operations
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_token, parameter_count, weight_bytes

GIB = 2**30


@pytest.mark.parametrize(
    ("model", "layout", "gib"),
    [
        ("Qwen/Qwen3-32B", Layout(tp=2), 30.511474609375),
        ("Qwen/Qwen3-32B", Layout(tp=2, pp=2), 15.2557373046875),
        ("Qwen/Qwen3-32B-FP8", Layout(tp=1), 31.96044921875),
        ("Qwen/Qwen3-32B-FP8", Layout(tp=4), 7.9901123046875),
        ("meta-llama/Meta-Llama-3.1-70B", Layout(tp=8), 16.4267578125),
        ("meta-llama/Meta-Llama-3.1-70B", Layout(tp=4), 32.853515625),
        ("meta-llama/Meta-Llama-3.1-70B", Layout(tp=2), 65.70703125),
        ("nvidia/Llama-3.1-70B-Instruct-FP8", Layout(tp=2), 33.83203125),
    ],
)
def test_weights_equal_aiconfigurator(model: str, layout: Layout, gib: float) -> None:
    """Weight memory is that of every dense row of design/check_values.csv (memory_weights), divided by pp."""
    arch = load_architecture(model)
    found = weight_bytes(operations(arch, layout, "prefill"), infer(arch)) / layout.pp / GIB
    assert found == pytest.approx(gib, rel=1e-6)


def test_weights_follow_each_component() -> None:
    """Halving the GEMM format leaves embedding and lm_head as they were."""
    listed = operations(load_architecture("Qwen/Qwen3-8B"), Layout(), "decode")
    tables = 2 * 2 * 151936 * 4096
    full, half = weight_bytes(listed, Quant()), weight_bytes(listed, Quant(gemm="fp8"))
    assert full - tables == 2 * (half - tables)


def test_unquantised_attention_keeps_its_bytes() -> None:
    """Llama-3.1-405B-FP8 is Meta's 487 GB checkpoint, but for two FFNs that are still in bfloat16."""
    arch = load_architecture("meta-llama/Llama-3.1-405B-FP8")
    found = weight_bytes(operations(arch, Layout(), "decode"), infer(arch))
    first_and_last_ffn = 2 * 3 * 16384 * 53248
    assert found + first_and_last_ffn == pytest.approx(487_168_311_296, rel=1e-4)


@pytest.mark.parametrize(
    ("tp", "quant", "nbytes"),
    [
        (1, Quant(), 2 * 8 * 128 * 64 * 2),
        (2, Quant(), 2 * 4 * 128 * 64 * 2),
        (16, Quant(), 2 * 1 * 128 * 64 * 2),
        (2, Quant(kvcache="fp8"), 2 * 4 * 128 * 64),
    ],
)
def test_kv_bytes_per_token(tp: int, quant: Quant, nbytes: float) -> None:
    """Qwen3-32B: keys and values of the rank's heads in all layers; replicated heads are counted on each."""
    assert kv_bytes_per_token(load_architecture("Qwen/Qwen3-32B"), Layout(tp=tp), quant) == nbytes


def test_kv_cache_equals_aiconfigurator() -> None:
    """Qwen3-32B, tp 2, 32 requests of 5000 tokens: 19.53125 GiB (design/check_values.md)."""
    per_token = kv_bytes_per_token(load_architecture("Qwen/Qwen3-32B"), Layout(tp=2), Quant())
    assert 32 * 5000 * per_token / GIB == 19.53125


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


@pytest.mark.parametrize("model", PUBLISHED)
def test_parameter_count_is_the_published_one(model: str) -> None:
    """The number of parameters follows from the facts to within a thousandth."""
    assert parameter_count(load_architecture(model)) == pytest.approx(PUBLISHED[model], rel=1e-3)


@pytest.mark.parametrize("model", [name for name in PUBLISHED if not name.startswith("facebook")])
def test_parameter_count_is_exact(model: str) -> None:
    """Down to the last bias and norm (the source for OPT leaves out the two padding positions)."""
    assert parameter_count(load_architecture(model)) == PUBLISHED[model]
