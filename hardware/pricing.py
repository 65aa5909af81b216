"""Prices of single operations: the bridge from what a model computes to measured milliseconds.

A ``Pricing`` belongs to one GPU system, engine and quantisation. Each kind of operation is priced by the
module that holds its tables (``PRICERS``); tables are opened when first needed, and what was priced is
remembered, so that layouts which share a shape share the work.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar, cast

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.profile import Profile
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.operations import Operation
from aicfg.model_specs.quantization import Quant, element_bytes

Table = TypeVar("Table")
Pricer = Callable[["Pricing", Operation, StepLoad], FloatArray]

PRICERS: dict[type, Pricer] = {}
"""How each kind of operation is priced; filled by ``prices`` in the modules that hold the tables."""


def prices(kind: type) -> Callable[[Callable[..., FloatArray]], Callable[..., FloatArray]]:
    """Declares a function ``(pricing, operation, load) -> (Q,) ms`` as the price of one call of a kind."""

    def register(pricer: Callable[..., FloatArray]) -> Callable[..., FloatArray]:
        PRICERS[kind] = pricer
        return pricer

    return register


class Pricing:
    """Milliseconds of operations on one system, engine and quantisation."""

    def __init__(self, system: System, tables: Tables, quant: Quant, profile: Profile) -> None:
        self.system = system
        self.tables = tables
        self.quant = quant
        self.profile = profile
        self._tables: dict[tuple[object, ...], object] = {}
        self._priced: dict[tuple[object, ...], list[tuple[FloatArray, FloatArray]]] = {}

    def price(self, operation: Operation, load: StepLoad) -> FloatArray:
        """One call of ``operation`` in each of Q steps, in ms."""
        return PRICERS[type(operation)](self, operation, load)

    def total(self, operations: tuple[Operation, ...], load: StepLoad) -> FloatArray:
        """All ``operations``, each as often as the step performs it, in ms."""
        total = np.zeros(len(load.tokens))
        for operation in operations:
            total += operation.count * self.price(operation, load)
        return total

    def dtype(self, component: str) -> str:
        """The number format of a component's weights."""
        return "bfloat16" if component == "bfloat16" else str(getattr(self.quant, component))

    @cached_property
    def kv_bytes(self) -> float:
        """Bytes of one element of the KV cache."""
        return element_bytes("kvcache", self.quant.kvcache)

    def table(self, key: tuple[object, ...], open_table: Callable[[], Table]) -> Table:
        """The table under ``key``, opened once."""
        if key not in self._tables:
            self._tables[key] = open_table()
        return cast(Table, self._tables[key])

    def once(self, key: tuple[object, ...], at: FloatArray, price: Callable[[], FloatArray]) -> FloatArray:
        """The price at each of ``at``; an earlier and longer sweep that begins alike is cut to it."""
        for earlier, priced in self._priced.setdefault(key, []):
            if len(earlier) >= len(at) and np.array_equal(earlier[: len(at)], at):
                return priced[: len(at)]
        self._priced[key].append((at, price()))
        return self._priced[key][-1][1]
