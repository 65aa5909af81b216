"""Number formats that a checkpoint can be served in."""

import pytest

from aicfg.hardware.formats import Choice, offered
from aicfg.hardware.modes import DataMode
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import no_tables, open_tables
from aicfg.model_specs.resolve import load_architecture

WEIGHTS, CACHE, EVERYTHING = {"gemm", "moe"}, {"kvcache"}, {"gemm", "moe", "kvcache", "fmha", "comm"}


def choices(
    model: str, system: str, backend: str, wanted: set[str], mode: DataMode = DataMode.SILICON, **named: str
) -> list[Choice]:
    """What is offered for a model of the catalogue, by the shipped tables."""
    tables = open_tables(system, backend) if mode is DataMode.SILICON else no_tables(system, backend)
    return offered(load_architecture(model), load_system(system), tables, mode, wanted, named)


@pytest.mark.parametrize(("backend", "turned"), [("vllm", True), ("sglang", True), ("trtllm", False)])
def test_engines_that_turn_16_bit_weights_into_fp8(backend: str, turned: bool) -> None:
    """vLLM and SGLang do while they load; TensorRT-LLM wants a checkpoint that has them."""
    found = choices("Qwen/Qwen3-32B", "h100_sxm", backend, WEIGHTS)
    assert found == [{}, *([{"gemm": "fp8"}] if turned else [])]


def test_quantised_weights_stay_as_they_are() -> None:
    """A checkpoint in fp8 is not turned into anything."""
    assert choices("Qwen/Qwen3-32B-FP8", "h100_sxm", "vllm", WEIGHTS) == [{}]


def test_weights_are_turned_all_at_once() -> None:
    """Experts go with the dense weights, and not at all where one of the two was not measured in fp8."""
    assert choices("Qwen/Qwen3-235B-A22B", "h200_sxm", "vllm", WEIGHTS)[1] == {"gemm": "fp8", "moe": "fp8"}
    assert choices("Qwen/Qwen3-235B-A22B", "h200_sxm", "sglang", WEIGHTS) == [{}]


def test_any_checkpoint_can_have_either_cache() -> None:
    """The checkpoint's own format comes first."""
    for model, first in (("Qwen/Qwen3-32B", "bfloat16"), ("Qwen/Qwen3-32B-FP8", "fp8")):
        found = [choice["kvcache"] for choice in choices(model, "h100_sxm", "trtllm", CACHE)]
        assert found[0] == first
        assert set(found) == {"bfloat16", "fp8"}


def test_attention_goes_with_the_cache() -> None:
    """Only what was measured over a cache is offered with it; a cache that is named is kept."""
    found = choices("Qwen/Qwen3-32B", "h100_sxm", "sglang", EVERYTHING)
    pairs = {(choice["kvcache"], choice["fmha"]) for choice in found}
    assert pairs == {("bfloat16", "bfloat16"), ("fp8", "bfloat16"), ("fp8", "fp8")}
    assert choices("Qwen/Qwen3-32B", "h100_sxm", "sglang", {"fmha"}, kvcache="bfloat16") == [
        {"fmha": "bfloat16"}
    ]
    assert len(found) == 2 * len(pairs)  # beside weights as they are, and in fp8


def test_an_estimate_needs_the_arithmetic_and_no_table() -> None:
    """At the speed of light H100 offers fp8, A100, which has no such arithmetic, does not."""
    for system, offers in (("h100_sxm", True), ("a100_sxm", False)):
        found = choices("Qwen/Qwen3-32B", system, "vllm", {"gemm", "kvcache"}, DataMode.SOL)
        assert ({"gemm": "fp8", "kvcache": "fp8"} in found) is offers
        assert {"kvcache": "bfloat16"} in found
