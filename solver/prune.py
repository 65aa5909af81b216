"""Pruning by dominance: which points can be left out without changing the highest tokens/s.

All lemmas are about stage (a) of the objective, for any number of types per role, within one
(pool, role, transfer group), and hold because a plan with the pruned point can be rewritten without it:

same size
    Point q takes the GPUs of p, has no lower rate and (where latency couples prefill and decode) no higher
    latency. Put every worker of p at q: the budget is the same, no rate falls, no worst latency rises, and no
    type is added. Is another point q' of q's type in use, put all of both at the faster of the two.
k copies
    Point q takes fewer GPUs than p, and k = floor(g_p / g_q) workers at q have together no lower rate. Put k
    workers at q for each worker at p. k g_q <= g_p, so the budget holds; all workers of p go at once, so the
    number of types does not rise. floor(a/b) floor(b/c) <= floor(a/c): what a pruned point dominates, an
    unpruned one dominates too.
caps (request latency in disagg only)
    In a plan the worst TTFT of a group is some prefill point's, and every decode point of the group has a
    TPOT of at most the cap which that TTFT leaves. So a decode point that is, for no cap any prefill point
    leaves, the fastest of its size can be replaced by the one that is; and the same with the roles exchanged.
layers (sets of types are excluded, at most K types a role)
    With E sets excluded, points of E + K other types each replace p by the lemmas above. At most K - 1 of
    these types are in use in p's role already; each other one makes another set of types in use, and at most
    E of those sets are excluded. So one replaces p. Points of one type never differ in the set, so of each
    type only the undominated ones are looked at.
hopeless (request latency in disagg, one type a role)
    A plan of value V exists. Then a point that is in no plan of at least V can be left out. With one type a
    role a plan of at least V has a pair of points and at least ceil(V / r) workers at each, so whether a
    point is in one is read off the pairs. Some halvings of the range of V find a V near the highest; the
    program decides among the pairs that are left.
partner
    A prefill point whose transfer group has no decode point serves nobody, and the other way round.

The lemmas never cross what a coupling names: pool, role and transfer group are part of every key. The pruned
points stay at hand; the tie-breaks look at all of them.
"""

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.criteria import Criteria, criteria, undominated
from aicfg.solver.order import canonical_order, rates
from aicfg.solver.packing import copies
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.scope import is_scannable
from aicfg.solver.unique import unique
from aicfg.solver.within import is_coupled, latency, tpot_cap


def prune(points: Points, ask: Ask) -> IntArray:
    """Positions of the points that the program needs, in canonical order. ``points`` are within bounds."""
    kept = np.arange(len(points)) if ask.mode == "agg" else with_partner(points)
    of = points.take(kept)
    weighed = criteria(of, ask)
    if not weighed.is_simple:
        kept = kept[undominated(size_class(of, weighed.by_type), weighed)]
    elif is_coupled(ask):
        agg, paired = (np.flatnonzero((of.role == Role.AGG) == alone) for alone in (True, False))
        fastest = fastest_of_size(of.take(agg), weighed.amounts[0][agg], weighed.by_type)
        best = best_under_caps(of.take(paired), ask, weighed.by_type)
        kept = kept[np.concatenate((agg[fastest], paired[best]))]
    else:
        kept = kept[fastest_of_size(of, weighed.amounts[0], weighed.by_type)]
    of = points.take(kept)
    weighed = criteria(of, ask)
    if ask.excluded:
        kept = kept[in_layers(of, weighed, ask)]
    else:
        kept = kept[not_outdone_by_copies(of, weighed, ask)]
    if is_coupled(ask) and ask.objective == "tokens_per_s" and is_scannable(points, ask):
        kept = kept[hopeful(points.take(kept), ask)]
    return kept[canonical_order(points.take(kept))]


def with_partner(points: Points) -> IntArray:
    """Positions of the points whose transfer group has both roles (lemma: partner)."""
    prefill = unique(points.group[points.role == Role.PREFILL])
    decode = unique(points.group[points.role == Role.DECODE])
    both = np.isin(points.group, prefill) & np.isin(points.group, decode)
    return np.flatnonzero(both | (points.role == Role.AGG))


def size_class(points: Points, by_type: bool = False) -> IntArray:
    """A number for each distinct (pool, role, group, gpus of a worker), or of each type."""
    key = np.zeros(len(points), np.int64)
    names = (points.worker_type,) if by_type else (points.pool, points.role, points.group + 1, points.gpus)
    for values in names:
        key = key * (int(values.max(initial=0)) + 1) + values
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


def fastest_of_size(points: Points, rate: IntArray, by_type: bool = False) -> IntArray:
    """One point of the highest rate a size class, the first in canonical order (lemma: same size)."""
    cls = size_class(points, by_type)
    highest = np.zeros(int(cls.max(initial=-1)) + 1, np.int64)
    np.maximum.at(highest, cls, rate)
    best = np.flatnonzero(rate == highest[cls])
    best = best[canonical_order(points.take(best))]
    return best[np.unique(cls[best], return_index=True)[1]]


def not_outdone_by_copies(points: Points, weighed: Criteria, ask: Ask) -> NDArray[np.bool_]:
    """Mask of the points that no number of copies of a smaller worker replaces (lemma: k copies)."""
    keep = np.ones(len(points), bool)
    if weighed.by_type:
        return keep
    same = np.stack((points.pool, points.role, points.group))
    for p in range(len(points)):
        others = np.flatnonzero((same == same[:, [p]]).all(axis=0) & (points.gpus < points.gpus[p]))
        node = ask.pools[points.pool[p]].gpus_per_node
        k = copies(int(points.gpus[p]), points.gpus[others], node)
        outdone = (weighed.levels[:, others] <= weighed.levels[:, [p]]).all(axis=0)
        outdone &= (k * weighed.amounts[:, others] >= weighed.amounts[:, [p]]).all(axis=0) & (k > 0)
        keep[p] = not outdone.any()
    return keep


def in_layers(points: Points, weighed: Criteria, ask: Ask) -> IntArray:
    """Positions of the points that too few types replace (lemma: layers)."""
    if ask.types_per_role is None or weighed.counts_types:
        return np.arange(len(points))
    enough = len(ask.excluded) + ask.types_per_role
    order = np.lexsort((*-weighed.amounts[::-1], *weighed.levels[::-1], points.gpus))
    kept: list[int] = []
    same = np.stack((points.pool, points.role, points.group))
    for p in order:
        others = np.array(kept, np.int64)
        others = others[(same[:, others] == same[:, [p]]).all(axis=0)]
        k = copies(int(points.gpus[p]), points.gpus[others], ask.pools[points.pool[p]].gpus_per_node)
        replaces = (weighed.levels[:, others] <= weighed.levels[:, [p]]).all(axis=0) & (k > 0)
        replaces &= (k * weighed.amounts[:, others] >= weighed.amounts[:, [p]]).all(axis=0)
        if len(unique(points.worker_type[others[replaces]])) < enough:
            kept.append(int(p))
    return np.sort(np.array(kept, np.int64))


def best_under_caps(points: Points, ask: Ask, by_type: bool = False) -> IntArray:
    """Positions left by the lemma of caps: prefill's front, decode by its caps, prefill by decode's."""
    prefill = np.flatnonzero(points.role == Role.PREFILL)
    decode = np.flatnonzero(points.role == Role.DECODE)
    prefill = prefill[_front(points.take(prefill), by_type)]
    kept = []
    for group in unique(points.group[prefill]):
        firsts = prefill[points.group[prefill] == group]
        nexts = decode[points.group[decode] == group]
        caps = unique(tpot_cap(points.ttft_ns[firsts], ask))
        nexts = nexts[_fastest_per_cap(points.take(nexts), caps[caps >= 0], by_type)]
        firsts = firsts[
            _fastest_per_cap(points.take(firsts), _ttft_caps(points.tpot_ns[nexts], ask), by_type)
        ]
        kept += [firsts, nexts]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _ttft_caps(tpot_ns: IntArray, ask: Ask) -> IntArray:
    """The highest TTFT each of ``tpot_ns`` (each within some cap, so no product overflows) leaves."""
    bound = ask.request_latency_ns
    assert bound is not None
    return unique(bound - ask.latency_tokens * tpot_ns)


def _by_latency(points: Points, by_type: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Order by (class, latency, fastest first), the class of each in that order, and the position of the
    fastest so far in its class (the first of equals)."""
    cls, rate = size_class(points, by_type), rates(points)
    order = np.lexsort((-rate, latency(points), cls)).astype(np.int64)
    cls, rate = cls[order], rate[order]
    rank = np.unique(rate, return_inverse=True)[1] + cls * (len(rate) + 1)
    running = np.maximum.accumulate(rank) if len(rank) else rank
    new = np.ones(len(rank), bool)
    new[1:] = running[1:] > running[:-1]
    leader = np.maximum.accumulate(np.where(new, np.arange(len(rank)), 0))
    return order, cls, leader


def _front(points: Points, by_type: bool) -> IntArray:
    """Positions of the points that none of their class beats in rate and latency (lemma: same size)."""
    order, _, leader = _by_latency(points, by_type)
    return unique(order[leader])


def strict_front(points: Points, rate: IntArray) -> IntArray:
    """Positions of the points that none of their size matches in rate at a strictly lower latency.

    The latency is the TTFT of prefill and the TPOT of the others. A prefill or decode point that is matched
    is in no best plan at all: the other one takes no more workers, and is faster.
    """
    cls, slow = size_class(points), latency(points)
    order = np.lexsort((-rate, slow, cls)).astype(np.int64)
    cls, rate, slow = cls[order], rate[order], slow[order]
    rank = np.unique(rate, return_inverse=True)[1] + cls * (len(rate) + 1)
    new_run = np.ones(len(rank), bool)
    new_run[1:] = (cls[1:] != cls[:-1]) | (slow[1:] != slow[:-1])
    start = np.maximum.accumulate(np.where(new_run, np.arange(len(rank)), 0))
    before = np.concatenate(([-1], np.maximum.accumulate(rank)))[start]
    first_run = cls[start] != cls[np.maximum(start - 1, 0)]
    return np.sort(order[(rank > before) | first_run | (start == 0)])


def _fastest_per_cap(points: Points, caps: IntArray, by_type: bool) -> IntArray:
    """Positions that are, in their class, the fastest with latency <= cap for one of ``caps``."""
    order, cls, leader = _by_latency(points, by_type)
    slow = latency(points)[order]
    kept = []
    for each in unique(cls):
        start, end = np.searchsorted(cls, (each, each + 1))
        last = start + np.searchsorted(slow[start:end], caps, side="right") - 1
        kept.append(leader[last[last >= start]])
    return unique(order[np.concatenate(kept)]) if kept else np.zeros(0, np.int64)


def hopeful(points: Points, ask: Ask, halvings: int = 8) -> NDArray[np.bool_]:
    """Mask of the points in some plan near the highest value (lemma: hopeless); all, if there is no plan."""
    prefill = np.flatnonzero(points.role == Role.PREFILL)
    decode = np.flatnonzero(points.role == Role.DECODE)
    budget = np.array([pool.gpus for pool in ask.pools], np.int64)[points.pool]
    capacity = rates(points) * (budget // points.gpus)
    possible = points.group[prefill][:, None] == points.group[decode]
    possible &= points.tpot_ns[decode] <= tpot_cap(points.ttft_ns[prefill], ask)[:, None]
    one_pool = points.pool[prefill][:, None] == points.pool[decode]

    def pairs(served: int) -> NDArray[np.bool_]:
        gpus = points.gpus * -(-served // rates(points))
        total = np.where(one_pool, gpus[prefill][:, None] + gpus[decode], 0)
        fits = gpus <= budget
        return np.asarray(
            possible & fits[prefill][:, None] & fits[decode] & (total <= budget[prefill][:, None])
        )

    best, too_much = pairs(1), int(capacity.max(initial=0)) + 1
    if not best.any():
        return np.ones(len(points), bool)
    reached = 1
    for _ in range(halvings):
        middle = (reached + too_much) // 2
        found = pairs(middle)
        if found.any():
            reached, best = middle, found
        else:
            too_much = middle
    keep = np.zeros(len(points), bool)
    keep[prefill[best.any(axis=1)]] = keep[decode[best.any(axis=0)]] = True
    return keep
