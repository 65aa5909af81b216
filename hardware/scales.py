"""Passes that quantise activations: what a product with static scales saves over one with dynamic scales.

Rules: performance model of AIConfigurator 0.12, §2.2 and §4.
"""

import numpy as np

from aicfg.hardware.estimate import Loan, Utilisation, by_nearness, first_loan
from aicfg.hardware.interpolation import FloatArray, IntArray, along, bracket, reach_along
from aicfg.hardware.pricing import Pricing, Reach
from aicfg.hardware.tables.store import Grid, MissingDataError

KEY = ("fp8",)
PASSES = {"compute_scale": 2.0, "scale_matrix": 3.0}
"""Bytes that a pass moves for each element of the activation, by table."""


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

    def reach(self, m: FloatArray, k: int) -> IntArray:
        """What the time at each m rests on."""
        return np.maximum(reach_along(self.m, m), reach_along(self.k, np.array([float(k)])))

    def nearest(self, m: FloatArray, k: int) -> FloatArray:
        """The nearest measured time at each m, grown with m·k; a difference measured as nothing stays so.

        Differences below nothing are noise.
        """
        at = np.argwhere(self.times_ms >= 0.0)
        points = np.column_stack([self.m[at[:, 1]], self.k[at[:, 0]]])
        chosen = [by_nearness((rows, k), points)[0] for rows in m.tolist()]
        elements = points[chosen].prod(axis=1)
        return np.asarray(self.times_ms[tuple(at[chosen].T)] * (m * k) / elements)

    def _column(self, k: float) -> FloatArray:
        lower, upper, weight = bracket(self.k, np.array([k]))
        low, high = self.times_ms[lower[0]], self.times_ms[upper[0]]
        return low + (high - low) * weight


def scaling_pass(pricing: Pricing, family: str, m: FloatArray, k: int) -> tuple[FloatArray, Reach]:
    """Time in ms of one pass of ``family`` over a (m, k) activation, and what it rests on."""

    def light() -> FloatArray:
        return PASSES[family] * m * k / pricing.system.memory_bandwidth_bytes_per_s * 1000.0

    return pricing.choose(
        measured=lambda: scale_table(pricing, family)(m, k),
        light=light,
        estimated=lambda: _estimated_ms(pricing, family, m, k, light()),
        reach=lambda: scale_table(pricing, family).reach(m, k),
    )


def scale_table(pricing: Pricing, family: str) -> ScaleTable:
    """The passes of ``family``: ``compute_scale`` is a measured difference, ``scale_matrix`` a kernel."""
    grows = family == "scale_matrix"
    return pricing.table((family,), lambda: ScaleTable(pricing.tables.grid(family, KEY), grows))


def _estimated_ms(pricing: Pricing, family: str, m: FloatArray, k: int, light_ms: FloatArray) -> FloatArray:
    """Without any measured pass nothing is saved: the product counts as one with dynamic scales."""
    try:
        if family == "compute_scale":
            return scale_table(pricing, family).nearest(m, k)
        return _loan(pricing, family).ms(light_ms, m, np.full(len(m), float(k)))
    except MissingDataError:
        return np.zeros(len(m))


def _loan(pricing: Pricing, family: str) -> Loan:
    def open_loan() -> Loan:
        table, bandwidth = scale_table(pricing, family), pricing.system.memory_bandwidth_bytes_per_s
        lent = Utilisation(
            (table.m, table.k),
            table.times_ms.T,
            lambda m, k: PASSES[family] * m * k / bandwidth * 1000.0,
        )
        return first_loan([lambda: Loan(lent)], f"{family} on {pricing.system.name}")

    return pricing.table((family, "loan"), open_loan)
