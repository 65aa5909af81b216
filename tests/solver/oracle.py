"""Brute force over every plan of a small instance: the judge of the engines, never shipped."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from types import SimpleNamespace

from aicfg.solver.order import canonical_key
from aicfg.solver.points import Ask, Points, Role

Counts = dict[int, int]
ROLES = {"agg": (Role.AGG,), "disagg": (Role.PREFILL, Role.DECODE), "mixed": tuple(Role)}
STAGES = ("gpus", "ttft", "tpot", "types")


def plans(points: Points, ask: Ask) -> Iterator[Counts]:
    """Every plan that holds: points of different types in each role, every count within the pools."""
    roles = ROLES[ask.mode]
    for sets in product(*(_sides(points, ask, role) for role in roles)):
        chosen = [p for side in sets for p in side]
        if not chosen or (ask.mode != "mixed" and not all(sets)):
            continue
        if not all(holds_alone(points, ask, p) for p in chosen) or not partnered(points, chosen):
            continue
        if frozenset(int(points.worker_type[p]) for p in chosen) in ask.excluded:
            continue
        limits = [ask.pools[points.pool[p]].gpus // points.gpus[p] for p in chosen]
        for counts in product(*(range(1, int(limit) + 1) for limit in limits)):
            plan = dict(zip(chosen, counts, strict=True))
            if holds(points, ask, plan):
                yield plan


def _sides(points: Points, ask: Ask, role: Role) -> list[tuple[int, ...]]:
    own = [p for p in range(len(points)) if points.role[p] == role]
    most = len(own) if ask.types_per_role is None else ask.types_per_role
    return [
        chosen
        for size in range(most + 1)
        for chosen in combinations(own, size)
        if len({int(points.worker_type[p]) for p in chosen}) == size
    ]


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
    paired = [p for p in chosen if points.role[p] != Role.AGG]
    groups = {int(points.group[p]) for p in paired}
    return all(len({int(points.role[p]) for p in paired if points.group[p] == g}) == 2 for g in groups)


def holds(points: Points, ask: Ask, plan: Counts) -> bool:
    """Budget and nodes of every pool, request latency, load, and the user's constraints."""
    return (
        fits(points, ask, plan)
        and (ask.request_latency_ns is None or latency(points, ask, plan) <= ask.request_latency_ns)
        and (ask.load is None or rates(points, ask, plan)[1] >= ask.load)
        and all(user_holds(points, ask, plan, text) for text in ask.constraints)
    )


def fits(points: Points, ask: Ask, plan: Counts) -> bool:
    """Every pool has the GPUs, and places in its nodes."""
    for j, pool in enumerate(ask.pools):
        taken = sum(n * int(points.gpus[p]) for p, n in plan.items() if points.pool[p] == j)
        if taken > pool.gpus:
            return False
        if pool.gpus <= pool.gpus_per_node:
            continue
        sizes = [int(points.gpus[p]) for p, n in plan.items() if points.pool[p] == j for _ in range(n)]
        if not packs(tuple(sorted(sizes, reverse=True)), pool.gpus, pool.gpus_per_node):
            return False
    return True


@cache
def packs(sizes: tuple[int, ...], gpus: int, node: int) -> bool:
    """Whether workers of ``sizes``, largest first, have places: whole nodes for large ones, else in one."""
    if sum(sizes) > gpus:
        return False
    nodes = (node,) * (gpus // node) + ((gpus % node,) if gpus % node else ())
    if len(nodes) == 1 and gpus <= node:
        return True

    def place(left: tuple[int, ...], free: tuple[int, ...]) -> bool:
        if not left:
            return True
        size, *rest = left
        if size > node:
            whole = [i for i, each in enumerate(free) if each == node][: -(-size // node)]
            taken = tuple(0 if i in whole else each for i, each in enumerate(free))
            return len(whole) == -(-size // node) and place(tuple(rest), taken)
        tried = {each: i for i, each in enumerate(free) if each >= size}
        return any(place(tuple(rest), (*free[:i], each - size, *free[i + 1 :])) for each, i in tried.items())

    return place(sizes, nodes)


def parts(points: Points, plan: Counts) -> list[list[int]]:
    """Agg points one by one, and the points of each transfer group."""
    groups: dict[int, list[int]] = defaultdict(list)
    for p in plan:
        if points.role[p] != Role.AGG:
            groups[int(points.group[p])].append(p)
    return [[p] for p in plan if points.role[p] == Role.AGG] + list(groups.values())


def latency(points: Points, ask: Ask, plan: Counts) -> int:
    """Worst request latency of an agg point or a group."""
    return max(
        max(int(points.ttft_ns[p]) for p in part)
        + ask.latency_tokens * max(int(points.tpot_ns[p]) for p in part)
        for part in parts(points, plan)
    )


def rates(points: Points, ask: Ask, plan: Counts) -> tuple[int, int]:
    """Micro-tokens/s and micro-requests/s."""
    tokens = requests = 0
    for part in parts(points, plan):
        if points.role[part[0]] == Role.AGG:
            tokens += plan[part[0]] * int(points.token_rate[part[0]])
            requests += plan[part[0]] * int(points.request_rate[part[0]])
            continue
        served = min(
            sum(plan[p] * int(points.request_rate[p]) for p in part if points.role[p] == role)
            for role in (Role.PREFILL, Role.DECODE)
        )
        tokens, requests = tokens + ask.tokens_per_request * served, requests + served
    return tokens, requests


class _Words(dict):
    """Names that nothing defines stand for themselves."""

    def __missing__(self, name: str) -> str:
        return name


class _Quant(int):
    """The index of a quantisation, with its labels as attributes."""


def user_holds(points: Points, ask: Ask, plan: Counts, text: str) -> bool:
    """Python's own reading of the constraint, for every choice of one point in use of the roles it names."""
    named = [role for role in Role if f"{role.name.lower()}." in text]
    totals = _totals(points, ask, plan)
    attributes = [role for role in named if any(f"{role.name.lower()}.{a}" in text for a in ATTRIBUTES)]
    for chosen in product(*([p for p in plan if points.role[p] == role] for role in attributes)):
        env = _Words(totals)
        for role in Role:
            own = {p: n for p, n in plan.items() if points.role[p] == role}
            space = SimpleNamespace(
                workers=sum(own.values()), gpus=sum(n * int(points.gpus[p]) for p, n in own.items())
            )
            env[role.name.lower()] = space
        for role, p in zip(attributes, chosen, strict=True):
            _describe(env[role.name.lower()], points, ask, p)
        if not eval(text, {"__builtins__": {}}, env):
            return False
    return True


ATTRIBUTES = (
    *("tp", "dp", "batch", "chunk_tokens", "gpus_per_worker"),
    *("quant", "backend", "system", "pool", "ttft_ms", "tpot_ms"),
)


def _describe(space: SimpleNamespace, points: Points, ask: Ask, p: int) -> None:
    space.tp, space.dp = int(points.degrees["tp"][p]), int(points.degrees["dp"][p])
    space.batch, space.gpus_per_worker = int(points.batch[p]), int(points.gpus[p])
    space.chunk_tokens = int(points.chunk_tokens[p])
    space.pool = space.system = ask.pools[points.pool[p]].name
    space.ttft_ms, space.tpot_ms = int(points.ttft_ns[p]) / 1e6, int(points.tpot_ns[p]) / 1e6
    space.quant = _Quant(points.quant[p])
    for name, labels in ask.labels.items():
        holder = space.quant if name.startswith("quant.") else space
        setattr(holder, name.removeprefix("quant."), labels[points.worker_type[p]])


def _totals(points: Points, ask: Ask, plan: Counts) -> dict[str, object]:
    tokens, requests = rates(points, ask, plan)
    totals: dict[str, object] = {
        "gpus": figure(points, ask, plan, "gpus"),
        "cost": figure(points, ask, plan, "cost") / 1e6,
        "types": figure(points, ask, plan, "types"),
        "workers": sum(plan.values()),
        "tokens_per_s": tokens / 1e6,
        "requests_per_s": requests / 1e6,
    }
    for j, pool in enumerate(ask.pools):
        own = {p: n for p, n in plan.items() if points.pool[p] == j}
        gpus = sum(n * int(points.gpus[p]) for p, n in own.items())
        totals[pool.name] = SimpleNamespace(gpus=gpus, workers=sum(own.values()))
    return totals


def figure(points: Points, ask: Ask, plan: Counts, name: str) -> int:
    """A figure of the plan that an objective weighs."""
    if name in ("tokens_per_s", "requests_per_s"):
        return rates(points, ask, plan)[name == "requests_per_s"]
    if name == "request_latency":
        return latency(points, ask, plan)
    return {
        "gpus": lambda: sum(n * int(points.gpus[p]) for p, n in plan.items()),
        "cost": lambda: sum(
            n * int(points.gpus[p]) * (ask.pools[points.pool[p]].micro_price_per_gpu_hour or 0)
            for p, n in plan.items()
        ),
        "ttft": lambda: max(int(points.ttft_ns[p]) for p in plan),
        "tpot": lambda: max(int(points.tpot_ns[p]) for p in plan),
        "types": lambda: len({int(points.worker_type[p]) for p in plan}),
    }[name]()


def score(points: Points, ask: Ask, plan: Counts) -> tuple:
    """The lexicographic objective, smaller is better; last the canonical order."""
    first = figure(points, ask, plan, ask.objective)
    return (
        -first if ask.objective == "tokens_per_s" else first,
        *(figure(points, ask, plan, name) for name in STAGES),
        sorted((canonical_key(points, p), n) for p, n in plan.items()),
    )


def scored(points: Points, ask: Ask) -> list[tuple[tuple, Counts]]:
    """Every plan with its score."""
    return [(score(points, ask, plan), plan) for plan in plans(points, ask)]


def best(points: Points, ask: Ask) -> tuple[int, Counts] | None:
    """The objective's best figure and the plan that is preferred; None when there is no plan."""
    found = scored(points, ask)
    if not found:
        return None
    first = min(found, key=lambda each: each[0])
    return abs(first[0][0]), first[1]
