"""Many asks of the same points: what does not change between them is done once.

narrowing
    Points that no stage of any ask could keep are left out at the start (``narrow``), which leaves about a
    tenth; where the scan is exact (``scope``) it answers, in a millisecond or two; otherwise the program is
    stated over what is left. ``why_whole`` says when nothing can be left out.
memory
    Loosening a bound only adds plans, and the order of plans does not depend on the bounds. So the best plan
    under looser bounds is the best under tighter ones that it holds; and where there was none there is none.
ways
    A way to serve whose best under looser bounds is worse than another way's plan need not be asked.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from aicfg.solver.answer import Answer, Holds
from aicfg.solver.evaluate import evaluate
from aicfg.solver.narrow import narrowed, why_whole
from aicfg.solver.objectives import LATENCIES
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.scope import is_scannable
from aicfg.solver.solve import solve
from aicfg.solver.ways import Ways, best_of, ways, worth
from aicfg.solver.within import within


@dataclass
class WhatIf:
    """Answers to changed asks. Points and workers of an answer are at positions in ``points``."""

    points: Points
    engine: str = "highs"
    """The engine where the scan is not exact."""
    known: dict[Hashable, list[tuple[Ask, Answer]]] = field(default_factory=lambda: defaultdict(list))
    """Answers so far, by what was asked without its bounds."""

    def __post_init__(self) -> None:
        self._kept: IntArray = narrowed(self.points)
        self._of = self.points.take(self._kept)

    def solve(self, asked: Ways) -> Answer:
        """What ``solve_ways`` answers, statistics and engine aside."""
        asks = ways(asked)
        limits = [self._limit(ask) for ask in asks]
        answers: dict[int, Answer] = {}
        for i in sorted(range(len(asks)), key=lambda i: -limits[i]):
            if all(limits[i] >= worth(each) for each in answers.values()):
                answers[i] = self._solve(asks[i])
        return best_of(answers[i] for i in sorted(answers))

    def sweep(self, asks: Iterable[Ways]) -> list[Answer]:
        """One answer each."""
        return [self.solve(ask) for ask in asks]

    def why_whole(self, ask: Ask) -> str | None:
        """Why all points must be looked at for ``ask``; None where the narrowed ones do."""
        return why_whole(self.points, ask)

    def _limit(self, ask: Ask) -> float:
        """No plan of ``ask`` is worth more."""
        if ask.capacity is not None:
            return float("inf")
        known = self.known[_question(ask)]
        return min((worth(answer) for other, answer in known if is_looser(other, ask)), default=float("inf"))

    def _solve(self, ask: Ask) -> Answer:
        if ask.capacity is not None:
            return self._afresh(ask)
        known = self.known[_question(ask)]
        for other, answer in reversed(known):
            if is_looser(other, ask) and self._stays(answer, ask):
                return answer
        answer = self._afresh(ask)
        if answer.holds in (Holds.OPTIMAL, Holds.INFEASIBLE):
            known.append((ask, answer))
        return answer

    def _stays(self, answer: Answer, ask: Ask) -> bool:
        """Whether an answer to looser bounds is that to ``ask``: it holds them too, or there is none."""
        if answer.holds is Holds.INFEASIBLE:
            return True
        counts = dict(zip(answer.points, answer.workers, strict=True))
        return not evaluate(self.points, ask, counts).broken

    def _afresh(self, ask: Ask) -> Answer:
        if why_whole(self.points, ask) is not None:
            return solve(self.points, ask, self._engine(self.points, ask))
        answer = solve(self._of, ask, self._engine(self._of, ask))
        return replace(answer, points=tuple(int(self._kept[p]) for p in answer.points))

    def _engine(self, points: Points, ask: Ask) -> str:
        return "scan" if is_scannable(points.take(within(points, ask)), ask) else self.engine


def _question(ask: Ask) -> Hashable:
    """What is asked apart from bounds and GPUs; the user's constraints may speak of the budget."""
    gpus = tuple(pool.gpus for pool in ask.pools) if ask.constraints else None
    pools = tuple(replace(pool, gpus=0) for pool in ask.pools)
    sizes = (ask.types_per_role, ask.tokens_per_request, ask.latency_tokens)
    return ask.mode, ask.objective, ask.load, ask.constraints, ask.reached, ask.excluded, sizes, pools, gpus


def is_looser(ask: Ask, than: Ask) -> bool:
    """Whether ``ask`` allows every plan that ``than`` allows; they differ in bounds and GPUs alone."""
    for name in LATENCIES.values():
        bound, other = getattr(ask, name), getattr(than, name)
        if bound is not None and (other is None or other > bound):
            return False
    return all(a.gpus >= b.gpus for a, b in zip(ask.pools, than.pools, strict=True))
