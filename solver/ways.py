"""Ways to serve that compete: asks that differ in their mode alone. Of their plans the best counts."""

from collections.abc import Iterable, Sequence

from aicfg.solver.answer import Answer, Holds
from aicfg.solver.objectives import STAGES
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve

Ways = Ask | Sequence[Ask]
"""One ask, or several that compete."""


def ways(asked: Ways) -> tuple[Ask, ...]:
    """The asks that compete."""
    return (asked,) if isinstance(asked, Ask) else tuple(asked)


def worth(answer: Answer) -> float:
    """More is better; a plan is worth more than none."""
    if answer.value is None:
        return float("-inf")
    return answer.value if STAGES[answer.objective].maximize else -answer.value


def rank(answer: Answer) -> tuple[float, ...]:
    """Sorts better answers first, by the stages of the objective; an open end precedes a proof of none."""
    if answer.value is None:
        return (float("inf"), answer.holds is Holds.INFEASIBLE)
    return (-worth(answer), answer.gpus_used or 0, answer.ttft_ns or 0, answer.tpot_ns or 0)


def best_of(answers: Iterable[Answer]) -> Answer:
    """The best answer; of equal ones the first."""
    return min(answers, key=rank)


def solve_ways(points: Points, asked: Ways, engine: str = "highs") -> Answer:
    """The best plan over all ways; without any, an answer that says whether that is proven."""
    return best_of(solve(points, ask, engine) for ask in ways(asked))
