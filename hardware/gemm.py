"""Dense products: measured (n, k) sites, each with a curve over m.

A site that was measured answers from its own curve. Any other shape borrows the utilisation (speed of light
over time) of the four nearest measured sites. Rules: performance model of AIConfigurator 0.12, §4.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aicfg.hardware.agreement import products
from aicfg.hardware.estimate import Loan, Utilisation, first_loan, level_ratio, other_classes, same_class
from aicfg.hardware.interpolation import FloatArray, IntArray, along, reach_along
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing, Reach, least_firm, prices
from aicfg.hardware.roofline import GemmRoofline
from aicfg.hardware.scales import scaling_pass
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.operations import Gemm, Rows
from aicfg.model_specs.quantization import element_bytes, flops_class

Found = TypeVar("Found")

NEAREST_SITES = 4
MAX_OCTAVES = 2.0
"""Sites farther than this (log2 distance over n and k) lend nothing, except past the grid's upper end."""
TAIL_POINTS = 3
"""Points at a curve's end whose median utilisation is held beyond it."""


def _median(values: FloatArray) -> float:
    """Middle of a few values (numpy's own imports masked arrays to find it)."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0


class _Curve(Struct, frozen=True):
    """One site's sweep over m."""

    n: float
    k: float
    m: FloatArray
    times_ms: FloatArray
    roofline: GemmRoofline
    replaced: NDArray[np.bool_] | None = None

    def __call__(self, m: FloatArray) -> FloatArray:
        """Time in ms at each m; past the sweep the end's median utilisation is held."""
        times = (
            along(self.m, self.times_ms, m)
            if len(self.m) > 1
            else np.where(m == self.m, self.times_ms, np.nan)
        )
        for outside, tail in (
            (m < self.m[0], slice(None, TAIL_POINTS)),
            (m > self.m[-1], slice(-TAIL_POINTS, None)),
        ):
            if outside.any():
                light = self.roofline(self.m[tail], self.n, self.k)
                held = _median(light / self.times_ms[tail])
                times[outside] = self.roofline(m[outside], self.n, self.k) / held
        return times


class GemmTable:
    """All measured products of one dtype on one GPU and engine."""

    def __init__(self, grid: Grid, roofline: GemmRoofline, name: str) -> None:
        """``grid`` has axes (n, k, m); rows faster than light are raised to it."""
        self.name = name
        self.roofline = roofline
        self._grid = grid
        n, k, m = (axis.astype(np.float64) for axis in grid.axes)
        self._m = m
        light = roofline(m[None, None, :], n[:, None, None], k[None, :, None])
        self._times = np.maximum(grid.values, light)
        measured = ~np.isnan(grid.values)
        rows, columns = np.nonzero(measured.any(axis=2))
        self._sites = np.array([n[rows], k[columns]])
        self._log_sites = np.log2(self._sites)
        self._positions = list(zip(rows.tolist(), columns.tolist(), strict=True))
        self._number = {(int(n[i]), int(k[j])): site for site, (i, j) in enumerate(self._positions)}
        here = measured[rows, columns]
        self._first = m[here.argmax(axis=1)]
        self._last = m[len(m) - 1 - here[:, ::-1].argmax(axis=1)]
        self._starts, self._ends = sorted(set(self._first.tolist())), sorted(set(self._last.tolist()))

    def __call__(self, m: FloatArray, n: int, k: int) -> FloatArray:
        """Time in ms of (m, k) x (k, n) at each m of a (Q,) array."""
        if self.measured(n, k):
            return self._curve(self._number[n, k])(m)
        utilisation = np.empty(len(m))
        for part in self._covering_classes(m):
            utilisation[part] = self._borrowed(m[part], n, k)
        return self.roofline(m, n, k) / utilisation

    def reach(self, m: FloatArray, n: int, k: int) -> IntArray:
        """What the time at each m rests on: utilisation lent inside the sites' box counts as interpolated."""
        if self.measured(n, k):
            curve = self._curve(self._number[n, k])
            return reach_along(curve.m, m, curve.replaced)
        low, high = self._sites.min(axis=1), self._sites.max(axis=1)
        within = (m >= self._first.min()) & (m <= self._last.max())
        within &= bool((low <= (n, k)).all() and (high >= (n, k)).all())
        reach = np.where(within, Source.INTERPOLATED, Source.EXTRAPOLATED)
        return np.where(self._on_replaced(m, n, k), Source.REPLACED, reach)

    def _on_replaced(self, m: FloatArray, n: int, k: int) -> NDArray[np.bool_]:
        """Whether the nearest lender's time at each m is a replaced one."""
        nearest = self._curve(int(self._neighbours(m[0], n, k)[0][0]))
        return reach_along(nearest.m, m, nearest.replaced) == Source.REPLACED

    def utilisation(self) -> Utilisation:
        """What any shape may borrow, over axes (m, n, k)."""
        return Utilisation((self._m, *self._grid.axes[:2]), self._times.transpose(2, 0, 1), self.roofline)

    def measured(self, n: int, k: int) -> bool:
        """Whether this very shape was measured."""
        return (n, k) in self._number

    def _curve(self, site: int) -> _Curve:
        times = self._times[self._positions[site]]
        there = ~np.isnan(times)
        n, k = self._sites[:, site]
        replaced = None if self._grid.replaced is None else self._grid.replaced[self._positions[site]][there]
        return _Curve(float(n), float(k), self._m[there], times[there], self.roofline, replaced)

    def _covering_classes(self, m: FloatArray) -> list[NDArray[np.bool_]]:
        """Groups of m that the same sites' sweeps cover."""
        begun = np.searchsorted(self._starts, m, side="right")
        ended = np.searchsorted(self._ends, m, side="left")
        label = begun * (len(self._ends) + 1) + ended
        return [label == value for value in np.flatnonzero(np.bincount(label))]

    def _borrowed(self, m: FloatArray, n: int, k: int) -> FloatArray:
        """Utilisation lent by the nearest sites; all m are covered by the same sites."""
        chosen, distance = self._neighbours(m[0], n, k)
        weights = 1.0 / (distance**2 + 1e-12)
        lent = np.zeros(len(m))
        for site, weight in zip(chosen, weights, strict=True):
            curve = self._curve(site)
            lent += weight * self.roofline(m, curve.n, curve.k) / curve(m)
        return lent / weights.sum()

    def _neighbours(self, m: float, n: int, k: int) -> tuple[NDArray[np.int64], FloatArray]:
        """The sites that lend to (n, k) at m, nearest first, with their log2 distances."""
        offsets = self._log_sites - np.log2([[n], [k]])
        distance = np.sqrt(offsets[0] ** 2 + offsets[1] ** 2)
        covering = (self._first <= m) & (m <= self._last)
        candidates = np.flatnonzero(covering) if covering.any() else np.arange(len(distance))
        near = candidates[distance[candidates] <= MAX_OCTAVES]
        if not len(near):
            near = self._past_the_end(candidates, offsets, n, k)
        order = near[np.argsort(distance[near], kind="stable")][:NEAREST_SITES]
        return order, distance[order]

    def _past_the_end(
        self, candidates: NDArray[np.int64], offsets: FloatArray, n: int, k: int
    ) -> NDArray[np.int64]:
        """Sites that lend to a shape with exactly one of n.

        K above the grid (the LM head of a large vocabulary).
        """
        sites = self._sites[:, candidates]
        wanted = np.array([n, k], dtype=np.float64)
        over = wanted > sites.max(axis=1)
        if (wanted < sites.min(axis=1)).any() or over.sum() != 1:
            raise MissingDataError(
                f"no measured product within {MAX_OCTAVES} octaves of n={n}, k={k} in {self.name}"
            )
        other = int(np.flatnonzero(~over)[0])
        near = candidates[np.abs(offsets[other, candidates]) <= MAX_OCTAVES]
        if not len(near):
            raise MissingDataError(f"no measured product near n={n}, k={k} in {self.name}")
        return near


@prices(Gemm)
def gemm_ms(pricing: Pricing, op: Gemm, load: StepLoad) -> FloatArray:
    """One product over the step's tokens (or the rows whose logits are wanted)."""
    rows = op.split.of(load.tokens if op.rows is Rows.TOKENS else load.logits)
    priced = _static_product_ms if pricing.dtype(op.component) == "fp8_static" else _product_ms
    return priced(pricing, op, rows)


def _product_ms(pricing: Pricing, op: Gemm, rows: FloatArray) -> FloatArray:
    ms, reach = _chosen_product(pricing, op, pricing.dtype(op.component), rows)
    pricing.note(ms, reach)
    return ms


def _static_product_ms(pricing: Pricing, op: Gemm, rows: FloatArray) -> FloatArray:
    """Measured with dynamic scales: the scaling passes are taken off, never below light."""
    ms, product_reach = _chosen_product(pricing, op, "fp8", rows)
    families = ("compute_scale", "scale_matrix") if op.input_low_precision else ("compute_scale",)
    passes = [scaling_pass(pricing, family, rows, op.k) for family in families]
    for saved_ms, _ in passes:
        ms = ms - saved_ms
    ms = np.maximum(ms, _roofline(pricing, op.component, "fp8")(rows, op.n, op.k))
    pricing.note(ms, lambda: least_firm(product_reach, *(reach for _, reach in passes)))
    return ms


def _chosen_product(pricing: Pricing, op: Gemm, dtype: str, rows: FloatArray) -> tuple[FloatArray, Reach]:
    """The product's price in the data mode, and what it rests on."""
    roofline = _roofline(pricing, op.component, dtype)

    def estimated() -> FloatArray:
        n, k = np.full(len(rows), float(op.n)), np.full(len(rows), float(op.k))
        return _loan(pricing, op.component, dtype).ms(roofline(rows, op.n, op.k), rows, n, k)

    def light() -> FloatArray:
        return roofline(rows, op.n, op.k)

    def table() -> GemmTable:
        return _table(pricing, op.component, dtype)

    return pricing.choose(
        measured=lambda: _unless_narrow(pricing, op, lambda: table()(rows, op.n, op.k), light),
        light=light,
        estimated=estimated,
        reach=lambda: _unless_narrow(
            pricing, op, lambda: table().reach(rows, op.n, op.k), lambda: np.full(len(rows), Source.LIGHT)
        ),
    )


def _unless_narrow(
    pricing: Pricing, op: Gemm, asked: Callable[[], Found], light: Callable[[], Found]
) -> Found:
    """What the table says; of a narrow product without measured neighbours, ``light`` (silicon mode)."""
    try:
        return asked()
    except MissingDataError:
        if op.narrow and pricing.mode is DataMode.SILICON:
            return light()
        raise


def _roofline(pricing: Pricing, component: str, dtype: str) -> GemmRoofline:
    system = pricing.system
    arithmetic = system.peak_flops(flops_class(component, dtype))
    return GemmRoofline(element_bytes(component, dtype), arithmetic, system.memory_bandwidth_bytes_per_s)


def _table(pricing: Pricing, component: str, dtype: str) -> GemmTable:
    def open_table() -> GemmTable:
        roofline = _roofline(pricing, component, dtype)
        where = f"the {dtype} GEMM table of {pricing.system.name}, {pricing.tables.backend}"
        return GemmTable(products(pricing, dtype), roofline, where)

    return pricing.table(("gemm", dtype), open_table)


def _loan(pricing: Pricing, component: str, dtype: str) -> Loan:
    """Utilisation of the format's own products, else of a format of its class, else of another class."""
    measured = [str(key[0]) for key in pricing.tables.keys("gemm")]

    def lend(lender: str) -> Loan:
        return Loan(_table(pricing, "gemm", lender).utilisation(), level_ratio("gemm", dtype, lender))

    def open_loan() -> Loan:
        lenders = [
            *([dtype] if dtype in measured else []),
            *same_class("gemm", dtype, measured)[:1],
            *other_classes("gemm", dtype, measured, arithmetic_first=True),
        ]
        candidates = [partial(lend, each) for each in lenders if _runs(pricing, each)]
        return first_loan(candidates, f"a {dtype} product on {pricing.system.name}")

    return pricing.table(("gemm", dtype, "loan"), open_loan)


def _runs(pricing: Pricing, dtype: str) -> bool:
    """Whether the GPU's description has the arithmetic of a format that was measured on it."""
    return flops_class("gemm", dtype) in pricing.system.flops
