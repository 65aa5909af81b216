"""Why no plan exists, and the smallest changes with which one would: every claim is a proof.

Two ways lead there. Without a load and user constraints all questions are scans over pairs of points
(``explain_pairs``); otherwise bounds are moved and the program is asked again (``explain_axes``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from aicfg.solver import explain_pairs
from aicfg.solver.answer import Answer
from aicfg.solver.axes import MEMORY
from aicfg.solver.explain_axes import Axes
from aicfg.solver.points import Ask, Points
from aicfg.solver.relaxation import Relaxation, Weights, relaxed
from aicfg.solver.solve import solve
from aicfg.solver.ways import Ways, best_of, ways

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


def explain(
    points: Points,
    asked: Ways,
    engine: str = "highs",
    weights: Weights | None = None,
    usable: Callable[[Relaxation], int] = attrgetter("needed"),
) -> Explanation:
    """Why no plan exists; meant for what ``solve_ways`` proved infeasible.

    Parameters
    ----------
    asked
        What is asked, or several ways to serve: then none of them has a plan, and one is enough.
    weights
        How dear a relative change of each constraint is, for the nearest combination.
    usable
        What is needed of a bound, rounded to the safe side: plans are those under the rounded bounds.
    """
    asks = ways(asked)
    if all(ask.load is None and not ask.constraints and not ask.excluded for ask in asks):
        needs = explain_pairs.needs_of(points, asks)
        alone = [explain_pairs.alone(needs, name) for name in needs.asked]
        names, found = list(needs.asked), tuple(each for each in alone if each is not None)
        conflicts, combined = explain_pairs.conflicts(needs), explain_pairs.combined(needs, weights or {})
    else:
        moved = Axes.of(points, asks)
        names, found = moved.names, moved.relaxations()
        conflicts, combined = moved.conflicts(), moved.combined(weights or {})
    found, combined = (
        tuple(replace(each, needed=usable(each)) for each in changes) for changes in (found, combined)
    )
    helped = {each.constraint for each in found}
    return Explanation(
        tuple(replace(each, plan=_plan(points, asks, (each,), engine)) for each in found),
        tuple(name for name in names if name not in helped),
        conflicts,
        combined,
        _plan(points, asks, combined, engine) if combined else None,
    )


def _plan(points: Points, asks: Sequence[Ask], relaxations: tuple[Relaxation, ...], engine: str) -> Answer:
    return best_of(solve(*relaxed(points, ask, relaxations), engine) for ask in asks)
