"""Prices of single operations: the bridge from what a model computes to measured milliseconds.

A ``Pricing`` belongs to one GPU system, engine and quantisation. Each kind of operation is priced by the
module that holds its tables (``PRICERS``); tables are opened when first needed, and what was priced is
remembered, so that layouts which share a shape share the work.

A pricer states up to three prices of the same call (``Pricing.by_mode``): from the measured tables, from an
estimate, and at the speed of light; the data mode chooses.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from importlib import import_module
from typing import TypeVar, cast

import numpy as np

from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.ledger import Ledger
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricers import BY_ROWS, PRICED_IN
from aicfg.hardware.profile import Profile
from aicfg.hardware.system import System
from aicfg.hardware.tables.mended import mended
from aicfg.hardware.tables.store import MissingDataError, Tables
from aicfg.model_specs.operations import Operation
from aicfg.model_specs.quantization import Quant, element_bytes

Table = TypeVar("Table")
Pricer = Callable[["Pricing", Operation, StepLoad], FloatArray]
Price = Callable[[], FloatArray]
Reach = Callable[[], "IntArray | Source"]

PRICERS: dict[type, Pricer] = {}
"""How each kind of operation is priced; filled by ``prices`` in the modules of ``PRICED_IN``."""


def prices(kind: type) -> Callable[[Callable[..., FloatArray]], Callable[..., FloatArray]]:
    """Declares a function ``(pricing, operation, load) -> (Q,) ms`` as the price of one call of a kind."""

    def register(pricer: Callable[..., FloatArray]) -> Callable[..., FloatArray]:
        PRICERS[kind] = pricer
        return pricer

    return register


def least_firm(*parts: Reach) -> IntArray:
    """What a price made of several parts rests on."""
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(*(part() for part in parts))))


class UnpricedError(MissingDataError):
    """An operation that the allowed data cannot price: names it, what is missing and what would fill it."""


class Pricing:
    """Milliseconds of operations on one system, engine and quantisation."""

    def __init__(
        self,
        system: System,
        tables: Tables,
        quant: Quant,
        profile: Profile,
        mode: DataMode = DataMode.SILICON,
    ) -> None:
        self.system = system.ideal() if mode is DataMode.SOL else system
        self.tables = mended(tables) if profile.operations.implausible_rows == "replaced" else tables
        self.quant = quant
        self.profile = profile
        self.mode = mode
        self.ledger: Ledger | None = None
        self._tables: dict[tuple[object, ...], object] = {}
        self._priced: dict[StepLoad, dict[Operation, FloatArray]] = {}
        self._measured: Pricing | None = None

    def recording(self) -> "Pricing":
        """The same prices over the same open tables, with an empty ledger of their own."""
        twin = copy.copy(self)
        rest = Source.LIGHT if self.mode is DataMode.SOL else Source.FORMULA
        twin.ledger, twin._measured = Ledger(rest), None
        return twin

    def price(self, operation: Operation, load: StepLoad) -> FloatArray:
        """One call of ``operation`` in each of Q steps, in ms.

        Raises
        ------
        UnpricedError
            If the data mode's data lack it.
        """
        return self._pricer(load)(operation)

    def _pricer(self, load: StepLoad) -> Callable[[Operation], FloatArray]:
        """Prices in these steps: remembered, also for other steps with the same rows; or for a ledger."""
        ledger = self.ledger
        if ledger is not None:
            return lambda operation: ledger.record(operation, partial(self._price, operation, load))
        whole, of_rows = (self._priced.setdefault(each, {}) for each in (load, load.rows))

        def remembered(operation: Operation) -> FloatArray:
            known = of_rows if isinstance(operation, BY_ROWS) else whole
            if operation not in known:
                known[operation] = self._price(operation, load)
            return known[operation]

        return remembered

    def _price(self, operation: Operation, load: StepLoad) -> FloatArray:
        kind = type(operation)
        if kind not in PRICERS:
            import_module(f"aicfg.hardware.{PRICED_IN[kind]}")
        try:
            return PRICERS[kind](self, operation, load)
        except UnpricedError:
            raise
        except MissingDataError as missing:
            raise UnpricedError(f"{operation.name}: {missing}{self._remedy()}") from missing

    def total(self, operations: tuple[Operation, ...], load: StepLoad) -> FloatArray:
        """All ``operations``, each as often as the step performs it, in ms."""
        if self.ledger is not None:
            self.ledger.begin()
        price, total = self._pricer(load), np.zeros(len(load.tokens))
        for operation in operations:
            total += operation.count * price(operation)
        return total

    def slowest(self, streams: tuple[tuple[Operation, ...], ...], load: StepLoad) -> FloatArray:
        """Streams of operations that run at the same time: the slowest one's total in each of Q steps."""
        if self.ledger is None:
            return np.maximum.reduce([self.total(stream, load) for stream in streams])
        return self.ledger.slowest([partial(self.total, stream, load) for stream in streams])

    def first_measured(self, whole: Operation, parts: tuple[Operation, ...], load: StepLoad) -> FloatArray:
        """One call of ``whole`` if it was measured, else the total of ``parts``.

        ``whole`` is never estimated: its parts are nearer to what was measured.
        """
        strict = self.measured if self.mode is DataMode.HYBRID else self
        try:
            return strict.total((whole,), load)
        except MissingDataError:
            return self.total(parts, load)

    def by_mode(
        self, measured: Price, light: Price, estimated: Price | None = None, reach: Reach | None = None
    ) -> FloatArray:
        """The price (Q,) in ms that the data mode wants; only the callables that it needs are called.

        Parameters
        ----------
        measured
            From the tables; raises MissingDataError where they do not reach.
        light
            The roofline.
        estimated
            From other shapes or formats; without one, HYBRID and EMPIRICAL miss what SILICON misses.
        reach
            What the measured prices rest on: a (Q,) array of ``Source`` values, or one for all. Called only
            for a ledger; without one, INTERPOLATED.
        """
        if self.mode is DataMode.SILICON and self.ledger is None:
            return measured()
        ms, sources = self.choose(measured, light, estimated, reach)
        self.note(ms, sources)
        return ms

    def choose(
        self, measured: Price, light: Price, estimated: Price | None = None, reach: Reach | None = None
    ) -> tuple[FloatArray, Reach]:
        """What ``by_mode`` gives, and what it rests on, not yet noted: for prices made of several."""
        if self.mode is DataMode.SOL:
            return light(), lambda: Source.LIGHT
        if self.mode is DataMode.EMPIRICAL and estimated is not None:
            return estimated(), lambda: Source.ESTIMATED
        try:
            return measured(), reach or (lambda: Source.INTERPOLATED)
        except MissingDataError:
            if self.mode is DataMode.SILICON or estimated is None:
                raise
            return estimated(), lambda: Source.ESTIMATED

    def note(self, ms: FloatArray, sources: Reach) -> None:
        """Enters part of the price at hand into the ledger, if there is one."""
        if self.ledger is not None:
            self.ledger.note(ms, sources())

    def _remedy(self) -> str:
        """What would fill a gap."""
        if self.mode is DataMode.SILICON:
            return " (to fill the gap: the data mode hybrid, or a systems path with tables of your own)"
        return " (to fill the gap: the data mode sol, or a systems path with tables of your own)"

    def with_experts_in(self, dtype: str) -> "Pricing":
        """The same prices and ledger with the experts in another number format."""
        twin = copy.copy(self)
        twin.quant, twin._priced, twin._measured = replace(self.quant, moe=dtype), {}, None
        return twin

    @property
    def measured(self) -> "Pricing":
        """The same tables and ledger without estimates (and with a memory of its own)."""
        if self._measured is None:
            self._measured = copy.copy(self)
            self._measured.mode, self._measured._priced = DataMode.SILICON, {}
        return self._measured

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
