"""Aggregated workers beside a prefill and a decode worker type: what the GPUs serve at most, exactly.

With one type a role a mixed plan is an agg point, or a pair of points, or both, and they share nothing but
GPUs. Let A_j(x) be the most tokens/s of an agg point with x GPUs of pool j, and D_j(h) the most requests/s of
a pair when h GPUs of pool j are left and all of the others. Then the optimum is the highest of
A_j(x) + T D_j(G_j - x) over j and x.

Points are added one after the other, so that the optimum is known under every bound on TPOT: A_j and D_j are
running maxima, and each value remembers the point that it is of. An agg point of size s adds
r floor(x / s). A decode point d comes with the prefill points that it can follow in time and their capacity
P_a(h) = max_p r_p floor(h / g_p) in a pool a. In one pool it adds the highest min(r_d y, P_a(h - s y)) over
the number y of its workers, which is at the last y with r_d y <= P_a(h - s y) or at the next one, because the
one rises and the other falls; in two pools the lower of what each serves alone.
"""

import numpy as np

from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.thresholds import Plan
from aicfg.solver.within import tpot_cap


class Most:
    """The highest of many functions of a number of GPUs, and the point that each value is of."""

    def __init__(self, gpus: int) -> None:
        self.value = np.zeros(gpus + 1, np.int64)
        self.by = np.full(gpus + 1, -1, np.int64)

    def add(self, value: IntArray | int, point: int) -> None:
        """Another function, that of ``point``."""
        higher = value > self.value
        self.value = np.where(higher, value, self.value)
        self.by[higher] = point


class Prefill:
    """Capacity of the prefill points of one transfer group in one pool, by the TTFT that is allowed."""

    def __init__(self, points: Points, positions: IntArray, gpus: int) -> None:
        self.positions = positions[np.argsort(points.ttft_ns[positions], kind="stable")]
        self.ttft_ns = points.ttft_ns[self.positions]
        sizes, rates = points.gpus[self.positions], points.request_rate[self.positions]
        of_each = rates[:, None] * (np.arange(gpus + 1) // sizes[:, None])
        none = np.zeros((1, gpus + 1), np.int64)
        self._up_to = np.maximum.accumulate(np.concatenate((none, of_each)))

    def within(self, ttft_ns: int) -> IntArray:
        """Most requests/s with each number of GPUs, of the points up to this TTFT."""
        capacity: IntArray = self._up_to[np.searchsorted(self.ttft_ns, ttft_ns, side="right")]
        return capacity


class Splitting:
    """The optimum over the agg and decode points that were added, beside all prefill points."""

    def __init__(self, points: Points, ask: Ask) -> None:
        self.points, self.ask = points, ask
        self.gpus = [pool.gpus for pool in ask.pools]
        self.agg = [Most(gpus) for gpus in self.gpus]
        self.served = [Most(gpus) for gpus in self.gpus]
        self.prefill: dict[tuple[int, int], Prefill] = {}
        firsts = np.flatnonzero(points.role == Role.PREFILL)
        for group, pool in {(int(points.group[p]), int(points.pool[p])) for p in firsts}:
            own = firsts[(points.group[firsts] == group) & (points.pool[firsts] == pool)]
            self.prefill[group, pool] = Prefill(points, own, self.gpus[pool])

    def add(self, p: int) -> None:
        """An agg or a decode point is allowed from now on."""
        pool, size = int(self.points.pool[p]), int(self.points.gpus[p])
        if self.points.role[p] == Role.AGG:
            self.agg[pool].add(int(self.points.token_rate[p]) * workers_in(self.gpus[pool], size), p)
            return
        for (group, other), prefill in self.prefill.items():
            if group == self.points.group[p]:
                capacity = prefill.within(self._latest(p))
                self._add_pair(p, capacity, other)

    def _latest(self, d: int) -> int:
        """The latest TTFT that a request with the TPOT of point ``d`` may have."""
        if self.ask.request_latency_ns is None:
            return int(np.iinfo(np.int64).max)
        return self.ask.request_latency_ns - self.ask.latency_tokens * int(self.points.tpot_ns[d])

    def _add_pair(self, d: int, capacity: IntArray, other: int) -> None:
        """Decode point ``d`` behind prefill points of pool ``other`` with this capacity."""
        pool, size = int(self.points.pool[d]), int(self.points.gpus[d])
        rate, gpus = int(self.points.request_rate[d]), self.gpus[pool]
        if other == pool:
            served = {pool: one_pool(capacity, rate, size)}
        else:
            alone = rate * workers_in(gpus, size)
            served = {other: np.minimum(capacity, alone[-1]), pool: np.minimum(capacity[-1], alone)}
        most = int(served[pool][-1])
        for j, each in enumerate(self.served):
            each.add(served.get(j, most), d)

    def best(self) -> int:
        """Most micro-tokens/s."""
        return max(int(total.max()) for total in self._totals())

    def _totals(self) -> list[IntArray]:
        """Micro-tokens/s by the GPUs of each pool that agg workers take there."""
        tokens = self.ask.tokens_per_request
        return [a.value + tokens * d.value[::-1] for a, d in zip(self.agg, self.served, strict=True)]

    def plan(self) -> Plan:
        """A plan that has the most: of equal ones with the fewest GPUs of agg workers in the first pool."""
        totals = self._totals()
        pool = max(range(len(totals)), key=lambda j: int(totals[j].max()))
        taken = int(totals[pool].argmax())
        plan: Plan = {}
        tokens, left = int(self.agg[pool].value[taken]), self.gpus[pool] - taken
        if tokens:
            a = int(self.agg[pool].by[taken])
            plan[a] = -(-tokens // int(self.points.token_rate[a]))
        served = int(self.served[pool].value[left])
        if served:
            gpus = [left if j == pool else every for j, every in enumerate(self.gpus)]
            plan |= self._pair(int(self.served[pool].by[left]), served, gpus)
        return plan

    def _pair(self, d: int, served: int, gpus: list[int]) -> Plan:
        """Decode point ``d`` with the prefill point that takes the fewest GPUs to serve as much."""
        points = self.points
        decode = -(-served // int(points.request_rate[d]))
        left = np.array(gpus, np.int64)
        left[points.pool[d]] -= decode * points.gpus[d]
        firsts = np.flatnonzero((points.role == Role.PREFILL) & (points.group == points.group[d]))
        in_time = points.tpot_ns[d] <= tpot_cap(points.ttft_ns[firsts], self.ask)
        workers = -(-served // points.request_rate[firsts])
        taken = workers * points.gpus[firsts]
        fits = np.flatnonzero(in_time & (taken <= left[points.pool[firsts]]))
        best = fits[np.lexsort((points.ttft_ns[firsts[fits]], taken[fits]))[0]]
        return {int(firsts[best]): int(workers[best]), d: decode}


def workers_in(gpus: int, size: int) -> IntArray:
    """Workers of ``size`` in each number of GPUs up to ``gpus``."""
    return np.arange(gpus + 1) // size


def one_pool(capacity: IntArray, rate: int, size: int) -> IntArray:
    """Most that decode workers of ``size`` serve behind prefill ``capacity``, by the GPUs of both."""
    gpus = np.arange(len(capacity))
    low, high = np.zeros(len(gpus), np.int64), gpus // size + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        behind = rate * middle <= capacity[gpus - size * middle]
        low, high = np.where(behind, middle, low), np.where(behind, high, middle)
    above = np.where(size * high <= gpus, capacity[np.maximum(gpus - size * high, 0)], 0)
    return np.maximum(rate * low, above)
