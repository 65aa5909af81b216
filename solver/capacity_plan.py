"""A capacity plan, and its figures from the plan, the points and the ask alone: without the program."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from aicfg.solver.capacity import MICRO, Capacity, class_ask, spares
from aicfg.solver.names import pool_names
from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.packing import packs
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.unique import unique
from aicfg.solver.user import Row, rules
from aicfg.solver.within import within

SLACK = 1e-7
"""Share of a time or a load that floating point may be short of."""


@dataclass(frozen=True)
class CapacityPlan:
    """Who runs when, and on what they spend their time."""

    workers: Mapping[int, tuple[int, ...]]
    """Workers of each type in use, by step."""
    time: Mapping[tuple[int, int], float]
    """(position of a point, step): workers' time there, in workers."""
    bought: Mapping[tuple[int, int], tuple[int, ...]]
    """(pool, offer): GPUs taken, by step."""


@dataclass(frozen=True)
class Served:
    """What a plan serves of each class in each step, in micro-requests/s, and micro-tokens/s in all."""

    requests: dict[tuple[int, int], float]
    """(step, class)."""
    tokens: float


def served(points: Points, ask: Ask, plan: CapacityPlan) -> Served:
    """Aggregated time adds up; a transfer group serves what the slower of its roles does."""
    assert ask.capacity is not None
    requests: defaultdict[tuple[int, int], float] = defaultdict(float)
    sides: defaultdict[tuple[int, int, int, int], float] = defaultdict(float)
    tokens = 0.0
    for (p, t), time in plan.time.items():
        k, role = int(points.request_class[p]), int(points.role[p])
        if role == Role.AGG:
            requests[t, k] += time * int(points.request_rate[p])
            tokens += time * int(points.token_rate[p])
        else:
            sides[t, k, int(points.group[p]), role] += time * int(points.request_rate[p])
    for t, k, group, role in list(sides):
        if role == Role.PREFILL:
            both = min(sides[t, k, group, Role.PREFILL], sides[t, k, group, Role.DECODE])
            requests[t, k] += both
            tokens += both * ask.capacity.classes[k].tokens_per_request
    return Served(dict(requests), tokens)


def starts(workers: tuple[int, ...]) -> int:
    """Workers started over the steps, the last coming before the first."""
    return sum(max(now - before, 0) for before, now in zip(workers[-1:] + workers[:-1], workers, strict=True))


def changes(capacity: Capacity, plan: CapacityPlan) -> dict[int, int]:
    """Workers that there are more (or, below 0, fewer) of than today, by type."""
    today = capacity.current or {}
    now = {w: workers[0] for w, workers in plan.workers.items()}
    moved = {w: now.get(w, 0) - today.get(w, 0) for w in {*now, *today}}
    return {w: n for w, n in sorted(moved.items()) if n}


def gpus_by_step(points: Points, ask: Ask, plan: CapacityPlan) -> np.ndarray:
    """(pool, step) GPUs that the workers take."""
    assert ask.capacity is not None
    found = np.zeros((len(ask.pools), len(ask.capacity.steps)), np.int64)
    for w, workers in plan.workers.items():
        p = first_of(points, w)
        found[points.pool[p]] += int(points.gpus[p]) * np.array(workers, np.int64)
    return found


def first_of(points: Points, worker_type: int) -> int:
    """Position of some point of the type."""
    return int(np.flatnonzero(points.worker_type == worker_type)[0])


def value(points: Points, ask: Ask, plan: CapacityPlan) -> int:
    """The objective, changes paid: micro-tokens/s, or millionths of GPU-seconds or currency-seconds."""
    capacity = ask.capacity
    assert capacity is not None
    moved = sum(abs(n) for n in changes(capacity, plan).values()) if capacity.current is not None else 0
    fee = (capacity.change_cost or 0) * moved
    if ask.objective == "tokens_per_s":
        return round(served(points, ask, plan).tokens) - fee
    return spent(points, ask, plan, ask.objective == "cost") + fee * capacity.time_unit


def spent(points: Points, ask: Ask, plan: CapacityPlan, priced: bool) -> int:
    """Micro-GPU-seconds of all workers, starts included; priced: times the price of an hour, as bought."""
    capacity = ask.capacity
    assert capacity is not None
    seconds = [step.seconds for step in capacity.steps]
    prices = [(pool.micro_price_per_gpu_hour or 0) if priced else MICRO for pool in ask.pools]
    total = 0
    for w, workers in plan.workers.items():
        p = first_of(points, w)
        each = prices[points.pool[p]] * int(points.gpus[p])
        offered = priced and bool(capacity.offers) and bool(capacity.offers[points.pool[p]])
        held = 0 if offered else sum(n * s for n, s in zip(workers, seconds, strict=True))
        total += each * (held + capacity.startup_s * starts(workers))
    if priced:
        for (j, number), gpus in plan.bought.items():
            price = capacity.offers[j][number].micro_price_per_gpu_hour
            total += price * sum(n * s for n, s in zip(gpus, seconds, strict=True))
    return total


def broken(points: Points, ask: Ask, plan: CapacityPlan) -> list[str]:
    """Constraints that the plan breaks; empty for a plan that holds."""
    return [
        *_fleet(points, ask, plan),
        *_time(points, ask, plan),
        *_loads(points, ask, plan),
        *_choices(points, ask, plan),
        *_bounds(points, ask, plan),
        *_own_constraints(points, ask, plan),
    ]


def _fleet(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """GPUs, nodes and offers of each pool in each step."""
    capacity = ask.capacity
    assert capacity is not None
    used = gpus_by_step(points, ask, plan)
    for j, name in enumerate(pool_names(ask)):
        for t in range(len(capacity.steps)):
            sizes: Counter[int] = Counter()
            for w, workers in plan.workers.items():
                p = first_of(points, w)
                if points.pool[p] == j:
                    sizes[int(points.gpus[p])] += workers[t]
            if used[j, t] > ask.pools[j].gpus:
                yield f"gpus({name})"
            elif not packs(ask.pools[j], sizes):
                yield f"node_packing({name})"
            offers = capacity.offers[j] if capacity.offers else ()
            bought = [
                plan.bought.get((j, number), (0,) * len(capacity.steps)) for number in range(len(offers))
            ]
            if offers and used[j, t] > sum(each[t] for each in bought):
                yield f"purchase({name})"
            for offer, each in zip(offers, bought, strict=True):
                if max(each) > offer.gpus or (offer.committed and len(set(each)) > 1):
                    yield f"offer({name}_{offer.name})"


def _time(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """The time at the points of a type is that of the workers left when its spares are lost."""
    lost = spares(points, ask)
    for w, workers in plan.workers.items():
        for t, n in enumerate(workers):
            spent = sum(x for (p, step), x in plan.time.items() if step == t and points.worker_type[p] == w)
            if spent > (n - int(lost[first_of(points, w)])) * (1 + SLACK) + SLACK:
                yield f"time_share({w})"
    if any(int(points.worker_type[p]) not in plan.workers for p, _ in plan.time):
        yield "type_limit"


def _loads(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """Every load is served; where the tokens/s count, the classes are served in their shares."""
    assert ask.capacity is not None
    found = served(points, ask, plan).requests
    for t, step in enumerate(ask.capacity.steps):
        for k, load in enumerate(step.loads):
            if found.get((t, k), 0.0) < load * (1 - SLACK) - 1:
                yield f"load({t}, {k})"
    if ask.objective == "tokens_per_s":
        each = [found.get((0, k), 0.0) / of.share for k, of in enumerate(ask.capacity.classes)]
        if max(each) - min(each) > 1e-6 * max(each):
            yield "class_share"


def _choices(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """Types of each role, and one point for each type and class in use."""
    roles = Counter(int(points.role[first_of(points, w)]) for w in plan.workers)
    serving = SERVING_ROLES[ask.mode]
    if ask.types_per_role is not None:
        yield from (f"types_per_role({Role(r).name})" for r, n in roles.items() if n > ask.types_per_role)
    paired = [first_of(points, w) for w in plan.workers if points.role[first_of(points, w)] != Role.AGG]
    there = {(int(points.group[p]), int(points.role[p])) for p in paired}
    yield from (f"kv_transfer(g{group})" for group, role in there if (group, 3 - role) not in there)
    yield from ("mode" for role in roles if role not in serving)
    yield from ("service" for role in serving if ask.mode != "mixed" and role not in roles)
    used = {p for p, _ in plan.time}
    if len({(int(points.worker_type[p]), int(points.request_class[p])) for p in used}) < len(used):
        yield "one_batch"


def _bounds(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """Memory and latencies of the points in use, and the request latency of each class and group."""
    assert ask.capacity is not None
    used = np.array(sorted({p for p, _ in plan.time}), np.int64)
    for k, of in enumerate(ask.capacity.classes):
        own = used[points.request_class[used] == k]
        if len(within(points.take(own), class_ask(ask, k))) < len(own):
            yield f"bounds({of.name})"
        paired = own[points.role[own] != Role.AGG]
        for group in unique(points.group[paired]):
            here = points.take(paired[points.group[paired] == group])
            both = int(here.ttft_ns.max()) + of.latency_tokens * int(here.tpot_ns.max())
            if of.request_latency_ns is not None and both > of.request_latency_ns:
                yield f"request_latency({of.name})"


def _own_constraints(points: Points, ask: Ask, plan: CapacityPlan) -> Iterator[str]:
    """The user's rows on totals, in each step."""
    assert ask.capacity is not None
    for rule in rules(points, ask) if ask.constraints else ():
        if isinstance(rule, Row):
            for t in range(len(ask.capacity.steps)):
                left = sum(int(rule.per_worker[first_of(points, w)]) * n[t] for w, n in plan.workers.items())
                left += rule.types * len(plan.workers)
                if left > rule.most or (rule.equal and left < rule.most):
                    yield f"user({rule.number})"
