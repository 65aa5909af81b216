"""Several worker types a role in one pool: what its GPUs serve at most, exactly.

A role's workers at points of sizes s with rates r_s serve the most, on h GPUs, that a knapsack of h holds:
K(h) = max over numbers c_s of sum c_s r_s with sum c_s s <= h, over sets of at most as many sizes as types
are allowed. Of one size only its fastest point counts. A faster point of size s makes of a set's K the
highest K(h - c s) + c r_s over c, which is a running maximum along h, h + s, h + 2s, ...; so K is kept up as
points are allowed one after the other.

Prefill P and decode D of a transfer group share h GPUs at best as S(h) = max_x min(P(x), D(h - x)), which is
at the last x with P(x) <= D(h - x) or at the next one; groups, and aggregated workers A, add up:
the optimum is the highest A(x) + T S(G - x).
"""

from itertools import combinations

import numpy as np

from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.thresholds import Plan


class Filling:
    """The most that the points of a role serve on each number of GPUs."""

    def __init__(self, sizes: list[int], gpus: int, types: int | None) -> None:
        most = len(sizes) if types is None else min(types, len(sizes))
        self.sets = list(combinations(sizes, most)) if sizes else []
        self.fastest: dict[int, tuple[int, int]] = {}
        """Rate and point of each size."""
        self._by_set = np.zeros((max(len(self.sets), 1), gpus + 1), np.int64)
        self.value: IntArray = self._by_set[0]

    def add(self, size: int, rate: int, point: int) -> bool:
        """A point is allowed from now on; whether that changes anything."""
        if rate <= self.fastest.get(size, (0, 0))[0]:
            return False
        self.fastest[size] = rate, point
        rows = [i for i, each in enumerate(self.sets) if size in each]
        self._by_set[rows] = with_copies(self._by_set[rows], size, rate)
        self.value = self._by_set.max(axis=0)
        return True

    def plan(self, gpus: int) -> Plan:
        """Workers that serve the most on so many GPUs."""
        row = int(self._by_set[:, gpus].argmax())
        value, plan = self._by_set[row], dict[int, int]()
        while value[gpus]:
            taken = (s for s in self.sets[row] if s in self.fastest and s <= gpus)
            size = next((s for s in taken if value[gpus - s] + self.fastest[s][0] == value[gpus]), None)
            if size is None:  # a GPU that nothing needs
                gpus -= 1
                continue
            point = self.fastest[size][1]
            plan[point], gpus = plan.get(point, 0) + 1, gpus - size
        return plan


def with_copies(value: IntArray, size: int, rate: int) -> IntArray:
    """max over c of value(h - c size) + c rate, for each h; sets by rows."""
    sets, length = value.shape
    steps = -(-length // size)
    padded = np.full((sets, steps * size), -(2**62), np.int64)
    padded[:, :length] = value
    less = padded.reshape(sets, steps, size) - rate * np.arange(steps)[:, None]
    most = np.maximum.accumulate(less, axis=1) + rate * np.arange(steps)[:, None]
    filled: IntArray = most.reshape(sets, -1)[:, :length]
    return filled


class SeveralTypes:
    """The optimum over the agg and decode points that were added, beside all prefill points."""

    def __init__(self, points: Points, ask: Ask) -> None:
        self.points, self.ask = points, ask
        self.gpus = ask.pools[0].gpus
        self.agg = self._filling(points.role == Role.AGG)
        groups = np.unique(points.group[points.role == Role.DECODE]).tolist()
        of_role = {role: points.role == role for role in (Role.PREFILL, Role.DECODE)}
        self.prefill, self.decode = (
            {g: self._filling(of_role[role] & (points.group == g)) for g in groups} for role in of_role
        )
        self.served = {g: np.zeros(self.gpus + 1, np.int64) for g in groups}
        self.together = np.zeros(self.gpus + 1, np.int64)
        for p in np.flatnonzero(of_role[Role.PREFILL] & np.isin(points.group, groups)).tolist():
            self.prefill[int(points.group[p])].add(int(points.gpus[p]), int(points.request_rate[p]), p)

    def _filling(self, mine: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Filling:
        return Filling(np.unique(self.points.gpus[mine]).tolist(), self.gpus, self.ask.types_per_role)

    def add(self, p: int) -> None:
        """An agg or a decode point is allowed from now on."""
        size = int(self.points.gpus[p])
        if self.points.role[p] == Role.AGG:
            self.agg.add(size, int(self.points.token_rate[p]), p)
            return
        group = int(self.points.group[p])
        if self.decode[group].add(size, int(self.points.request_rate[p]), p):
            self.served[group] = shared(self.prefill[group].value, self.decode[group].value)
            self.together = np.zeros(self.gpus + 1, np.int64)
            for each in self.served.values():
                self.together = added(self.together, each)

    def best(self) -> int:
        """Most micro-tokens/s."""
        return int(self._totals().max())

    def _totals(self) -> IntArray:
        """Micro-tokens/s by the GPUs of aggregated workers."""
        totals: IntArray = self.agg.value + self.ask.tokens_per_request * self.together[::-1]
        return totals

    def plan(self) -> Plan:
        """A plan that has the most."""
        taken = int(self._totals().argmax())
        plan, left = self.agg.plan(taken), self.gpus - taken
        groups = list(self.served)
        for number, group in enumerate(groups):
            others = np.zeros(self.gpus + 1, np.int64)
            for other in groups[number + 1 :]:
                others = added(others, self.served[other])
            own = int((self.served[group][: left + 1] + others[left::-1]).argmax())
            plan |= self._pair(group, own)
            left -= own
        return plan

    def _pair(self, group: int, gpus: int) -> Plan:
        """Prefill and decode workers of one group on at most so many GPUs."""
        served = self.served[group][gpus]
        if not served:
            return {}
        sides = (self.prefill[group], self.decode[group])
        prefill, decode = (each.plan(int(np.searchsorted(each.value, served))) for each in sides)
        return prefill | decode


def shared(prefill: IntArray, decode: IntArray) -> IntArray:
    """S(h) = max_x min(P(x), D(h - x)); P and D rise."""
    gpus = np.arange(len(prefill))
    low, high = np.zeros(len(gpus), np.int64), gpus + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        behind = prefill[middle] <= decode[gpus - middle]
        low, high = np.where(behind, middle, low), np.where(behind, high, middle)
    after = np.minimum(low + 1, gpus)
    at_low, at_after = (np.minimum(prefill[x], decode[gpus - x]) for x in (low, after))
    served: IntArray = np.maximum(at_low, at_after)
    return served


def added(one: IntArray, other: IntArray) -> IntArray:
    """max_x one(x) + other(h - x), for each h."""
    if not one.any() or not other.any():
        return one + other
    return np.array([(one[: h + 1] + other[h::-1]).max() for h in range(len(one))])
