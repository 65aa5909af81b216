"""Dense products beside other engines: none far above the fastest."""

import numpy as np
import pytest
from msgspec import structs

from aicfg.hardware.agreement import SHARED_BY_ALL, capped, products
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Grid, open_tables
from aicfg.model_specs.quantization import Quant


def grid(m: list[int], values: list[float]) -> Grid:
    """Products of one site at several m."""
    axes = (np.array([128]), np.array([256]), np.array(m))
    return Grid(axes, np.array(values).reshape(1, 1, -1))


def test_times_far_above_the_least_give_way() -> None:
    """A row 1.5 times the other engine's becomes 1.2 times; others, and what no other measured, stay."""
    own, other = grid([1, 2, 4, 8], [1.5, 1.1, 9.0, 1.0]), grid([1, 2, 8], [1.0, 1.0, np.nan])
    found = capped(own, [other], 1.2)
    assert found.values.ravel() == pytest.approx([1.2, 1.1, 9.0, 1.0])
    assert found.replaced is not None
    assert found.replaced.ravel().tolist() == [True, False, False, False]
    assert capped(own, [], 1.2) is own


def pricing(profile: str, **terms: object) -> Pricing:
    """Prices of TensorRT-LLM on B200."""
    chosen = load_profile(profile)
    chosen = structs.replace(chosen, operations=structs.replace(chosen.operations, **terms))
    return Pricing(
        load_system("b200_sxm"), open_tables("b200_sxm", "trtllm"), Quant("nvfp4", "nvfp4"), chosen
    )


def test_nvfp4_products_of_tensorrt_llm_come_down() -> None:
    """Its nvfp4 rows on B200 are 1.3 times the others' at the median; with the term at most 1.2 times."""
    with_term, without = (
        products(pricing("aicfg", products_above_engines=margin), "nvfp4").values for margin in (1.2, None)
    )
    lower = with_term < without - 1e-12
    assert 0.3 < lower.sum() / (~np.isnan(without)).sum() < 0.95
    assert not (with_term > without).any()


def test_formats_that_engines_share_are_left_alone() -> None:
    """bfloat16 tables agree already, and the peer's profile takes every table as it is."""
    ours, theirs = pricing("aicfg"), pricing("aiconfigurator-0.12")
    assert products(ours, SHARED_BY_ALL[0]) is ours.tables.grid("gemm", SHARED_BY_ALL)
    assert products(theirs, "nvfp4") is theirs.tables.grid("gemm", ("nvfp4",))
