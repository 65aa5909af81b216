"""Attention to compressed tokens (DeepSeek-V4): what it costs beside what was measured."""

from functools import cache

import numpy as np
import pytest
from module_cases import COMPRESSED
from msgspec import structs

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.compressed_light import _entry_pairs
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing, UnpricedError
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.operations import CompressedModule
from aicfg.model_specs.quantization import Quant

FLASH = structs.replace(COMPRESSED["flash"], ratio=4, heads=8, groups=1)
WIDE = structs.replace(FLASH, ratio=128)
FP8 = Quant(gemm="fp8_block", moe="fp8_block", kvcache="fp8", fmha="bfloat16")


@cache
def pricing(
    system: str = "h200_sxm",
    backend: str = "sglang",
    mode: DataMode = DataMode.SILICON,
    profile: str = "aicfg",
    quant: Quant = FP8,
) -> Pricing:
    """Prices of single operations."""
    tables = open_tables(system, backend)
    return Pricing(load_system(system), tables, quant, load_profile(profile), mode)


def prompts(batch: float, length: float, prefix: float = 0.0) -> StepLoad:
    """Prompts alone."""
    one = np.ones(1)
    return StepLoad(one * batch * length, one, Prompts(one * batch, one * length, one * prefix))


def decoding(batch: float, length: float) -> StepLoad:
    """New tokens alone."""
    one = np.ones(1)
    return StepLoad(one * batch, one * batch, decoding=Decoding(one * batch, one * length, one))


def ms(op: CompressedModule, load: StepLoad, prices: Pricing) -> float:
    """One call."""
    return float(prices.total((op,), load)[-1])


def test_a_long_cache_costs_little() -> None:
    """Thirty-two times the tokens take less than twice the time: entries stand for many."""
    for op in (FLASH, WIDE):
        short, long = (ms(op, decoding(16, length), pricing()) for length in (4096.0, 131072.0))
        assert short < long < 2.0 * short


@pytest.mark.parametrize("op", [FLASH, WIDE], ids=["chooses", "wide"])
def test_ranks_share_a_prompt(op: CompressedModule) -> None:
    """Eight context-parallel ranks take more than an eighth of one's time, and less than half."""
    whole = structs.replace(op, heads=64, groups=8)
    alone = ms(whole, prompts(1, 16384), pricing())
    shared = ms(structs.replace(whole, context=8), prompts(1, 16384), pricing())
    assert alone / 8 < shared < alone / 2


def test_the_peers_correction_needs_its_kernels() -> None:
    """Without the index kernels' rows, or beyond them, a shared prompt has no price under its profile."""
    shared = structs.replace(FLASH, heads=64, groups=8, context=8)
    peers = pricing(profile="aiconfigurator-0.12")
    longest = 10.0**6
    with pytest.raises(UnpricedError, match=r"prompts of up to \d+ tokens were measured, not 1000000"):
        ms(shared, prompts(1, longest), peers)
    pro = structs.replace(COMPRESSED["pro"], ratio=4, heads=128, context=8)
    with pytest.raises(UnpricedError, match="no rows for 128 heads"):
        ms(pro, prompts(1, 8192), peers)


def test_rows_of_other_heads_stand_in() -> None:
    """A share of heads that was not timed takes the next smaller one's rows, else the smallest's."""
    odd = structs.replace(FLASH, heads=12)
    assert ms(odd, decoding(16, 4096), pricing()) == ms(FLASH, decoding(16, 4096), pricing())
    few = structs.replace(FLASH, heads=1)
    assert ms(few, decoding(16, 4096), pricing()) == ms(FLASH, decoding(16, 4096), pricing())


def test_a_format_without_rows_borrows_from_the_nearest() -> None:
    """A cache in bfloat16 was never timed; hybrid mode prices it by the fp8 one's utilisation."""
    plain = Quant(gemm="fp8_block", kvcache="bfloat16")
    with pytest.raises(UnpricedError, match="no rows for"):
        ms(FLASH, decoding(16, 65536), pricing(quant=plain))
    found = ms(FLASH, decoding(16, 65536), pricing(mode=DataMode.HYBRID, quant=plain))
    assert ms(FLASH, decoding(16, 65536), pricing()) <= found


def test_entry_pairs_are_the_sum_over_tokens() -> None:
    """A token attends to the entries that are whole by then, at most the best so many."""
    prefix, length = np.array([0.0, 3.0, 30.0]), np.array([37.0, 6.0, 8.0])
    for most in (5.0, np.inf):
        counted = [
            sum(min((p + i + 1) // 4, most) for i in range(int(n)))
            for p, n in zip(prefix, length, strict=True)
        ]
        np.testing.assert_array_equal(_entry_pairs(prefix, length, 4, most), counted)
