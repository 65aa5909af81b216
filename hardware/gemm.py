"""Dense products: measured (n, k) sites, each with a curve over m.

A site that was measured answers from its own curve. Any other shape borrows the utilisation (speed of light
over time) of the four nearest measured sites. Rules: performance model of AIConfigurator 0.12, §4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray, along, bracket
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.roofline import GemmRoofline
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.operations import Gemm, Rows
from aicfg.model_specs.quantization import element_bytes, flops_class

NEAREST_SITES = 4
MAX_OCTAVES = 2.0
"""Sites farther than this (log2 distance over n and k) lend nothing, except past the grid's upper end."""
TAIL_POINTS = 3
"""Points at a curve's end whose median utilisation is held beyond it."""


def _median(values: FloatArray) -> float:
    """Middle of a few values (numpy's own imports masked arrays to find it)."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0


@dataclass(frozen=True)
class _Curve:
    """One site's sweep over m."""

    n: float
    k: float
    m: FloatArray
    times_ms: FloatArray
    roofline: GemmRoofline

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
        n, k, m = (axis.astype(np.float64) for axis in grid.axes)
        self._m = m
        light = roofline(m[None, None, :], n[:, None, None], k[None, :, None])
        self._times = np.maximum(grid.values, light)
        measured = ~np.isnan(grid.values)
        rows, columns = np.nonzero(measured.any(axis=2))
        self._sites = np.array([n[rows], k[columns]])
        self._positions = list(zip(rows.tolist(), columns.tolist(), strict=True))
        self._number = {(int(n[i]), int(k[j])): site for site, (i, j) in enumerate(self._positions)}
        here = measured[rows, columns]
        self._first = m[here.argmax(axis=1)]
        self._last = m[len(m) - 1 - here[:, ::-1].argmax(axis=1)]

    def __call__(self, m: FloatArray, n: int, k: int) -> FloatArray:
        """Time in ms of (m, k) x (k, n) at each m of a (Q,) array."""
        if self.measured(n, k):
            return self._curve(self._number[n, k])(m)
        utilisation = np.empty(len(m))
        for part in self._covering_classes(m):
            utilisation[part] = self._borrowed(m[part], n, k)
        return self.roofline(m, n, k) / utilisation

    def measured(self, n: int, k: int) -> bool:
        """Whether this very shape was measured."""
        return (n, k) in self._number

    def _curve(self, site: int) -> _Curve:
        times = self._times[self._positions[site]]
        there = ~np.isnan(times)
        n, k = self._sites[:, site]
        return _Curve(float(n), float(k), self._m[there], times[there], self.roofline)

    def _covering_classes(self, m: FloatArray) -> list[NDArray[np.bool_]]:
        """Groups of m that the same sites' sweeps cover."""
        starts, ends = sorted(set(self._first.tolist())), sorted(set(self._last.tolist()))
        begun, ended = np.searchsorted(starts, m, side="right"), np.searchsorted(ends, m, side="left")
        label = begun * (len(ends) + 1) + ended
        return [label == value for value in sorted(set(label.tolist()))]

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
        offsets = np.log2(self._sites) - np.log2([[n], [k]])
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


class ScaleTable:
    """Cost of quantising a (m, k) activation: a (k, m) grid, clamped to its envelope.

    Beyond the grid a measured difference is held flat (``grows=False``); a real kernel grows with m·k.
    """

    def __init__(self, grid: Grid, grows: bool) -> None:
        """``grid`` has axes (k, m)."""
        self.grows = grows
        self.k, self.m = (axis.astype(np.float64) for axis in grid.axes)
        self.times_ms = grid.values

    def __call__(self, m: FloatArray, k: int) -> FloatArray:
        """Time in ms at each m of a (Q,) array."""
        at_m = np.clip(m, self.m[0], self.m[-1])
        at_k = float(np.clip(k, self.k[0], self.k[-1]))
        column = self._column(at_k)
        there = ~np.isnan(column)
        times = along(self.m[there], column[there], np.clip(at_m, self.m[there][0], self.m[there][-1]))
        return times * (m * k) / (at_m * at_k) if self.grows else times

    def _column(self, k: float) -> FloatArray:
        lower, upper, weight = bracket(self.k, np.array([k]))
        low, high = self.times_ms[lower[0]], self.times_ms[upper[0]]
        return low + (high - low) * weight


@prices(Gemm)
def gemm_ms(pricing: Pricing, op: Gemm, load: StepLoad) -> FloatArray:
    """One product over the step's tokens (or the rows whose logits are wanted)."""
    rows = op.split.of(load.tokens if op.rows is Rows.TOKENS else load.logits)
    dtype = pricing.dtype(op.component)
    key = ("gemm", dtype, op.n, op.k, op.input_low_precision)
    return pricing.once(key, rows, lambda: _product_ms(pricing, op, dtype, rows))


def _product_ms(pricing: Pricing, op: Gemm, dtype: str, rows: FloatArray) -> FloatArray:
    table = _table(pricing, op.component, "fp8" if dtype == "fp8_static" else dtype)
    times = table(rows, op.n, op.k)
    if dtype == "fp8_static":  # measured with dynamic scales: take the scaling passes off, never below light
        times = times - _scale(pricing, "compute_scale", grows=False)(rows, op.k)
        if op.input_low_precision:
            times = times - _scale(pricing, "scale_matrix", grows=True)(rows, op.k)
        times = np.maximum(times, table.roofline(rows, op.n, op.k))
    return times


def _table(pricing: Pricing, component: str, dtype: str) -> GemmTable:
    def open_table() -> GemmTable:
        system = pricing.system
        arithmetic = system.peak_flops(flops_class(component, dtype))
        roofline = GemmRoofline(
            element_bytes(component, dtype), arithmetic, system.memory_bandwidth_bytes_per_s
        )
        where = f"the {dtype} GEMM table of {system.name}, {pricing.tables.backend}"
        return GemmTable(pricing.tables.grid("gemm", (dtype,)), roofline, where)

    return pricing.table(("gemm", dtype), open_table)


def _scale(pricing: Pricing, family: str, grows: bool) -> ScaleTable:
    return pricing.table((family,), lambda: ScaleTable(pricing.tables.grid(family, ("fp8",)), grows))
