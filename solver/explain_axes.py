"""Explanations by solving: bounds are moved along their axes, and each time it is asked whether a plan
exists.

Loosening a bound never loses a plan, so the smallest change of one is found by bisection; a minimal conflict
by leaving out one bound after the other; the nearest combination by bisection over the largest relative
change, after which each bound is tightened again as far as the others let it.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from aicfg.solver.axes import MEMORY, Axis, axes, loosest_that
from aicfg.solver.narrow import narrowed, why_whole
from aicfg.solver.optimum import any_plan
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.relaxation import Relaxation, Weights, weight_of
from aicfg.solver.thresholds import Plan

FINEST = 1e-6
"""Resolution of the largest relative change of a combination."""
LARGEST = 2.0**20


@dataclass
class Axes:
    """The axes of an ask without a plan, and what is known about points on them."""

    points: Points
    asks: tuple[Ask, ...]
    """Ways to serve: a plan of one is enough."""
    axes: list[Axis]
    positions: IntArray
    """Of the points, among those given."""
    known: dict[tuple[int, ...], Plan | None] = field(default_factory=dict)

    @staticmethod
    def of(points: Points, asks: tuple[Ask, ...]) -> "Axes":
        """All axes, memory included; without the points that no plan needs."""
        found = axes(points, asks, memory=True)
        whole = any(why_whole(points, ask) is not None for ask in asks)
        positions = np.arange(len(points)) if whole else narrowed(points, beyond_memory=True)
        return Axes(points.take(positions), asks, found, positions)

    @property
    def names(self) -> list[str]:
        """The constraints' names."""
        return [axis.name for axis in self.axes]

    def plan(self, values: dict[str, int]) -> Plan | None:
        """A plan with the axes at ``values``, the others as asked."""
        key = tuple(values.get(axis.name, axis.asked) for axis in self.axes)
        if key not in self.known:
            plans = (any_plan(*self._moved_to(ask, key)) for ask in self.asks)
            self.known[key] = next((plan for plan in plans if plan is not None), None)
        return self.known[key]

    def _moved_to(self, ask: Ask, values: tuple[int, ...]) -> tuple[Points, Ask]:
        points = self.points
        for axis, value in zip(self.axes, values, strict=True):
            if value != axis.asked:
                points, ask = axis.apply(points, ask, value)
        return points, ask

    def alone(self, axis: Axis, others: dict[str, int]) -> int | None:
        """The nearest value of one axis with a plan, the others at ``others``."""

        def good(value: int) -> bool:
            return self.plan({**others, axis.name: value}) is not None

        return loosest_that(axis, good, axis.asked, axis.loosest) if axis.asked != axis.loosest else None

    def relaxation(self, axis: Axis, value: int, plan: Plan | None) -> Relaxation:
        """The axis moved to ``value``; memory in the terms of the limit that ``plan`` exceeds the most."""
        base = 0
        if axis.name == MEMORY and plan is not None:
            over = self.points.memory_bytes - self.points.memory_limit_bytes
            base = int(self.points.memory_limit_bytes[max(plan, key=lambda p: int(over[p]))])
        return Relaxation(axis.name, base + axis.asked, base + value, None, axis.text(value))

    def relaxations(self) -> tuple[Relaxation, ...]:
        """The smallest change of each constraint alone, where one makes a plan exist."""
        found = []
        for axis in self.axes:
            value = self.alone(axis, {})
            if value is not None:
                found.append(self.relaxation(axis, value, self.plan({axis.name: value})))
        return tuple(found)

    def conflicts(self) -> tuple[tuple[str, ...], ...]:
        """Disjoint minimal sets, each by leaving out one constraint after the other."""
        loosest = {axis.name: axis.loosest for axis in self.axes}
        found: list[tuple[str, ...]] = []
        left = self.names
        if self.plan(loosest) is None:
            return ()
        while not self._holds(left, loosest):
            kept = left
            for name in left:
                rest = [other for other in kept if other != name]
                if not self._holds(rest, loosest):
                    kept = rest
            found.append(tuple(kept))
            left = [name for name in left if name not in kept]
        return tuple(found)

    def _holds(self, names: list[str], loosest: dict[str, int]) -> bool:
        """Whether a plan holds all of ``names``, whatever it needs of the others."""
        return self.plan({name: value for name, value in loosest.items() if name not in names}) is not None

    def combined(self, weights: Weights) -> tuple[Relaxation, ...]:
        """The smallest largest relative change, tightened again one by one, dearest first."""
        low, high = 0.0, FINEST
        while self.plan(self._moved(high, weights)) is None:
            low, high = high, 2 * high
            if high > LARGEST:
                return ()
        while high - low > FINEST * max(high, 1e-3):
            middle = (low + high) / 2
            low, high = (low, middle) if self.plan(self._moved(middle, weights)) else (middle, high)
        values = self._moved(high, weights)
        for axis in sorted(self.axes, key=lambda each: -weight_of(weights, each.name)):
            values[axis.name] = self._tightened(axis, values)
        plan = self.plan(values)
        changed = (axis for axis in self.axes if values[axis.name] != axis.asked)
        return tuple(self.relaxation(axis, values[axis.name], plan) for axis in changed)

    def _moved(self, share: float, weights: Weights) -> dict[str, int]:
        """Every axis looser by ``share`` of what is asked (divided by its weight)."""
        values = {}
        for axis in self.axes:
            scale = abs(axis.asked) or (
                int(self.points.memory_limit_bytes.max()) if axis.name == MEMORY else 1
            )
            more = int(share * scale / weight_of(weights, axis.name))
            values[axis.name] = axis.asked + axis.looser * min(more, abs(axis.loosest - axis.asked))
        return values

    def _tightened(self, axis: Axis, values: dict[str, int]) -> int:
        """The value nearest to what is asked with which a plan still exists."""
        if self.plan({**values, axis.name: axis.asked}) is not None or values[axis.name] == axis.asked:
            return axis.asked
        within = replace(axis, loosest=values[axis.name])
        found = self.alone(within, values)
        return values[axis.name] if found is None else found
