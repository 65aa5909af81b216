"""Latent attention to chosen tokens (DSA): what it costs beside what was measured."""

from functools import cache

import numpy as np
import pytest
from msgspec import structs

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing, UnpricedError
from aicfg.hardware.profile import load_profile
from aicfg.hardware.sparse_rows import MEASURED
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.operations import SparseLatentModule
from aicfg.model_specs.quantization import Quant

V32, GLM5 = MEASURED
FP8 = Quant(gemm="fp8_block", moe="fp8_block", kvcache="fp8", fmha="bfloat16")


@cache
def pricing(
    system: str, backend: str, quant: Quant, mode: DataMode = DataMode.SILICON, profile: str = "aicfg"
) -> Pricing:
    """Prices of single operations."""
    tables = open_tables(system, backend)
    return Pricing(load_system(system), tables, quant, load_profile(profile), mode)


def prompts(batch: float, length: float, prefix: float = 0.0) -> StepLoad:
    """Prompts alone."""
    one = np.ones(1)
    return StepLoad(one * batch * length, one, Prompts(one * batch, one * length, one * prefix))


def decoding(batch: list[float], length: float) -> StepLoad:
    """New tokens alone."""
    each = np.array(batch)
    return StepLoad(each, each, decoding=Decoding(each, np.array([length]), np.ones(1)))


def ms(op: SparseLatentModule, load: StepLoad, prices: Pricing) -> float:
    """One call."""
    return float(prices.total((op,), load)[-1])


def test_beyond_the_choice_only_the_index_grows() -> None:
    """A decode step over sixteen times the chosen tokens takes less than four times as long.

    A full attention would read sixteen times the cache.
    """
    prices, op = pricing("h200_sxm", "sglang", FP8), structs.replace(GLM5, heads=8)
    saturated, longer = (ms(op, decoding([64.0], length), prices) for length in (2048.0, 32768.0))
    assert saturated < longer < 4.0 * saturated


def test_a_layer_without_an_indexer_is_cheaper() -> None:
    """Layers that take over an earlier choice score nothing: the more tokens, the more is saved."""
    prices = pricing("h200_sxm", "sglang", FP8)
    op = structs.replace(GLM5, heads=8)
    taking_over = structs.replace(op, chooses=False)
    saved = [
        ms(op, decoding([32.0], length), prices) - ms(taking_over, decoding([32.0], length), prices)
        for length in (8192.0, 65536.0)
    ]
    assert 0.0 < saved[0] < saved[1]


def test_without_such_rows_a_layer_counts_as_choosing() -> None:
    """vLLM's tables do not time layers without an indexer: those with one stand in."""
    prices, op = pricing("h200_sxm", "vllm", FP8), structs.replace(GLM5, heads=8)
    taking_over = structs.replace(op, chooses=False)
    assert ms(taking_over, decoding([8.0], 4096.0), prices) == ms(op, decoding([8.0], 4096.0), prices)


def test_another_shape_is_estimated_not_measured() -> None:
    """Other sizes of a class have no rows; hybrid mode borrows the measured shape's utilisation."""
    wider = structs.replace(V32, heads=16, hidden=8192)
    with pytest.raises(UnpricedError, match=r"not measured \(DeepseekV32ForCausalLM of hidden size 8192\)"):
        ms(wider, prompts(1, 4096), pricing("h200_sxm", "sglang", FP8))
    hybrid = pricing("h200_sxm", "sglang", FP8, DataMode.HYBRID)
    measured = ms(structs.replace(V32, heads=16), prompts(1, 4096), hybrid)
    assert measured < ms(wider, prompts(1, 4096), hybrid) < 1.5 * measured


def test_a_format_without_rows_borrows_from_the_nearest() -> None:
    """TensorRT-LLM on Hopper was timed with a bfloat16 cache alone; hybrid mode still prices an fp8 one."""
    op = structs.replace(V32, heads=16)
    with pytest.raises(UnpricedError, match="no rows for"):
        ms(op, decoding([8.0], 4096.0), pricing("h200_sxm", "trtllm", FP8))
    found = ms(op, decoding([8.0], 4096.0), pricing("h200_sxm", "trtllm", FP8, DataMode.HYBRID))
    wide = Quant(gemm="fp8_block", kvcache="bfloat16")
    assert found <= ms(op, decoding([8.0], 4096.0), pricing("h200_sxm", "trtllm", wide))


def test_ranks_share_a_prompt() -> None:
    """Eight context-parallel ranks take more than an eighth of one's time, and less than a third."""
    prices, op = pricing("h200_sxm", "sglang", FP8), GLM5
    alone = ms(op, prompts(1, 8192), prices)
    shared = ms(structs.replace(op, context=8), prompts(1, 8192), prices)
    assert alone / 8 < shared < alone / 3


def test_the_peers_correction_ends_with_its_kernels_rows() -> None:
    """The index kernels were timed up to 16,384 tokens; beyond, their share cannot be put right."""
    shared = structs.replace(GLM5, context=8)
    prices = pricing("h200_sxm", "sglang", FP8, profile="aiconfigurator-0.12")
    with pytest.raises(UnpricedError, match="prompts of up to 16384 tokens were measured, not 32768"):
        ms(shared, prompts(1, 32768), prices)


def test_a_prompt_just_past_the_choice_is_not_a_dense_one() -> None:
    """SGLang attends to all of 2,048 tokens, and indexes 2,049, in more than twice the time."""
    prices, op = pricing("h200_sxm", "sglang", FP8), structs.replace(GLM5, heads=64)
    assert ms(op, prompts(1, 2049), prices) > 2.0 * ms(op, prompts(1, 2048), prices)
    peers = pricing("h200_sxm", "sglang", FP8, profile="aiconfigurator-0.12")
    assert ms(op, prompts(1, 2049), peers) < 1.1 * ms(op, prompts(1, 2048), peers)


def test_a_long_prompt_is_the_sum_of_its_pieces() -> None:
    """SGLang's rows end at 8,192 new tokens; the second half of 16,384 is measured behind the first."""
    prices, op = pricing("h200_sxm", "sglang", FP8), structs.replace(GLM5, heads=8)
    halves = ms(op, prompts(1, 8192), prices) + ms(op, prompts(1, 8192, 8192), prices)
    assert ms(op, prompts(1, 16384), prices) == pytest.approx(halves)
    rest = ms(op, prompts(1, 1000, 16384), prices)
    assert ms(op, prompts(1, 17384), prices) == pytest.approx(halves + rest)
    peers = pricing("h200_sxm", "sglang", FP8, profile="aiconfigurator-0.12")
    assert ms(op, prompts(1, 16384), peers) > 1.1 * halves


def test_without_rows_behind_a_prefix_there_are_no_pieces() -> None:
    """vLLM's rows end at 32,768 new tokens, none behind more than 128: a longer prompt is extrapolated."""
    op = structs.replace(GLM5, heads=8)
    own, peers = (pricing("h200_sxm", "vllm", FP8, profile=name) for name in ("aicfg", "aiconfigurator-0.12"))
    assert ms(op, prompts(1, 65536), own) == ms(op, prompts(1, 65536), peers)


def test_equal_scores_are_taken_off() -> None:
    """Among real ones SGLang chooses faster; layers that take over a choice have nothing to take off."""
    op, load = structs.replace(GLM5, heads=8), prompts(1, 8192)
    own, peers = (
        pricing("h200_sxm", "sglang", FP8, profile=name) for name in ("aicfg", "aiconfigurator-0.12")
    )
    assert 0.9 * ms(op, load, peers) < ms(op, load, own) < 0.99 * ms(op, load, peers)
    assert ms(op, decoding([8.0], 16384.0), own) < ms(op, decoding([8.0], 16384.0), peers)
    taking_over = structs.replace(op, chooses=False)
    assert ms(taking_over, load, own) == ms(taking_over, load, peers)
