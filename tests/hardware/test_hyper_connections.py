"""Residual streams mixed into layers and back (hyper-connections)."""

import numpy as np
import pytest
from msgspec import structs

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing, UnpricedError
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.operations import HyperConnection
from aicfg.model_specs.quantization import Quant

PRE = HyperConnection("op", "pre", 4096, 4, 20)


def ms(op: HyperConnection, tokens: float, mode: DataMode = DataMode.SILICON) -> float:
    """One call on SGLang's tables of an H200."""
    tables = open_tables("h200_sxm", "sglang")
    pricing = Pricing(load_system("h200_sxm"), tables, Quant(), load_profile("aicfg"), mode)
    each = np.full(1, tokens)
    return float(pricing.total((op,), StepLoad(each, each))[0])


def test_before_costs_more_than_after() -> None:
    """The weights of the mixing are applied before the sublayers."""
    assert ms(PRE, 8192) > ms(structs.replace(PRE, stage="post"), 8192)


def test_many_tokens_are_bound_by_memory() -> None:
    """Four times the tokens take about four times as long, and never less than the speed of light."""
    short, long = ms(PRE, 16384), ms(PRE, 65536)
    assert long == pytest.approx(4 * short, rel=0.1)
    assert ms(PRE, 65536, DataMode.SOL) < long


def test_another_number_of_streams_has_no_rows() -> None:
    """The table and what it was asked for are named; no mode can lend."""
    with pytest.raises(UnpricedError, match="mhc"):
        ms(structs.replace(PRE, streams=2), 64)
