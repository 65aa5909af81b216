"""The best plans that differ in structure: in the set of their worker types, not only in counts or batches.

After each plan its set of types is excluded (rows ``no_good``) and the program is solved again, so each is
proven to be the best of those that are left.
"""

from dataclasses import dataclass, replace
from time import perf_counter

from aicfg.solver.answer import Answer, Holds
from aicfg.solver.objectives import objective_of
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve


@dataclass(frozen=True)
class Alternative:
    """A plan, and what it gives up against the best one."""

    answer: Answer
    gives_up: float
    """Share of the best value that is lost (more GPUs, cost or latency than it: share that is added)."""
    differs: tuple[frozenset[int], frozenset[int]]
    """Worker types that it has and the best plan has not, and the other way round."""


def alternatives(points: Points, ask: Ask, best: Answer, count: int = 3) -> tuple[Alternative, ...]:
    """Up to ``count`` best plans of another structure than ``best`` and than each other, best first.

    Fewer where there are no more, or where the ask's time limit, which holds for all of them together, is
    over.
    """
    started = perf_counter()
    found: list[Alternative] = []
    excluded = [*ask.excluded, types_of(points, best)] if best.points else []
    while excluded and len(found) < count:
        left = None if ask.time_limit_s is None else ask.time_limit_s - (perf_counter() - started)
        if left is not None and left <= 0:
            break
        answer = solve(points, replace(ask, excluded=tuple(excluded), time_limit_s=left))
        if answer.holds is not Holds.OPTIMAL:
            break
        found.append(_alternative(points, ask, best, answer))
        excluded.append(types_of(points, answer))
    return tuple(found)


def types_of(points: Points, answer: Answer) -> frozenset[int]:
    """The structure of a plan: its worker types."""
    return frozenset(int(points.worker_type[p]) for p in answer.points)


def _alternative(points: Points, ask: Ask, best: Answer, answer: Answer) -> Alternative:
    assert answer.value is not None and best.value is not None
    lost = best.value - answer.value if objective_of(ask).maximize else answer.value - best.value
    own, others = types_of(points, answer), types_of(points, best)
    return Alternative(answer, lost / max(best.value, 1), (own - others, others - own))
