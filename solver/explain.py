"""Why no plan exists, and the smallest changes with which one would: every claim is a proof.

Two ways lead there. Without a load and user constraints all questions are scans over pairs of points
(``explain_pairs``); otherwise bounds are moved and the program is asked again (``explain_axes``).
"""

from dataclasses import dataclass, replace

from aicfg.solver import explain_pairs
from aicfg.solver.answer import Answer
from aicfg.solver.axes import MEMORY
from aicfg.solver.explain_axes import Axes
from aicfg.solver.points import Ask, Points
from aicfg.solver.relaxation import Relaxation, Weights, relaxed
from aicfg.solver.solve import solve

__all__ = ["MEMORY", "Explanation", "Relaxation", "explain", "relaxed"]


@dataclass(frozen=True)
class Explanation:
    """Why nothing is feasible."""

    relaxations: tuple[Relaxation, ...]
    """Changes of one constraint alone that make a plan exist, each the smallest of its constraint."""
    not_alone: tuple[str, ...]
    """Constraints of which no change alone makes a plan exist."""
    conflicts: tuple[tuple[str, ...], ...]
    """Disjoint minimal sets of constraints: no plan holds all of a set, but some plan holds any fewer.
    Empty when nothing could serve at all, whatever the bounds."""
    combined: tuple[Relaxation, ...]
    """The changes, together, whose largest relative one (times its weight) is the smallest possible."""
    combined_plan: Answer | None


def explain(points: Points, ask: Ask, engine: str = "highs", weights: Weights | None = None) -> Explanation:
    """Why no plan of ``ask`` exists; meant for an ``ask`` that ``solve`` proved infeasible.

    Parameters
    ----------
    weights
        How dear a relative change of each constraint is, for the nearest combination.
    """
    if ask.load is None and not ask.constraints and not ask.excluded:
        needs = explain_pairs.needs_of(points, ask)
        alone = [explain_pairs.alone(needs, name) for name in needs.asked]
        names, found = list(needs.asked), tuple(each for each in alone if each is not None)
        conflicts, combined = explain_pairs.conflicts(needs), explain_pairs.combined(needs, weights or {})
    else:
        moved = Axes.of(points, ask)
        names, found = moved.names, moved.relaxations()
        conflicts, combined = moved.conflicts(), moved.combined(weights or {})
    helped = {each.constraint for each in found}
    return Explanation(
        tuple(replace(each, plan=_plan(points, ask, (each,), engine)) for each in found),
        tuple(name for name in names if name not in helped),
        conflicts,
        combined,
        _plan(points, ask, combined, engine) if combined else None,
    )


def _plan(points: Points, ask: Ask, relaxations: tuple[Relaxation, ...], engine: str) -> Answer:
    return solve(*relaxed(points, ask, relaxations), engine)
