"""The variables of a capacity question's direct formulation, and what they serve."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from aicfg.solver.capacity import Capacity, RequestClass
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.user import Filter, rules

PARTS = (720_720, 5_040, 60)
LARGEST = 2**60


class Model(NamedTuple):
    """The variables."""

    cp: Any
    points: Points
    ask: Ask
    capacity: Capacity
    types: list[int]
    first: dict[int, int]
    """A point of each type."""
    workers: dict[tuple[int, int], Any]
    """(type, step)."""
    used: dict[int, Any]
    time: dict[tuple[int, int], Any]
    """(point, step), in parts."""
    parts: int
    bought: dict[tuple[int, int, int], Any]
    chosen: dict[int, Any]
    """Whether a point is in use."""
    served: dict[tuple[int, int], tuple[Any, int]]
    """(step, class): micro-requests/s times ``parts``, and what whole parts may lose of them."""


def variables(cp: Any, points: Points, ask: Ask) -> Model:
    """The variables of ``ask`` in the model ``cp``, each within what its pool can hold."""
    capacity = ask.capacity
    assert capacity is not None
    steps = range(len(capacity.steps))
    serving = {"agg": (0,), "disagg": (1, 2), "mixed": (0, 1, 2)}[ask.mode]
    at = np.flatnonzero(np.isin(points.role, serving))
    types, first = np.unique(points.worker_type[at], return_index=True)
    some = {int(w): int(at[p]) for w, p in zip(types, first, strict=True)}
    most = {w: int(ask.pools[points.pool[p]].gpus // points.gpus[p]) for w, p in some.items()}
    alive = list(_alive(points, ask, at))
    parts = _parts(points, ask, alive, most)
    workers = {(w, t): cp.new_int_var(0, most[w], f"workers.{w}.{t}") for w in some for t in steps}
    time = {
        (int(p), t): cp.new_int_var(0, parts * most[int(points.worker_type[p])], f"time.{p}.{t}")
        for p in alive
        for t in steps
    }
    used = {w: cp.new_bool_var(f"used.{w}") for w in some}
    bought = {
        (j, o, t): cp.new_int_var(0, offer.gpus, f"bought.{j}.{o}.{t}")
        for j, offers in enumerate(capacity.offers)
        for o, offer in enumerate(offers)
        for t in steps
    }
    model = Model(cp, points, ask, capacity, list(some), some, workers, used, time, parts, bought, {}, {})
    model.served.update({(t, k): _served(model, t, k) for t in steps for k in range(len(capacity.classes))})
    return model


def _parts(points: Points, ask: Ask, alive: list[int], most: dict[int, int]) -> int:
    """Parts of a worker's time, so many that no sum of what is served overflows."""
    assert ask.capacity is not None
    tokens = (
        max(of.tokens_per_request for of in ask.capacity.classes) if ask.objective == "tokens_per_s" else 1
    )
    whole = tokens * sum(int(points.request_rate[p]) * most[int(points.worker_type[p])] for p in alive)
    return next((each for each in PARTS if each * whole < LARGEST), PARTS[-1])


def _alive(points: Points, ask: Ask, at: IntArray) -> Iterator[int]:
    """Points that serve anybody within the bounds of their class.

    Of a type and class the fastest one; those in front where prefill and decode meet a latency together.
    """
    assert ask.capacity is not None
    front: dict[tuple[int, int], list[int]] = {}
    keep = np.ones(len(points), bool)
    for rule in rules(points, ask):
        keep &= rule.keep if isinstance(rule, Filter) else True
    for p in at[keep[at]].tolist():
        of = ask.capacity.classes[points.request_class[p]]
        if points.memory_bytes[p] <= points.memory_limit_bytes[p] and _in_time(points, of, p):
            front.setdefault((int(points.worker_type[p]), int(points.request_class[p])), []).append(p)
    for (_, k), own in front.items():
        lowest, together = None, ask.capacity.classes[k].request_latency_ns is not None
        for p in sorted(own, key=lambda p: (-points.request_rate[p], points.ttft_ns[p] + points.tpot_ns[p])):
            late = int(points.ttft_ns[p] + points.tpot_ns[p])
            if ask.constraints or lowest is None or (together and late < lowest):
                lowest = late
                yield p


def _in_time(points: Points, of: RequestClass, p: int) -> bool:
    ttft, tpot = int(points.ttft_ns[p]), int(points.tpot_ns[p])
    return (
        points.request_rate[p] > 0
        and (of.ttft_ns is None or ttft <= of.ttft_ns)
        and (of.tpot_ns is None or tpot <= of.tpot_ns)
        and (of.request_latency_ns is None or ttft + of.latency_tokens * tpot <= of.request_latency_ns)
    )


def _served(m: Model, t: int, k: int) -> tuple[Any, int]:
    """Aggregated time adds up; a transfer group serves what the slower of its roles does."""
    rate = m.points.request_rate
    total: Any = 0
    agg: list[int] = []
    groups: dict[int, dict[int, list[int]]] = {}
    for p, step in m.time:
        if step != t or m.points.request_class[p] != k:
            continue
        if m.points.role[p] == Role.AGG:
            total = total + int(rate[p]) * m.time[p, t]
            agg.append(p)
        else:
            sides = groups.setdefault(int(m.points.group[p]), {1: [], 2: []})
            sides[int(m.points.role[p])].append(p)
    for sides in groups.values():
        most = (m.parts * sum(int(rate[p]) * most_workers(m, p) for p in own) for own in sides.values())
        both = m.cp.new_int_var(0, min(most), "")
        for own in sides.values():
            m.cp.add(both <= sum(int(rate[p]) * m.time[p, t] for p in own))
        total = total + both
    lost = _lost(m, agg) + sum(max(_lost(m, own) for own in sides.values()) for sides in groups.values())
    return total, lost


def _lost(m: Model, own: list[int]) -> int:
    """Rounding time down to whole parts loses less than one part at each type in use."""
    fastest: dict[int, int] = {}
    for p in own:
        w, rate = int(m.points.worker_type[p]), int(m.points.request_rate[p])
        fastest[w] = max(fastest.get(w, 0), rate)
    return sum(sorted(fastest.values(), reverse=True)[: m.ask.types_per_role])


def most_workers(m: Model, p: int) -> int:
    """As many workers as a point's pool has GPUs for."""
    return m.ask.pools[m.points.pool[p]].gpus // int(m.points.gpus[p])
