"""With one type a role: the best plan that reaches a given rate, by an exact scan of all points.

It closes the stages of the objective behind the first one, and it proves the first one in integers:

exactness
    A plan that serves at least V (and the load) is a choice of a prefill and a decode point (an agg point)
    and counts. For chosen points the plan with fewest GPUs takes ceil(V / r) workers of each role; fewer of
    either do not reach V, more take more GPUs and cost more, and the latencies do not depend on the counts.
    So the scan over points, with these counts, finds the plan with the fewest GPUs, and then the lowest TTFT,
    the lowest TPOT and the first in canonical order. If it finds none within the pools, no plan serves V. For
    V = V* + 1 micro-unit that is a proof that V* is the highest, free of any engine's tolerance. At V = V*
    every plan found has exactly V*.
cost
    Is the cost the objective, a GPU of pool j counts price_j M + 1 instead of 1, M more than all GPUs
    together: the lowest sum is the lowest cost, and of equal costs the fewest GPUs.
types
    Stage (d), fewest worker types, is void: a plan has one type a role.
pairs
    The GPUs of a pair are a sum, so for each prefill point the cheapest decode point within the TPOT cap that
    its TTFT leaves is a running minimum over the decode points ordered by TPOT: N log N, not N^2.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from aicfg.solver.order import canonical_key, first_canonical
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.unique import unique
from aicfg.solver.within import tpot_cap


@dataclass(frozen=True, order=True)
class _Plan:
    """A candidate; the order of the fields is the order of the objective."""

    gpus: int
    ttft_ns: int
    tpot_ns: int
    canonical: tuple[tuple[int, ...], ...]
    counts: tuple[tuple[int, int], ...]


def _plan(points: Points, figures: list[int], counts: dict[int, int]) -> _Plan:
    gpus, ttft_ns, tpot_ns = figures
    canonical = tuple(canonical_key(points, p) for p in counts)
    return _Plan(gpus, ttft_ns, tpot_ns, canonical, tuple(counts.items()))


def cheapest(points: Points, ask: Ask, value: int = 1) -> dict[int, int] | None:
    """Counts of the best plan with the load and at least ``value`` micro-tokens/s, or None when there is
    none.

    ``points`` are within the bounds and none is pruned; keys of the result are positions in it.
    """
    if ask.types_per_role != 1 or ask.mode == "mixed":
        raise ValueError("the scan is exact for one type a role only, and for agg or disagg only")
    workers = needed_workers(points, ask, value)
    plan = (
        _cheapest_agg(points, ask, workers) if ask.mode == "agg" else _cheapest_disagg(points, ask, workers)
    )
    return dict(plan.counts) if plan else None


def needed_workers(points: Points, ask: Ask, value: int) -> IntArray:
    """Fewest workers at each point, alone in its role, with the load and ``value`` micro-tokens/s."""
    load = max(ask.load or 0, 1)
    if ask.mode == "agg":
        of_load = -(-load // np.maximum(points.request_rate, 1)) if ask.load else 1
        return np.maximum(-(-value // points.token_rate), of_load)
    served = max(-(-value // ask.tokens_per_request), load)
    return -(-served // points.request_rate)


def weights(ask: Ask) -> IntArray:
    """What a GPU of each pool counts: 1, or by its price."""
    if ask.objective != "cost":
        return np.ones(len(ask.pools), np.int64)
    more = sum(pool.gpus for pool in ask.pools) + 1
    return np.array([(pool.micro_price_per_gpu_hour or 0) * more + 1 for pool in ask.pools], np.int64)


def _cheapest_agg(points: Points, ask: Ask, workers: IntArray) -> _Plan | None:
    gpus, positions = _within_pool(points, ask, workers)
    if not len(positions):
        return None
    keys = (gpus, points.ttft_ns[positions], points.tpot_ns[positions])
    best = np.lexsort(keys[::-1])[0]
    equal = np.logical_and.reduce([key == key[best] for key in keys])
    p = first_canonical(points, positions[equal])
    return _plan(points, [int(key[best]) for key in keys], {p: int(workers[p])})


def _within_pool(points: Points, ask: Ask, workers: IntArray) -> tuple[IntArray, IntArray]:
    """Weighed GPUs of ``workers`` at each point whose pool has that many, and these points' positions."""
    budget = np.array([pool.gpus for pool in ask.pools], np.int64)[points.pool]
    positions = np.flatnonzero(workers <= budget // points.gpus)
    weight = weights(ask)[points.pool[positions]]
    return workers[positions] * points.gpus[positions] * weight, positions


def _cheapest_disagg(points: Points, ask: Ask, workers: IntArray) -> _Plan | None:
    gpus, positions = _within_pool(points, ask, workers)
    plans, weight = [], weights(ask)
    role, group, pool = points.role[positions], points.group[positions], points.pool[positions]
    for g in unique(group):
        for first_pool, next_pool in product(unique(pool), repeat=2):
            firsts = (role == Role.PREFILL) & (group == g) & (pool == first_pool)
            nexts = (role == Role.DECODE) & (group == g) & (pool == next_pool)
            if firsts.any() and nexts.any():
                shared = ask.pools[first_pool].gpus * int(weight[first_pool])
                sides = _Sides(points, ask, positions[firsts], gpus[firsts], positions[nexts], gpus[nexts])
                plans.append(sides.best(shared if first_pool == next_pool else None, workers))
    return min((plan for plan in plans if plan), default=None)


@dataclass(frozen=True)
class _Sides:
    """Prefill points and decode points of one transfer group, each in one pool, with the GPUs they need."""

    points: Points
    ask: Ask
    firsts: IntArray
    first_gpus: IntArray
    nexts: IntArray
    next_gpus: IntArray

    def best(self, shared: int | None, workers: IntArray) -> _Plan | None:
        """The best pair that takes at most ``shared`` weighed GPUs in sum (None: the pools differ)."""
        by_tpot = np.lexsort((self.next_gpus, self.points.tpot_ns[self.nexts]))
        nexts, next_gpus = self.nexts[by_tpot], self.next_gpus[by_tpot]
        tpot = self.points.tpot_ns[nexts]
        fewest = np.minimum.accumulate(next_gpus)
        ttft = self.points.ttft_ns[self.firsts]
        allowed = np.searchsorted(tpot, tpot_cap(ttft, self.ask), side="right")
        partner = fewest[allowed - 1]
        total = self.first_gpus + partner
        possible = allowed > 0 if shared is None else (allowed > 0) & (total <= shared)
        if not possible.any():
            return None
        partner_tpot = tpot[np.searchsorted(-fewest, -partner)]
        keys = (total[possible], ttft[possible], partner_tpot[possible])
        best = np.lexsort(keys[::-1])[0]
        equal = np.flatnonzero(possible)[np.logical_and.reduce([key == key[best] for key in keys])]
        p = first_canonical(self.points, self.firsts[equal])
        d_gpus = keys[0][best] - self.first_gpus[self.firsts == p][0]
        d = first_canonical(self.points, nexts[(next_gpus == d_gpus) & (tpot == keys[2][best])])
        counts = {p: int(workers[p]), d: int(workers[d])}
        return _plan(self.points, [int(key[best]) for key in keys], counts)
