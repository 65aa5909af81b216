"""Brute force over every plan of a small instance: the judge of the engines, never shipped."""

from itertools import combinations, product

from aicfg.solver.order import canonical_key
from aicfg.solver.points import Ask, Points, Role

Counts = dict[int, int]


def plans(points: Points, ask: Ask):
    """Every plan: up to K points of different types a role, every count within the pools."""
    sides = []
    for role in (Role.AGG,) if ask.mode == "agg" else (Role.PREFILL, Role.DECODE):
        own = [p for p in range(len(points)) if points.role[p] == role]
        sides.append(
            [
                chosen
                for size in range(1, ask.types_per_role + 1)
                for chosen in combinations(own, size)
                if len({int(points.worker_type[p]) for p in chosen}) == size
            ]
        )
    for sets in product(*sides):
        chosen = [p for side in sets for p in side]
        if not all(holds_alone(points, ask, p) for p in chosen):
            continue
        if ask.mode == "disagg" and not partnered(points, chosen):
            continue
        limits = [ask.pools[points.pool[p]].gpus // points.gpus[p] for p in chosen]
        for counts in product(*(range(1, int(limit) + 1) for limit in limits)):
            plan = dict(zip(chosen, counts, strict=True))
            if fits(points, ask, plan) and in_time(points, ask, plan):
                yield plan


def holds_alone(points: Points, ask: Ask, p: int) -> bool:
    """Memory and the latency bounds of one point, and that it serves."""
    rate = points.token_rate[p] if points.role[p] == Role.AGG else points.request_rate[p]
    return bool(
        rate > 0
        and points.memory_bytes[p] <= points.memory_limit_bytes[p]
        and (ask.ttft_ns is None or points.ttft_ns[p] <= ask.ttft_ns)
        and (ask.tpot_ns is None or points.tpot_ns[p] <= ask.tpot_ns)
    )


def partnered(points: Points, chosen: list[int]) -> bool:
    """Every group in use has both roles."""
    groups = {int(points.group[p]) for p in chosen}
    return all(len({int(points.role[p]) for p in chosen if points.group[p] == g}) == 2 for g in groups)


def fits(points: Points, ask: Ask, plan: Counts) -> bool:
    """Every pool has the GPUs."""
    return all(
        sum(n * points.gpus[p] for p, n in plan.items() if points.pool[p] == j) <= pool.gpus
        for j, pool in enumerate(ask.pools)
    )


def in_time(points: Points, ask: Ask, plan: Counts) -> bool:
    """The request latency of every agg point, or of every group."""
    if ask.request_latency_ns is None:
        return True
    for group in {int(points.group[p]) for p in plan}:
        own = [p for p in plan if points.group[p] == group]
        sets = [[p] for p in own] if ask.mode == "agg" else [own]
        for each in sets:
            worst = max(points.ttft_ns[p] for p in each), max(points.tpot_ns[p] for p in each)
            if worst[0] + ask.latency_tokens * worst[1] > ask.request_latency_ns:
                return False
    return True


def score(points: Points, ask: Ask, plan: Counts) -> tuple:
    """The lexicographic objective, smaller is better: -tokens/s, GPUs, TTFT, TPOT, types, canonical order."""
    if ask.mode == "agg":
        value = sum(n * int(points.token_rate[p]) for p, n in plan.items())
    else:
        value = 0
        for group in {int(points.group[p]) for p in plan}:
            value += ask.tokens_per_request * min(
                sum(
                    n * int(points.request_rate[p])
                    for p, n in plan.items()
                    if points.group[p] == group and points.role[p] == role
                )
                for role in (Role.PREFILL, Role.DECODE)
            )
    return (
        -value,
        sum(n * int(points.gpus[p]) for p, n in plan.items()),
        max(int(points.ttft_ns[p]) for p in plan),
        max(int(points.tpot_ns[p]) for p in plan),
        len({int(points.worker_type[p]) for p in plan}),
        sorted((canonical_key(points, p), n) for p, n in plan.items()),
    )


def best(points: Points, ask: Ask) -> tuple[int, Counts] | None:
    """Highest micro-tokens/s and the plan that the objective prefers; None when there is no plan."""
    scored = [(score(points, ask, plan), plan) for plan in plans(points, ask)]
    if not scored:
        return None
    first = min(scored, key=lambda each: each[0])
    return -first[0][0], first[1]
