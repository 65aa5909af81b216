"""Why no plan exists, and the smallest changes with which one would.

A plan exists exactly when some pair of a prefill and a decode point of one transfer group (some agg point)
holds all bounds with one worker each: more workers and more types only take more. So every question here is a
scan over pairs, exact in integers, and needs no conflict analysis of an engine. Pairs are formed from fronts:

fronts
    Within (pool, role, transfer group, GPUs), a point with no lower latency and no less memory over its limit
    than another one is in no pair that needs less of anything.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.answer import Answer
from aicfg.solver.errors import NodePackingError
from aicfg.solver.names import pool_names
from aicfg.solver.order import rates
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import size_class
from aicfg.solver.solve import solve
from aicfg.solver.within import latency, of_mode

MEMORY = "memory"


@dataclass(frozen=True)
class Relaxation:
    """A bound, and what it must be at least for a plan to exist. Native units: ns, GPUs, bytes per GPU."""

    constraint: str
    """``ttft``, ``tpot``, ``request_latency``, ``memory`` or ``gpus(<pool>)``."""
    asked: int
    needed: int
    """Usable as it stands; one unit less is not enough. Memory: asked and needed are those of the worker that
    exceeds its limit the most, and every limit is raised by the difference."""
    plan: Answer | None = None
    """The best plan with this change alone; None in ``Explanation.combined``, and where only the packing of
    nodes, which the solver cannot state for these sizes, is in the way."""


@dataclass(frozen=True)
class Explanation:
    """Why nothing is feasible."""

    relaxations: tuple[Relaxation, ...]
    """Changes of one constraint alone that make a plan exist, each the smallest of its constraint."""
    not_alone: tuple[str, ...]
    """Constraints of which no change alone makes a plan exist."""
    conflicts: tuple[tuple[str, ...], ...]
    """Disjoint minimal sets of constraints: no plan holds all of a set, but some plan holds any fewer.
    Empty when no pair of points could serve at all, whatever the bounds."""
    combined: tuple[Relaxation, ...]
    """The changes, together, whose largest relative one is the smallest possible (then the smallest sum)."""
    combined_plan: Answer | None


@dataclass(frozen=True)
class _Needs:
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


def explain(points: Points, ask: Ask, engine: str = "highs") -> Explanation:
    """Why no plan of ``ask`` exists; meant for an ``ask`` that ``solve`` proved infeasible."""
    needs = _needs(points, ask)
    alone = [_alone(needs, name) for name in needs.asked]
    relaxations = tuple(
        replace(each, plan=_plan(points, ask, (each,), engine)) for each in alone if each is not None
    )
    combined = _combined(needs)
    return Explanation(
        relaxations,
        tuple(name for name, each in zip(needs.asked, alone, strict=True) if each is None),
        _conflicts(needs),
        combined,
        _plan(points, ask, combined, engine) if combined else None,
    )


def relaxed(points: Points, ask: Ask, relaxations: tuple[Relaxation, ...]) -> tuple[Points, Ask]:
    """The points and the ask with ``relaxations`` applied."""
    for each in relaxations:
        if each.constraint == MEMORY:
            more = each.needed - each.asked
            points = replace(points, memory_limit_bytes=points.memory_limit_bytes + more)
        elif each.constraint.startswith("gpus("):
            pools = (
                replace(pool, gpus=each.needed) if each.constraint == f"gpus({name})" else pool
                for name, pool in zip(pool_names(ask), ask.pools, strict=True)
            )
            ask = replace(ask, pools=tuple(pools))
        else:
            bound: Any = {f"{each.constraint}_ns": each.needed}
            ask = replace(ask, **bound)
    return points, ask


def _plan(points: Points, ask: Ask, relaxations: tuple[Relaxation, ...], engine: str) -> Answer | None:
    try:
        return solve(*relaxed(points, ask, relaxations), engine)
    except NodePackingError:
        return None


def _alone(needs: _Needs, name: str) -> Relaxation | None:
    """The least of ``name`` among the candidates that hold all the others."""
    held = np.flatnonzero(needs.held([other for other in needs.asked if other != name]))
    if not len(held):
        return None
    least = held[int(needs.needed[name][held].argmin())]
    return needs.relaxation(name, int(needs.needed[name][least]), int(least))


def _conflicts(needs: _Needs) -> tuple[tuple[str, ...], ...]:
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


def _combined(needs: _Needs) -> tuple[Relaxation, ...]:
    """What the candidate with the smallest largest relative excess needs; then smallest sum, least needs."""
    if not len(needs.limit):
        return ()
    scale = {name: asked or int(needs.limit.max()) for name, asked in needs.asked.items()}
    relative = np.array(
        [
            np.maximum(needs.needed[name] - asked, 0) / max(scale[name], 1)
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


def _needs(points: Points, ask: Ask) -> _Needs:
    """Candidates and their needs. Memory counts bytes over the limit, so 0 is asked of it."""
    of = points.take(of_mode(points, ask))
    of = of.take(rates(of) > 0)
    first, last = (np.arange(len(of)),) * 2 if ask.mode == "agg" else _pairs(of)
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
        taken = np.where(of.pool[first] == j, of.gpus[first], 0)
        if ask.mode == "disagg":
            taken = taken + np.where(of.pool[last] == j, of.gpus[last], 0)
        bounds[f"gpus({name})"] = (ask.pools[j].gpus, taken)
    asked = {name: bound for name, (bound, _) in bounds.items() if bound is not None}
    return _Needs(asked, {name: bounds[name][1] for name in asked}, of.memory_limit_bytes[worst])


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
