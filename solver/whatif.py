"""Many asks of the same points: what does not change between them is done once.

Points that no stage of any ask could keep are left out at the start (``narrow``), which leaves about a tenth;
where the scan is exact (``scope``) it answers, in a millisecond or two; otherwise the program is stated over
what is left. ``why_whole`` says when nothing can be left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from aicfg.solver.answer import Answer
from aicfg.solver.narrow import not_slower
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.scope import is_scannable
from aicfg.solver.solve import solve
from aicfg.solver.unique import unique
from aicfg.solver.user import Filter, rules
from aicfg.solver.within import within


@dataclass
class WhatIf:
    """Answers to changed asks. Points and workers of an answer are at positions in ``points``."""

    points: Points
    engine: str = "highs"
    """The engine where the scan is not exact."""

    def __post_init__(self) -> None:
        fits = np.flatnonzero(self.points.memory_bytes <= self.points.memory_limit_bytes)
        self._kept: IntArray = fits[not_slower(self.points.take(fits))]
        self._of = self.points.take(self._kept)

    def solve(self, ask: Ask) -> Answer:
        """What ``solve`` answers, statistics and engine aside."""
        if self.why_whole(ask) is not None:
            return solve(self.points, ask, self._engine(self.points, ask))
        answer = solve(self._of, ask, self._engine(self._of, ask))
        return replace(answer, points=tuple(int(self._kept[p]) for p in answer.points))

    def sweep(self, asks: Iterable[Ask]) -> list[Answer]:
        """One answer each."""
        return [self.solve(ask) for ask in asks]

    def _engine(self, points: Points, ask: Ask) -> str:
        return "scan" if is_scannable(points.take(within(points, ask)), ask) else self.engine

    def why_whole(self, ask: Ask) -> str | None:
        """Why all points must be looked at for ``ask``; None where the narrowed ones do."""
        if not ask.constraints:
            return None
        for rule in rules(self.points, ask):
            if not isinstance(rule, Filter):
                return f"user({rule.number}) counts or compares more than rates and latencies"
            types = unique(self.points.worker_type[rule.keep])
            if np.isin(self.points.worker_type[~rule.keep], types).any():
                return f"user({rule.number}) leaves points out that others of their type could replace"
        return None
