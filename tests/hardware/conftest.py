"""Prices over made-up tables; the helpers beside the tests can be imported."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.model_specs.quantization import Quant

sys.path.insert(0, str(Path(__file__).parent))

Made = Mapping[str, Mapping[Key, Any]]


class MadeTables:
    """Tables held in memory: family → key → grid, or value → grid where a family has several values."""

    def __init__(self, system: str, backend: str, families: Made) -> None:
        self.system, self.backend, self.version = system, backend, "made"
        self._families = families

    def keys(self, family: str) -> tuple[Key, ...]:
        """Every key of a family."""
        return tuple(self._families.get(family, {}))

    def grid(self, family: str, key: Key, lane: str = "", value: str = "") -> Grid:
        """One key's grid."""
        if key not in self._families.get(family, {}):
            raise MissingDataError(f"table {family}: no rows for {key}")
        found = self._families[family][key]
        return found[value] if value else found


def made_pricing(
    families: Made,
    system: str = "h200_sxm",
    backend: str = "vllm",
    mode: DataMode = DataMode.SILICON,
    **formats: str,
) -> Pricing:
    """Prices on a shipped system description, of tables that a test made up."""
    tables: Any = MadeTables(system, backend, families)
    profile = load_profile("aiconfigurator-0.12")
    return Pricing(load_system(system), tables, Quant(**formats), profile, mode)


def made_curve(sizes: list[int], times: list[float]) -> Grid:
    """A grid of one axis."""
    return Grid((np.array(sizes),), np.array(times))


@pytest.fixture
def priced() -> Callable[..., Pricing]:
    """Makes prices of made-up tables (``made_pricing``)."""
    return made_pricing


@pytest.fixture
def curve() -> Callable[..., Grid]:
    """Makes a grid of one axis (``made_curve``)."""
    return made_curve
