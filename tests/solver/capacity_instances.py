"""Random small capacity questions: one of each kind of set and family, and mixtures of them."""

from dataclasses import replace

import numpy as np
from synthetic import make_points

from aicfg.solver.capacity import MICRO, Capacity, Offer, RequestClass, Step
from aicfg.solver.points import Ask, Points, Pool

KINDS = ("classes", "spare", "time", "current", "offers", "own", "all")
CONSTRAINTS = (
    "gpus <= 6",
    "workers >= 3",
    "prefill.workers <= 2 * decode.workers",
    "agg.tp in [1, 2]",
    "decode.tp >= prefill.tp",
    "pool0.gpus <= 3",
    "types <= 2",
    "decode.gpus <= prefill.gpus + 2",
    "cost <= 9",
)


def capacity(seed: int, kind: str) -> tuple[Points, Ask]:
    """A random instance of ``kind``; one GPU type or two, agg, disagg or mixed."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    mode = ("agg", "disagg", "mixed")[seed % 3]
    over_time = kind == "time" or (kind == "all" and seed % 2 == 0)
    classes = 1 if over_time else int(random.integers(1, 4 if mode == "agg" else 3))
    pools = 1 + seed // 3 % 2
    objective = str(random.choice(["gpus", "cost"] if over_time else ["gpus", "cost", "tokens_per_s"]))
    steps = _steps(random, classes, objective, 3 if over_time else 1)
    points = make_points(_rows(random, mode, pools, classes, over_time))
    types = sorted(set(points.worker_type.tolist()))
    ask = Ask(
        pools=tuple(
            Pool(f"pool{j}", int(random.integers(4, 6 if over_time else 9)) + 2 * (kind in ("spare", "all")),
                 int(random.choice([2, 4, 8])), int(random.choice([500_000, 1_300_000, 2_000_000])))
            for j in range(pools)
        ),
        mode=mode,
        tokens_per_request=10,
        latency_tokens=9,
        types_per_role=(1, 2)[seed // 2 % 2],
        objective=objective,
        capacity=Capacity(
            classes=tuple(_class(random, k, classes) for k in range(classes)),
            steps=steps,
            startup_s=int(random.choice([0, 600, 3600])) if over_time else 0,
            spare_workers=int(random.integers(0, 2)) if kind in ("spare", "all") else 0,
            spare_nodes=int(random.integers(0, 2)) if kind in ("spare", "all") else 0,
        ),
    )  # fmt: skip
    if kind in ("current", "all") and not over_time:
        ask = _with_current(random, ask, types)
    if kind == "own":
        chosen = random.choice(CONSTRAINTS, 1 + seed % 2, replace=False)
        ask = replace(ask, constraints=tuple(str(each) for each in chosen))
    if kind in ("offers", "all"):
        ask = _with_offers(random, ask)
    return points, ask


def _class(random: np.random.Generator, k: int, classes: int) -> RequestClass:
    share = MICRO if classes == 1 else (MICRO // 2 if k == 0 else MICRO // 2 // (classes - 1))
    late = random.integers(0, 2)
    return RequestClass(
        f"k{k}",
        tokens_per_request=10 + 5 * k,
        latency_tokens=9 + 5 * k,
        ttft_ns=None if random.integers(0, 2) else int(random.integers(3, 7)) * 15_000_000,
        tpot_ns=None if random.integers(0, 2) else int(random.integers(3, 9)) * 1_000_000,
        request_latency_ns=int(random.integers(7, 17)) * 10_000_000 if late else None,
        share=share,
    )


def _steps(random: np.random.Generator, classes: int, objective: str, steps: int) -> tuple[Step, ...]:
    free = objective == "tokens_per_s" and random.integers(0, 2)
    return tuple(
        Step(
            f"t{t}",
            1 if steps == 1 else int(random.integers(1, 4)) * 1200,
            tuple(
                0 if free else int(random.integers(1, 6 if classes == 1 else 4)) * MICRO
                for _ in range(classes)
            ),
        )
        for t in range(steps)
    )


def _rows(
    random: np.random.Generator, mode: str, pools: int, classes: int, few: bool
) -> list[dict[str, int]]:
    rows, number, groups = [], 0, 2 if mode == "mixed" else 1
    for role in {"agg": (0,), "disagg": (1, 2), "mixed": (0, 1, 2)}[mode]:
        for _ in range(int(random.integers(1, 3)) if mode == "agg" or not few else 1):
            gpus = int(random.choice([1, 2, 3]))
            shared = {
                "role": role, "worker_type": number, "gpus": gpus, "tp": gpus, "dp": number + 1,
                "pool": int(random.integers(0, pools)), "group": int(random.integers(0, groups)),
                "memory_limit_bytes": 9,
            }  # fmt: skip
            number += 1
            for k in range(classes):
                for batch in range(1, int(random.integers(2, 4))):
                    rate = int(random.choice([2, 3, 5])) * gpus * MICRO // int(random.choice([1, 2]))
                    rows.append(
                        shared
                        | {
                            "batch": batch,
                            "request_class": k,
                            "request_rate": rate,
                            "token_rate": rate * (9 + 5 * k),
                            "ttft_ns": 0 if role == 2 else int(random.integers(1, 6)) * 15_000_000,
                            "tpot_ns": 0 if role == 1 else int(random.integers(1, 9)) * 1_000_000,
                            "memory_bytes": 10 if random.integers(0, 12) == 0 else 9,
                            "chunk_tokens": 0 if role else 512,
                        }
                    )
    return rows


def _with_current(random: np.random.Generator, ask: Ask, types: list[int]) -> Ask:
    today = {w: int(random.integers(0, 3)) for w in types} | {99: int(random.integers(0, 2))}
    fee = int(random.choice([0, 300_000, 2_500_000]))
    return replace(
        ask, capacity=replace(ask.capacity, current={w: n for w, n in today.items() if n}, change_cost=fee)
    )


def _with_offers(random: np.random.Generator, ask: Ask) -> Ask:
    offers, pools = [], []
    for pool in ask.pools:
        owned = int(random.integers(0, pool.gpus))
        reserved = int(random.integers(0, pool.gpus - owned + 1))
        of_pool = (
            Offer("owned", owned, 0, True),
            Offer("reserved", reserved, int(random.choice([400_000, 900_000])), True),
            Offer(
                "on_demand", pool.gpus - owned - reserved, int(random.choice([1_000_000, 2_000_000])), False
            ),
        )
        offers.append(tuple(offer for offer in of_pool if offer.gpus))
        pools.append(
            replace(pool, micro_price_per_gpu_hour=max(o.micro_price_per_gpu_hour for o in offers[-1]))
        )
    return replace(
        ask, pools=tuple(pools), objective="cost", capacity=replace(ask.capacity, offers=tuple(offers))
    )
