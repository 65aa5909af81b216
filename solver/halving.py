"""The frontier where no scan is exact: highest tokens/s under bounds on TPOT, by halving intervals."""

from dataclasses import replace
from functools import cache

import numpy as np

from aicfg.solver.criteria import criteria
from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import PRECISION
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import fastest_of_size, strict_front
from aicfg.solver.stages import Clock, kept_points, settle, solve_kept
from aicfg.solver.thresholds import Plan
from aicfg.solver.unique import unique
from aicfg.solver.within import is_coupled, within

Best = tuple[int, Plan]
"""Micro-tokens/s and a plan that has them."""


class Halving:
    """Optima of one ask under bounds on TTFT and TPOT, each program solved once."""

    def __init__(self, points: Points, ask: Ask, ttft: bool) -> None:
        self.all, self.ask, self.clock, self.ttft = points, ask, Clock.of(ask), ttft
        self.at = self._enough()
        self.points = points.take(self.at)
        self.known: dict[bytes, Best] = {}

    def _enough(self) -> IntArray:
        """Positions of the points that reach every optimum: the fastest of their size under some bound."""
        weighed = criteria(self.all, self.ask)
        if not weighed.is_simple or (self.ttft and self.ask.mode == "mixed"):
            return np.arange(len(self.all))
        front = strict_front(self.all, weighed.amounts[0])
        if self.ttft or is_coupled(self.ask):
            return front
        prefill = front[self.all.role[front] == Role.PREFILL]
        fastest = prefill[fastest_of_size(self.all.take(prefill), self.all.request_rate[prefill])]
        return np.concatenate((front[self.all.role[front] != Role.PREFILL], fastest))

    def plans(self, settled: bool) -> list[Plan]:
        """A plan of every corner, by rising TPOT and then TTFT; with ``settled`` the one of the stages."""
        bounds: list[int | None] = [None]
        if self.ttft:
            bounds = self._values(Role.DECODE, self.points.ttft_ns).tolist()
        found: dict[tuple[int, int], Plan] = {}
        before: list[tuple[int, int]] = []
        for bound in bounds:
            asked = self.ask if bound is None else replace(self.ask, ttft_ns=bound)
            after = self._steps(asked)
            for tokens, tpot_ns in after:
                reached = max((value for value, at in before if at <= tpot_ns), default=0)
                if tokens > reached * (1 + PRECISION):
                    found[tpot_ns, bound or 0] = self._plan(replace(asked, tpot_ns=tpot_ns), settled)
            before = after
        return [found[key] for key in sorted(found)]

    def _values(self, without: Role, values: IntArray) -> IntArray:
        return unique(values[self.points.role != without])

    def _steps(self, ask: Ask) -> list[tuple[int, int]]:
        """Tokens/s and lowest TPOT of each step under the TTFT bound of ``ask``."""
        tpot = self._values(Role.PREFILL, self.points.tpot_ns)
        steps: list[tuple[int, int]] = []

        @cache
        def tokens(at: int) -> int:
            return 0 if at < 0 else self._best(replace(ask, tpot_ns=int(tpot[at])))[0]

        def halve(low: int, high: int) -> None:
            """Steps above the bound at ``low`` up to the one at ``high``."""
            if tokens(high) <= tokens(low) * (1 + PRECISION):
                return
            if high - low == 1:
                steps.append((tokens(high), int(tpot[high])))
                return
            middle = (low + high) // 2
            halve(low, middle)
            halve(middle, high)

        if len(tpot):
            halve(-1, len(tpot) - 1)
        return steps

    def _best(self, ask: Ask) -> Best:
        kept = kept_points(self.points, ask)
        key = kept.tobytes()
        if key not in self.known:
            plan = solve_kept(self.points, ask, kept, self.clock).counts
            self.known[key] = (0, {}) if plan is None else (evaluate(self.points, ask, plan).tokens, plan)
        return self.known[key]

    def _plan(self, ask: Ask, settled: bool) -> Plan:
        """A plan of a corner, or the one that the stages choose under its bounds; positions in all points."""
        plan = {int(self.at[p]): n for p, n in self._best(ask)[1].items()}
        if not settled:
            return plan
        allowed = within(self.all, ask)
        place = {int(p): i for i, p in enumerate(allowed)}
        best = settle(self.all.take(allowed), ask, {place[p]: n for p, n in plan.items()}, self.clock)
        return {int(allowed[p]): n for p, n in best.items()}
