"""What each bound costs at the optimum: the next value on either side with which the optimum is another one.

The best figure of the objective is a step function of each bound, and never worse for a looser one. So the
nearest looser bound with a better figure, and the tightest one that keeps the figure, are found by bisection:
over the points' own latencies, or over whole units. A bound that is neither is bound by nothing: it costs
nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from aicfg.solver.axes import Axis, axes, loosest_that
from aicfg.solver.narrow import worth_keeping
from aicfg.solver.objectives import LATENCIES, PRECISION, bounded, objective_of
from aicfg.solver.optimum import best_figure
from aicfg.solver.points import Ask, Points
from aicfg.solver.within import within


@dataclass(frozen=True)
class Step:
    """The optimum with one bound at another value."""

    bound: int
    value: int | None
    """The objective's figure there; None when no plan exists."""
    per_unit: float | None
    """Change of the figure for a (native) unit of the bound, between the asked bound and this one."""
    text: str = ""
    """How a user constraint reads there."""


@dataclass(frozen=True)
class Price:
    """One bound of an ask at its optimum."""

    constraint: str
    asked: int
    value: int
    keeps: int
    """The tightest bound with the same figure: what lies between is slack."""
    tighter: Step | None
    """One step tighter than ``keeps``; None where the bound cannot get that tight."""
    looser: Step | None
    """The nearest looser bound with a better figure; None when none is better, however loose."""


def prices(points: Points, ask: Ask) -> tuple[Price, ...]:
    """The price of every bound of ``ask``; empty when it has no plan. The objective's own bound has none."""
    value = best_figure(points, ask)
    if value is None:
        return ()
    return tuple(
        _price(_narrowed(points, ask, axis), ask, axis, value)
        for axis in axes(points, ask)
        if axis.name != ask.objective
    )


def _narrowed(points: Points, ask: Ask, axis: Axis) -> Points:
    """Points that some value of the axis could use."""
    free = replace(ask, constraints=())
    for name in LATENCIES:
        free = bounded(free, name, None)
    if axis.name.startswith("gpus"):
        free = axis.apply(points, free, axis.loosest)[1]
    of = points.take(within(points, free))
    return of.take(worth_keeping(of, ask)) if not ask.constraints else of


def _price(points: Points, ask: Ask, axis: Axis, value: int) -> Price:
    known: dict[int, int | None] = {axis.asked: value}

    def figure(bound: int) -> int | None:
        if bound not in known:
            known[bound] = best_figure(*axis.apply(points, ask, bound))
        return known[bound]

    better = _better(ask)
    looser = _nearest(axis, lambda bound: better(figure(bound), value), axis.loosest)
    # Tighter bounds turn bad one after the other: the nearest bad one, on the way to the tightest.
    tighter = _nearest(axis, lambda bound: better(value, figure(bound)), axis.tightest)
    keeps = axis.tightest if tighter is None else tighter + axis.looser
    if tighter is not None and axis.values is not None:
        # Between two latencies of points nothing changes: the plan keeps its latency, a ns less does not.
        held = axis.values[(axis.values > tighter) & (axis.values <= axis.asked)]
        keeps = int(held[0]) if len(held) else axis.asked
        tighter = keeps - axis.looser
    return Price(
        axis.name,
        axis.asked,
        value,
        keeps,
        None if tighter is None else _step(axis, tighter, figure(tighter), value),
        None if looser is None else _step(axis, looser, figure(looser), value),
    )


def _nearest(axis: Axis, good: Callable[[int], bool], end: int) -> int | None:
    return loosest_that(axis, good, axis.asked, end) if end != axis.asked else None


def _better(ask: Ask) -> Callable[[int | None, int | None], bool]:
    """Whether one figure is better than another by more than rounding; no plan is worse than any."""
    sign = 1 if objective_of(ask).maximize else -1

    def better(one: int | None, other: int | None) -> bool:
        if one is None or other is None:
            return one is not None
        return sign * (one - other) > PRECISION * abs(other)

    return better


def _step(axis: Axis, bound: int, figure: int | None, value: int) -> Step:
    per_unit = None if figure is None else (figure - value) / (bound - axis.asked)
    return Step(bound, figure, per_unit, axis.text(bound))
