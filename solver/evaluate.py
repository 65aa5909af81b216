"""A plan's figures from its counts and the points alone: nothing of the program is used here."""

from collections.abc import Mapping
from dataclasses import dataclass

from aicfg.solver.frame import pool_names
from aicfg.solver.points import Ask, Points, Role


@dataclass(frozen=True)
class Evaluation:
    """Figures of a plan, in Python integers (they cannot overflow or round)."""

    value: int
    """Output micro-tokens/s."""
    gpus: tuple[int, ...]
    """GPUs used of each pool."""
    ttft_ns: int
    tpot_ns: int
    request_latency_ns: int
    worker_types: int
    broken: tuple[str, ...]
    """Constraints that the plan breaks; empty for a plan that holds."""


def evaluate(points: Points, ask: Ask, counts: Mapping[int, int]) -> Evaluation:
    """Figures of the plan with ``counts[p]`` workers at point ``p`` (a position in ``points``)."""
    used = {p: n for p, n in counts.items() if n > 0}
    gpus = tuple(
        sum(n * int(points.gpus[p]) for p, n in used.items() if points.pool[p] == j)
        for j in range(len(ask.pools))
    )
    ttft, tpot, latency = _latencies(points, ask, used)
    return Evaluation(
        _value(points, ask, used),
        gpus,
        ttft,
        tpot,
        latency,
        len({int(points.worker_type[p]) for p in used}),
        tuple(_broken(points, ask, used, gpus, (ttft, tpot, latency))),
    )


def _value(points: Points, ask: Ask, used: Mapping[int, int]) -> int:
    """Agg: sum of n t_p. Disagg: T times the sum over groups of the slower role's sum of n r_p."""
    if ask.mode == "agg":
        return sum(n * int(points.token_rate[p]) for p, n in used.items())
    served = 0
    for group in _groups(points, used):
        sides = (
            sum(n * int(points.request_rate[p]) for p, n in group.items() if points.role[p] == role)
            for role in (Role.PREFILL, Role.DECODE)
        )
        served += min(sides)
    return ask.tokens_per_request * served


def _groups(points: Points, used: Mapping[int, int]) -> list[dict[int, int]]:
    names = sorted({int(points.group[p]) for p in used})
    return [{p: n for p, n in used.items() if points.group[p] == name} for name in names]


def _latencies(points: Points, ask: Ask, used: Mapping[int, int]) -> tuple[int, int, int]:
    """Worst TTFT, TPOT and request latency; the latter of each agg point, or of each transfer group."""
    parts: list[dict[int, int]] = (
        [{p: n} for p, n in used.items()] if ask.mode == "agg" else _groups(points, used)
    )
    worst = [
        (max(int(points.ttft_ns[p]) for p in part), max(int(points.tpot_ns[p]) for p in part))
        for part in parts
    ]
    return (
        max((ttft for ttft, _ in worst), default=0),
        max((tpot for _, tpot in worst), default=0),
        max((ttft + ask.latency_tokens * tpot for ttft, tpot in worst), default=0),
    )


def _broken(
    points: Points, ask: Ask, used: Mapping[int, int], gpus: tuple[int, ...], latencies: tuple[int, int, int]
) -> list[str]:
    bounds = zip(
        ("ttft", "tpot", "request_latency"),
        latencies,
        (ask.ttft_ns, ask.tpot_ns, ask.request_latency_ns),
        strict=True,
    )
    broken = [name for name, value, bound in bounds if bound is not None and value > bound]
    broken += [
        f"gpus({name})"
        for name, pool, taken in zip(pool_names(ask), ask.pools, gpus, strict=True)
        if taken > pool.gpus
    ]
    if any(points.memory_bytes[p] > points.memory_limit_bytes[p] for p in used):
        broken.append("memory")
    serving = [Role.AGG] if ask.mode == "agg" else [Role.PREFILL, Role.DECODE]
    for role in serving:
        points_of_role = [p for p in used if points.role[p] == role]
        types = {int(points.worker_type[p]) for p in points_of_role}
        if len(types) > ask.types_per_role:
            broken.append(f"types_per_role({role.name.lower()})")
        if len(points_of_role) > len(types):
            broken.append(f"one_batch({role.name.lower()})")
        if not points_of_role:
            broken.append(f"service({role.name.lower()})")
    broken += ["mode" for p in used if points.role[p] not in serving]
    return broken
