"""Explanations where a plan exists exactly when one agg point, or one pair of points, holds all bounds.

So it is without a load and user constraints: more workers and more types only take more. Then every question
is a scan over candidates, exact in integers, and needs no conflict analysis of an engine. Pairs are formed
from fronts:

fronts
    Within (pool, role, transfer group, GPUs), a point with no lower latency and no less memory over its limit
    than another one is in no pair that needs less of anything.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.axes import MEMORY
from aicfg.solver.names import pool_names
from aicfg.solver.order import SERVING_ROLES, rates
from aicfg.solver.packing import fewest_gpus
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import size_class
from aicfg.solver.relaxation import Relaxation, Weights, weight_of
from aicfg.solver.within import latency


@dataclass(frozen=True)
class Needs:
    """What each candidate (an agg point, or a pair) needs of each constraint: arrays over candidates."""

    asked: dict[str, int]
    needed: dict[str, IntArray]
    limit: IntArray
    """The memory limit that the candidate exceeds the most, bytes per GPU."""

    def held(self, names: list[str]) -> NDArray[np.bool_]:
        """Mask of the candidates that hold all of ``names``."""
        size = len(self.limit)
        masks = [self.needed[name] <= self.asked[name] for name in names]
        return np.logical_and.reduce(masks) if masks else np.ones(size, bool)

    def relaxation(self, name: str, needed: int, candidate: int) -> Relaxation:
        """``name`` relaxed to what ``candidate`` needs; memory in the terms of its limit."""
        base = int(self.limit[candidate]) if name == MEMORY else 0
        return Relaxation(name, base + self.asked[name], base + needed)


def alone(needs: Needs, name: str) -> Relaxation | None:
    """The least of ``name`` among the candidates that hold all the others."""
    held = np.flatnonzero(needs.held([other for other in needs.asked if other != name]))
    if not len(held):
        return None
    least = held[int(needs.needed[name][held].argmin())]
    return needs.relaxation(name, int(needs.needed[name][least]), int(least))


def conflicts(needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Deletion filter, again and again on what the sets found so far leave, until that can be held."""
    found: list[tuple[str, ...]] = []
    left = list(needs.asked)
    while len(needs.limit) and not needs.held(left).any():
        kept = left
        for name in left:
            rest = [other for other in kept if other != name]
            if not needs.held(rest).any():
                kept = rest
        found.append(tuple(kept))
        left = [name for name in left if name not in kept]
    return tuple(found)


def combined(needs: Needs, weights: Weights) -> tuple[Relaxation, ...]:
    """What the candidate with the smallest largest relative excess needs; then smallest sum, least needs."""
    if not len(needs.limit):
        return ()
    scale = {name: asked or int(needs.limit.max()) for name, asked in needs.asked.items()}
    relative = np.array(
        [
            weight_of(weights, name) * np.maximum(needs.needed[name] - asked, 0) / max(scale[name], 1)
            for name, asked in needs.asked.items()
        ]
    )
    keys = (relative.max(axis=0), relative.sum(axis=0), *needs.needed.values())
    best = int(np.lexsort(keys[::-1])[0])
    return tuple(
        needs.relaxation(name, int(needs.needed[name][best]), best)
        for name, asked in needs.asked.items()
        if needs.needed[name][best] > asked
    )


def needs_of(points: Points, asks: tuple[Ask, ...]) -> Needs:
    """Candidates of all ways to serve, and their needs. Memory counts bytes over the limit: 0 is asked."""
    ask, roles = asks[0], {role for each in asks for role in SERVING_ROLES[each.mode]}
    of = points.take(np.isin(points.role, list(roles)))
    of = of.take(rates(of) > 0)
    agg, (firsts, lasts) = np.flatnonzero(of.role == Role.AGG), _pairs(of)
    first, last = np.concatenate((agg, firsts)), np.concatenate((agg, lasts))
    over = np.maximum(of.memory_bytes - of.memory_limit_bytes, 0)
    worst = np.where(over[first] >= over[last], first, last)
    ttft, tpot = of.ttft_ns[first], of.tpot_ns[last]
    bounds = {
        "ttft": (ask.ttft_ns, ttft),
        "tpot": (ask.tpot_ns, tpot),
        "request_latency": (ask.request_latency_ns, ttft + ask.latency_tokens * tpot),
        MEMORY: (0, over[worst]),
    }
    for j, name in enumerate(pool_names(ask)):
        sizes = np.where(of.pool[first] == j, of.gpus[first], 0)
        others = np.where((of.pool[last] == j) & (first != last), of.gpus[last], 0)
        taken = fewest_gpus(sizes, others, ask.pools[j].gpus_per_node)
        bounds[f"gpus({name})"] = (ask.pools[j].gpus, taken)
    asked = {name: bound for name, (bound, _) in bounds.items() if bound is not None}
    return Needs(asked, {name: bounds[name][1] for name in asked}, of.memory_limit_bytes[worst])


def _pairs(points: Points) -> tuple[IntArray, IntArray]:
    """Positions of the prefill and the decode point of every pair of front points of one transfer group."""
    front = _front(points)
    firsts, lasts = (front[points.role[front] == role] for role in (Role.PREFILL, Role.DECODE))
    i, j = np.nonzero(points.group[firsts][:, None] == points.group[lasts])
    return firsts[i], lasts[j]


def _front(points: Points) -> IntArray:
    """Positions of the points that none of their size class matches in latency and memory (lemma: fronts)."""
    cls = size_class(points)
    over = np.maximum(points.memory_bytes - points.memory_limit_bytes, 0)
    order = np.lexsort((over, latency(points), cls)).astype(np.int64)
    level = np.unique(over, return_inverse=True)[1]
    rank = level[order] - cls[order] * (len(points) + 1)
    before = np.minimum.accumulate(np.concatenate(([len(points) + 1], rank)))[:-1] if len(rank) else rank
    return order[rank < before]
