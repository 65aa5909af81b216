"""Attention measured as one module: its estimates and its speed of light against the peer's."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from module_cases import MODULES, numbers

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.modules import Formats, causal_pairs
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.quantization import Quant

VALUES = Path(__file__).parents[1] / "data" / "mode_values_sparse.csv"


@cache
def pricing(system: str, backend: str, quant: Quant, mode: DataMode) -> Pricing:
    """Prices of single operations."""
    profile = load_profile("aiconfigurator-0.12")
    return Pricing(load_system(system), open_tables(system, backend), quant, profile, mode)


def load(text: str) -> StepLoad:
    """A prompt, or decoding requests."""
    at, one = numbers(text), np.ones(1)
    if "tokens" in at:
        return StepLoad(one * at["tokens"], one)
    batch, length = one * at["b"], one * at["s"]
    if "_gen_" in text:
        return StepLoad(batch, batch, decoding=Decoding(batch, length, one))
    return StepLoad(batch * length, batch, prompts=Prompts(batch, length, one * at["prefix"]))


def rows() -> list[tuple[str, str, float]]:
    """Mode, case and value executed by the peer."""
    lines = VALUES.read_text(encoding="utf-8").splitlines()
    return [(r["mode"], r["case"], float(r["value"])) for r in csv.DictReader(lines)]


@pytest.mark.parametrize(("mode", "case", "value"), rows())
def test_estimates_and_light_are_the_peers(mode: str, case: str, value: float) -> None:
    """Without the tables' own points, the estimate and the speed of light are those of AIConfigurator."""
    system, backend, text = case.split("/", 2)
    family, *words = text.split()
    op, quant = MODULES[family](words, text)
    found = pricing(system, backend, quant, DataMode(mode)).total((op,), load(text))
    assert float(found[0]) == pytest.approx(value, rel=1e-6)


def test_causal_pairs_are_the_sum_over_tokens() -> None:
    """Each new token attends to all so far, itself too, but to no more than the most."""
    prefix, length = np.array([0.0, 3.0, 9.0]), np.array([7.0, 4.0, 2.0])
    counted = [sum(min(p + i + 1, 5) for i in range(int(n))) for p, n in zip(prefix, length, strict=True)]
    np.testing.assert_array_equal(causal_pairs(prefix, length, 5), counted)


def test_the_cache_matters_more_than_the_products() -> None:
    """Of two lenders, the one with the same cache; then the one whose products compute alike."""
    asked = Formats("fp8_block", "fp8", "bfloat16")
    others = [
        Formats("fp8_block", "bfloat16", "bfloat16"),
        Formats("bfloat16", "fp8", "bfloat16"),
        Formats("fp8", "fp8", "bfloat16"),
    ]
    assert min(others, key=asked.distance) == others[2]
    assert min(others[:2], key=asked.distance) == others[1]
