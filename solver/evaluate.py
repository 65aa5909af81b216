"""A plan's figures from its counts and the points alone: nothing of the program is used here."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aicfg.solver.names import pool_names
from aicfg.solver.objectives import LATENCIES
from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.packing import packs
from aicfg.solver.points import Ask, Points, Role


@dataclass(frozen=True)
class Evaluation:
    """Figures of a plan, in Python integers (they cannot overflow or round)."""

    tokens: int
    """Output micro-tokens/s."""
    requests: int
    """Micro-requests/s served."""
    gpus: tuple[int, ...]
    """GPUs used of each pool."""
    cost: int
    """Micro-currency per hour of the GPUs used."""
    ttft_ns: int
    tpot_ns: int
    request_latency_ns: int
    worker_types: int
    objective: str
    broken: tuple[str, ...]
    """Constraints that the plan breaks; empty for a plan that holds."""

    @property
    def value(self) -> int:
        """The plan's figure of the objective that was asked for."""
        return self.figure(self.objective)

    def figure(self, objective: str) -> int:
        """The plan's figure of any objective, in its integers."""
        if objective in LATENCIES:
            return int(getattr(self, LATENCIES[objective]))
        figures = {
            "tokens_per_s": self.tokens,
            "requests_per_s": self.requests,
            "gpus": sum(self.gpus),
            "cost": self.cost,
            "types": self.worker_types,
            "any": 0,
        }
        return figures[objective]


Used = Mapping[int, int]


def evaluate(points: Points, ask: Ask, counts: Mapping[int, int]) -> Evaluation:
    """Figures of the plan with ``counts[p]`` workers at point ``p`` (a position in ``points``)."""
    used = {p: n for p, n in counts.items() if n > 0}
    gpus = tuple(
        sum(n * int(points.gpus[p]) for p, n in used.items() if points.pool[p] == j)
        for j in range(len(ask.pools))
    )
    tokens, requests = _rates(points, ask, used)
    ttft, tpot, latency = _latencies(points, ask, used)
    broken = [
        *_past_bounds(ask, requests, (ttft, tpot, latency)),
        *_over_capacity(points, ask, used, gpus),
        *_choices(points, ask, used),
        *_own_constraints(points, ask, used, {"tokens_per_s": tokens, "requests_per_s": requests}),
    ]
    return Evaluation(
        tokens,
        requests,
        gpus,
        sum(n * (pool.micro_price_per_gpu_hour or 0) for n, pool in zip(gpus, ask.pools, strict=True)),
        ttft,
        tpot,
        latency,
        len({int(points.worker_type[p]) for p in used}),
        ask.objective,
        tuple(broken),
    )


def _rates(points: Points, ask: Ask, used: Used) -> tuple[int, int]:
    """Tokens/s and requests/s: agg workers add up; a group serves the slower role's sum of n r_p."""
    agg = {p: n for p, n in used.items() if points.role[p] == Role.AGG}
    tokens = sum(n * int(points.token_rate[p]) for p, n in agg.items())
    requests = sum(n * int(points.request_rate[p]) for p, n in agg.items())
    served = 0
    for group in _groups(points, used):
        sides = (
            sum(n * int(points.request_rate[p]) for p, n in group.items() if points.role[p] == role)
            for role in (Role.PREFILL, Role.DECODE)
        )
        served += min(sides)
    return tokens + ask.tokens_per_request * served, requests + served


def _groups(points: Points, used: Used) -> list[dict[int, int]]:
    """The prefill and decode points in use of each transfer group."""
    paired = {p: n for p, n in used.items() if points.role[p] != Role.AGG}
    names = sorted({int(points.group[p]) for p in paired})
    return [{p: n for p, n in paired.items() if points.group[p] == name} for name in names]


def _latencies(points: Points, ask: Ask, used: Used) -> tuple[int, int, int]:
    """Worst TTFT, TPOT and request latency; the latter of each agg point, and of each transfer group."""
    parts = [{p: n} for p, n in used.items() if points.role[p] == Role.AGG] + _groups(points, used)
    worst = [
        (max(int(points.ttft_ns[p]) for p in part), max(int(points.tpot_ns[p]) for p in part))
        for part in parts
    ]
    return (
        max((ttft for ttft, _ in worst), default=0),
        max((tpot for _, tpot in worst), default=0),
        max((ttft + ask.latency_tokens * tpot for ttft, tpot in worst), default=0),
    )


def _past_bounds(ask: Ask, requests: int, latencies: tuple[int, int, int]) -> Iterator[str]:
    """Latency bounds and the load."""
    bounds = (ask.ttft_ns, ask.tpot_ns, ask.request_latency_ns)
    for name, value, bound in zip(LATENCIES, latencies, bounds, strict=True):
        if bound is not None and value > bound:
            yield name
    if ask.load is not None and requests < ask.load:
        yield "load"


def _over_capacity(points: Points, ask: Ask, used: Used, gpus: tuple[int, ...]) -> Iterator[str]:
    """GPUs, nodes and memory."""
    for j, (name, pool) in enumerate(zip(pool_names(ask), ask.pools, strict=True)):
        sizes: Counter[int] = Counter()
        for p, n in used.items():
            if points.pool[p] == j:
                sizes[int(points.gpus[p])] += n
        if gpus[j] > pool.gpus:
            yield f"gpus({name})"
        elif not packs(pool, sizes):
            yield f"node_packing({name})"
    if any(points.memory_bytes[p] > points.memory_limit_bytes[p] for p in used):
        yield "memory"


def _choices(points: Points, ask: Ask, used: Used) -> Iterator[str]:
    """Types and batches of each role, partners, the mode, and excluded sets."""
    serving = [Role(role) for role in SERVING_ROLES[ask.mode]]
    for role in serving:
        own = [p for p in used if points.role[p] == role]
        types = {int(points.worker_type[p]) for p in own}
        if ask.types_per_role is not None and len(types) > ask.types_per_role:
            yield f"types_per_role({role.name.lower()})"
        if len(own) > len(types):
            yield f"one_batch({role.name.lower()})"
        if not own and ask.mode != "mixed":
            yield f"service({role.name.lower()})"
    if ask.mode == "mixed" and not used:
        yield "service"
    yield from _without_partner(points, ask, used)
    yield from ("mode" for p in used if points.role[p] not in serving)
    if frozenset(int(points.worker_type[p]) for p in used) in ask.excluded:
        yield "excluded"


def _without_partner(points: Points, ask: Ask, used: Used) -> Iterator[str]:
    """Groups with one role in use only; a plan that lacks a role altogether already breaks ``service``."""
    has = {(int(points.group[p]), Role(points.role[p])) for p in used if points.role[p] != Role.AGG}
    if ask.mode == "agg" or (ask.mode == "disagg" and len({role for _, role in has}) < 2):
        return
    for group, role in sorted(has):
        if (group, Role.DECODE if role is Role.PREFILL else Role.PREFILL) not in has:
            yield f"kv_transfer(g{group}_{role.name.lower()})"


def _own_constraints(points: Points, ask: Ask, used: Used, rates: Mapping[str, int]) -> list[str]:
    """The user's constraints that are broken."""
    if not ask.constraints:
        return []
    from aicfg.solver.judge import broken_constraints  # most asks have none

    return broken_constraints(points, ask, used, rates)
