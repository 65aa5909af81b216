"""What each bound costs at the optimum: the next value on either side with which the optimum is another one.

The best figure of the objective is a step function of each bound, and never worse for a looser one. So the
nearest looser bound with a better figure, and the tightest one that keeps the figure, are found by bisection:
over the points' own latencies, or over whole units. A bound that is neither is bound by nothing: it costs
nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from aicfg.solver.answer import Answer
from aicfg.solver.axes import Axis, axes, loosest_that
from aicfg.solver.narrow import not_slower
from aicfg.solver.objectives import LATENCIES, PRECISION, bounded, objective_of
from aicfg.solver.optimum import best_figure
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.ways import Ways, solve_ways, ways
from aicfg.solver.whatif import WhatIf
from aicfg.solver.within import within


@dataclass(frozen=True)
class Step:
    """The optimum with one bound at another value."""

    bound: int
    plan: Answer | None
    """The best plan there; None when none exists."""
    value: int | None
    """Its figure of the objective."""
    needs: int
    """What it takes of the bound: so much, or the bound itself, would do."""
    per_unit: float | None
    """Change of the figure for a (native) unit of the bound, between the asked bound and what is needed."""
    text: str = ""
    """How a user constraint reads there."""


@dataclass(frozen=True)
class Price:
    """One bound of an ask at its optimum."""

    constraint: str
    asked: int
    used: int
    """What the optimum takes of it."""
    value: int
    keeps: int
    """The tightest bound with the same figure: what lies between is slack."""
    tighter: Step | None
    """One step tighter than ``keeps``; None where the bound cannot get that tight."""
    looser: Step | None
    """The nearest looser bound with a better figure; None when none is better, however loose."""
    scale: int = 1
    """Of a user constraint: native units in 1 of its right side."""


def prices(
    points: Points,
    asked: Ways,
    best: Answer | None = None,
    engine: str = "highs",
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Price, ...]:
    """The price of every bound that is asked for; empty without a plan. The objective's own bound has none.

    Parameters
    ----------
    asked
        What is asked, or several ways to serve: then the optimum is that of the best one.
    best
        The answer to it, if it is at hand.
    engine
        By which the plans of the steps are found, where the scan is not exact.
    advance
        Is told how many bounds of how many are priced.
    """
    asks = ways(asked)
    best = best or solve_ways(points, asks, engine)
    if best.value is None:
        return ()
    found, priced = [], [axis for axis in axes(points, asks) if axis.name != asks[0].objective]
    for axis in priced:
        positions = _narrowed(points, asks, axis)
        whatif, used = WhatIf(points.take(positions), engine), axis.used(points, best, axis.asked)
        found.append(_Pricer(whatif, positions, asks, axis, best.value, used).price())
        advance(len(found), len(priced))
    return tuple(found)


def _best_figure(points: Points, asks: tuple[Ask, ...]) -> int | None:
    found = [figure for ask in asks if (figure := best_figure(points, ask)) is not None]
    best = max if objective_of(asks[0]).maximize else min
    return best(found) if found else None


def _narrowed(points: Points, asks: tuple[Ask, ...], axis: Axis) -> IntArray:
    """Positions of the points that some value of the axis could use."""
    kept = np.zeros(len(points), bool)
    for ask in asks:
        free = replace(ask, constraints=())
        for name in LATENCIES:
            free = bounded(free, name, None)
        if axis.name.startswith("gpus"):
            free = axis.apply(points, free, axis.loosest)[1]
        allowed = within(points, free)
        if not ask.constraints:
            allowed = allowed[not_slower(points.take(allowed))]
        kept[allowed] = True
    return np.flatnonzero(kept)


@dataclass
class _Pricer:
    """One axis, and the figures that are known on it."""

    whatif: WhatIf
    positions: IntArray
    """Of its points."""
    asks: tuple[Ask, ...]
    axis: Axis
    value: int
    used: int
    known: dict[int, int | None] = field(default_factory=dict)

    def price(self) -> Price:
        axis = self.axis
        self.known[axis.asked] = self.value
        looser = _nearest(axis, lambda bound: self.better(self.figure(bound), self.value), axis.loosest)
        # Tighter bounds turn bad one after the other: the nearest bad one, on the way to the tightest.
        tighter = _nearest(axis, lambda bound: self.better(self.value, self.figure(bound)), axis.tightest)
        keeps = axis.tightest if tighter is None else tighter + axis.looser
        if tighter is not None and axis.values is not None:
            # Between two latencies of points nothing changes: the plan keeps its latency, a ns less does not.
            held = axis.values[(axis.values > tighter) & (axis.values <= axis.asked)]
            keeps = int(held[0]) if len(held) else axis.asked
            tighter = keeps - axis.looser
        return Price(
            axis.name,
            axis.asked,
            self.used,
            self.value,
            keeps,
            None if tighter is None else self.step(tighter),
            None if looser is None else self.step(looser),
            axis.scale,
        )

    def at(self, bound: int) -> tuple[Ask, ...]:
        """What is asked with the bound at another value."""
        return tuple(self.axis.apply(self.whatif.points, ask, bound)[1] for ask in self.asks)

    def figure(self, bound: int) -> int | None:
        if bound not in self.known:
            self.known[bound] = _best_figure(self.whatif.points, self.at(bound))
        return self.known[bound]

    def better(self, one: int | None, other: int | None) -> bool:
        """Whether a figure is better than another by more than rounding; no plan is worse than any."""
        if one is None or other is None:
            return one is not None
        sign = 1 if objective_of(self.asks[0]).maximize else -1
        return sign * (one - other) > PRECISION * abs(other)

    def step(self, bound: int) -> Step:
        axis, figure = self.axis, self.figure(bound)
        if figure is None:
            return Step(bound, None, None, bound, None, axis.text(bound))
        plan = self.whatif.solve(self.at(bound))
        is_looser = (bound - axis.asked) * axis.looser > 0
        needs = bound if is_looser else axis.used(self.whatif.points, plan, bound)
        per_unit = (figure - self.value) / (needs - axis.asked)
        plan = replace(plan, points=tuple(int(self.positions[p]) for p in plan.points))
        return Step(bound, plan, figure, needs, per_unit, axis.text(bound))


def _nearest(axis: Axis, good: Callable[[int], bool], end: int) -> int | None:
    return loosest_that(axis, good, axis.asked, end) if end != axis.asked else None
