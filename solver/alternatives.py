"""The best plans that differ in structure: in the set of their worker types, not only in counts or batches.

After each plan its set of types is excluded (rows ``no_good``) and the program is solved again, so each is
proven to be the best of those that are left.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from time import perf_counter

from aicfg.solver.answer import Answer, Holds
from aicfg.solver.objectives import STAGES
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve
from aicfg.solver.ways import Ways, rank, ways


@dataclass(frozen=True)
class Alternative:
    """A plan, and what it gives up against the best one."""

    answer: Answer
    gives_up: float
    """Share of the best value that is lost (more GPUs, cost or latency than it: share that is added)."""
    differs: tuple[frozenset[int], frozenset[int]]
    """Worker types that it has and the best plan has not, and the other way round."""


def alternatives(points: Points, asked: Ways, best: Answer, count: int = 3) -> tuple[Alternative, ...]:
    """Up to ``count`` best plans of another structure than ``best`` and than each other, best first.

    Fewer where there are no more, or where the asks' time limit, which holds for all of them together, is
    over.

    Parameters
    ----------
    asked
        What is asked, or several ways to serve whose plans compete; ``best`` is the best plan of them.
    """
    if not best.points:
        return ()
    started = perf_counter()
    lines = (_ranked(points, ask, best, started) for ask in ways(asked))
    ranked = islice(merge(*lines, key=rank), count)
    return tuple(_alternative(points, best, answer) for answer in ranked)


def _ranked(points: Points, ask: Ask, best: Answer, started: float) -> Iterator[Answer]:
    """The best plan of each structure of one mode, best first, without that of ``best``."""
    excluded = [*ask.excluded, *([types_of(points, best)] if best.mode == ask.mode else [])]
    while True:
        left = None if ask.time_limit_s is None else ask.time_limit_s - (perf_counter() - started)
        if left is not None and left <= 0:
            return
        answer = solve(points, replace(ask, excluded=tuple(excluded), time_limit_s=left))
        if answer.holds is not Holds.OPTIMAL:
            return
        yield answer
        excluded.append(types_of(points, answer))


def types_of(points: Points, answer: Answer) -> frozenset[int]:
    """The structure of a plan: its worker types."""
    return frozenset(int(points.worker_type[p]) for p in answer.points)


def _alternative(points: Points, best: Answer, answer: Answer) -> Alternative:
    assert answer.value is not None and best.value is not None
    lost = best.value - answer.value if STAGES[best.objective].maximize else answer.value - best.value
    own, others = types_of(points, answer), types_of(points, best)
    return Alternative(answer, lost / max(best.value, 1), (own - others, others - own))
