"""A bound that is relaxed, and how dear that is."""

from collections.abc import Mapping
from dataclasses import dataclass

from aicfg.solver.answer import Answer
from aicfg.solver.axes import axes
from aicfg.solver.points import Ask, Points

Weights = Mapping[str, float]
"""How dear a relative change of a constraint is, by its name or the part before ``(``; else 1."""


@dataclass(frozen=True)
class Relaxation:
    """A bound, and what it must be for a plan to exist. Units: ns, GPUs, bytes per GPU, micro-requests/s."""

    constraint: str
    """``ttft``, ``tpot``, ``request_latency``, ``load``, ``memory``, ``gpus(<pool>)`` or ``user(<n>)``."""
    asked: int
    needed: int
    """Usable as it stands; one unit less is not enough. Memory: asked and needed are those of the worker that
    exceeds its limit the most, and every limit is raised by the difference. A user constraint: the right side
    in its smallest steps, or 0 and 1 for one that must be dropped."""
    plan: Answer | None = None
    """The best plan with this change alone; None in ``Explanation.combined``."""
    text: str = ""
    """A user constraint as it must read."""


def relaxed(points: Points, ask: Ask, relaxations: tuple[Relaxation, ...]) -> tuple[Points, Ask]:
    """The points and the ask with ``relaxations`` applied."""
    by_name = {axis.name: axis for axis in axes(points, ask, memory=True)}
    for each in relaxations:
        axis = by_name[each.constraint]
        value = axis.asked + each.needed - each.asked
        points, ask = axis.apply(points, ask, value)
    return points, ask


def weight_of(weights: Weights, name: str) -> float:
    """The weight of a constraint."""
    return weights.get(name, weights.get(name.partition("(")[0], 1.0))
