"""Synthetic operating points: realistic curves for timing, small random instances for agreement."""

from dataclasses import fields, replace

import numpy as np

from aicfg.solver.points import DEGREES, Ask, Points, Pool, Role

FIELDS = [field.name for field in fields(Points) if field.name != "degrees"]


def make_points(rows: list[dict[str, int]]) -> Points:
    """Points from dictionaries; what a row leaves out is 0, a degree 1, the group of agg -1."""

    def column(name: str, default: int = 0) -> np.ndarray:
        return np.array([row.get(name, default) for row in rows], np.int64)

    arrays = {name: column(name) for name in FIELDS}
    arrays["group"] = np.where(arrays["role"] == Role.AGG, -1, arrays["group"])
    return Points(**arrays, degrees={name: column(name, 1) for name in DEGREES})


def join(parts: list[Points]) -> Points:
    """One set of points after the other."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    degrees = {name: np.concatenate([part.degrees[name] for part in parts]) for name in DEGREES}
    return Points(**arrays, degrees=degrees)


def realistic(role: Role, layouts: int, batches: int, chunks: int = 1, seed: int = 0) -> Points:
    """Curves like those of a 32B model: ``layouts`` of 1, 2, 4, 8 GPUs times batches, times chunks."""
    random = np.random.default_rng(seed)
    sizes = [1, 2, 4, 8]
    parts = []
    for layout in range(layouts):
        gpus = sizes[layout % 4]
        tp = gpus >> (layout // 4 % 4 if gpus >> (layout // 4 % 4) else 0)
        batch = np.tile(np.arange(1, batches + 1), chunks)
        chunk = np.repeat(np.arange(1, chunks + 1), batches) * 4000
        wiggle = random.uniform(0.97, 1.03, len(batch)) * random.uniform(0.9, 1.1)
        tpot = (4 + 22 / gpus + batch * (0.02 + 0.12 / gpus)) * wiggle * (1 + 0.05 * chunk / 4000)
        ttft = (20 + 380 / gpus) * batch ** (1.0 if role == Role.PREFILL else 0.2) * wiggle
        rate = {
            Role.PREFILL: batch / ttft * 1e3 / 1.1,
            Role.DECODE: batch / (tpot * 0.5) * 0.92,
            Role.AGG: batch / (tpot * 0.5 + ttft / 1e3),
        }[role]
        one = np.ones(len(batch), np.int64)
        zero = one * 0
        parts.append(
            Points(
                role=one * int(role),
                pool=zero,
                worker_type=one * (layout + 100 * int(role)),
                group=zero - 1 if role == Role.AGG else zero,
                gpus=one * gpus,
                batch=batch,
                chunk_tokens=chunk if role == Role.AGG else zero,
                request_rate=np.rint(rate * 1e6).astype(np.int64),
                token_rate=np.rint(rate * 499e6).astype(np.int64),
                ttft_ns=zero if role == Role.DECODE else np.rint(ttft * 1e6).astype(np.int64),
                tpot_ns=zero if role == Role.PREFILL else np.rint(tpot * 1e6).astype(np.int64),
                memory_bytes=(66_000_000_000 // gpus + batch * 500_000_000 // gpus).astype(np.int64),
                memory_limit_bytes=one * 72_000_000_000,
                degrees={
                    "tp": one * tp,
                    "pp": one,
                    "dp": one * (gpus // tp),
                    "cp": one,
                    "moe_tp": one,
                    "moe_ep": one,
                },
                quant=zero,
                request_class=zero,
            )
        )
    return join(parts)


def small(
    seed: int, mode: str, pools: int = 1, coupled: bool | None = None, types: int = 1
) -> tuple[Points, Ask]:
    """A random small instance with bounds that bite in some: a few types, a few batches, ties on purpose."""
    random = np.random.default_rng(seed)
    rows = []
    for role in (Role.AGG,) if mode == "agg" else (Role.PREFILL, Role.DECODE):
        for worker_type in range(int(random.integers(1, 5))):
            tp = int(random.choice([1, 2, 4]))
            shared = {
                "role": int(role),
                "worker_type": 10 * int(role) + worker_type,
                "gpus": tp,
                "tp": tp,
                "pool": int(random.integers(0, pools)),
                "group": int(random.integers(0, 2)),
                "dp": worker_type + 1,
            }
            for batch in range(1, int(random.integers(2, 4 if types > 1 else 6))):
                rate = int(random.choice([3, 5, 7, 10, 11])) * tp + int(random.integers(0, 2))
                scale = int(random.choice([1, 1_000_000]))
                rows.append(
                    shared
                    | {
                        "batch": batch,
                        "chunk_tokens": 512 if role == Role.AGG else 0,
                        "request_rate": rate * scale,
                        "token_rate": rate * scale * 9 + batch,
                        "ttft_ns": 0 if role == Role.DECODE else int(random.integers(1, 9)) * 10_000_000,
                        "tpot_ns": 0 if role == Role.PREFILL else int(random.integers(1, 9)) * 1_000_000,
                        "memory_bytes": int(random.integers(1, 11)),
                        "memory_limit_bytes": 9,
                    }
                )
    points = make_points(rows)
    if coupled is None:
        coupled = bool(random.integers(0, 2))
    ask = Ask(
        pools=tuple(
            Pool(f"pool{j}", int(random.integers(1, 8 if types > 1 else 14)), 8) for j in range(pools)
        ),
        mode=mode,
        tokens_per_request=10,
        latency_tokens=int(random.choice([0, 9])),
        ttft_ns=None if random.integers(0, 2) else int(random.integers(2, 9)) * 10_000_000,
        tpot_ns=None if random.integers(0, 2) else int(random.integers(2, 9)) * 1_000_000,
        request_latency_ns=int(random.integers(3, 15)) * 10_000_000 if coupled else None,
        types_per_role=types,
    )
    return points, ask


def competing(seed: int, pools: int = 1) -> tuple[Points, tuple[Ask, Ask]]:
    """A random small instance of all three roles, asked for aggregated and for disaggregated plans."""
    (agg, _), (pair, ask) = small(seed, "agg", pools), small(seed + 1000, "disagg", pools)
    fleet = tuple(replace(pool, gpus=min(pool.gpus, 9 if pools == 1 else 5)) for pool in ask.pools)
    disagg = replace(ask, pools=fleet)
    return join([agg, pair]), (replace(disagg, mode="agg"), disagg)


CONSTRAINTS = (
    "decode.tp >= prefill.tp",
    "decode.batch <= 2 * prefill.batch",
    "decode.tp == prefill.tp",
    "prefill.workers <= 2 * decode.workers",
    "prefill.workers + agg.workers >= 2",
    "agg.batch <= 2",
    "agg.tp in [1, 2]",
    "decode.tp != 2",
    "gpus <= 5",
    "gpus >= 3",
    "pool0.gpus <= 3",
    "cost <= 9",
    "tokens_per_s >= 60",
    "tokens_per_s >= 8 * gpus",
    "types <= 2",
    "types >= 3",
    "decode.quant.kvcache == fp8",
    "prefill.quant.kvcache == decode.quant.kvcache",
    "agg.tp >= decode.tp",
    "prefill.pool == 'pool0'",
    "2 * decode.workers == workers",
    "decode.gpus <= prefill.gpus + 2",
    "requests_per_s >= 6.5",
    "decode.tp * decode.dp <= 4",
)  # fmt: skip


def fleet(seed: int) -> tuple[Points, Ask]:
    """A random small instance over all families: modes, pools, nodes, types, objectives, constraints."""
    random = np.random.default_rng(seed)
    mode = ("agg", "disagg", "mixed")[seed % 3]
    types = (1, 2, None)[seed // 3 % 3]
    pools = 1 + seed // 9 % 2
    rows, labels = [], []
    for role in {"agg": (0,), "disagg": (1, 2), "mixed": (0, 1, 2)}[mode]:
        for _ in range(int(random.integers(1, 3 if mode == "mixed" else 4))):
            gpus = int(random.choice([1, 2, 3, 4]))
            labels.append(str(random.choice(["fp8", "bf16"])))
            shared = {
                "role": role, "worker_type": len(labels) - 1, "gpus": gpus, "tp": gpus, "dp": len(labels),
                "pool": int(random.integers(0, pools)), "group": int(random.integers(0, 2)),
                "quant": int(labels[-1] == "fp8"), "memory_limit_bytes": 9,
            }  # fmt: skip
            rows += [
                shared | _point(random, role, gpus, batch) for batch in range(1, int(random.integers(2, 4)))
            ]
    objective = str(random.choice(["tokens_per_s", "gpus", "cost", "ttft", "tpot", "request_latency"]))
    count = int(random.choice([0, 1, 1, 2]))
    ask = Ask(
        pools=tuple(
            Pool(f"pool{j}", int(random.integers(4, 10)), int(random.choice([2, 4, 5, 8])),
                 int(random.choice([500_000, 1_300_000, 2_000_000])))
            for j in range(pools)
        ),
        mode=mode,
        tokens_per_request=10,
        latency_tokens=9,
        ttft_ns=None if random.integers(0, 3) else int(random.integers(4, 9)) * 10_000_000,
        tpot_ns=None if random.integers(0, 3) else int(random.integers(4, 9)) * 1_000_000,
        request_latency_ns=None if random.integers(0, 2) else int(random.integers(7, 15)) * 10_000_000,
        types_per_role=types,
        objective=objective,
        load=int(random.integers(2, 14)) * 1_000_000 if random.integers(0, 3) else None,
        constraints=tuple(str(each) for each in random.choice(CONSTRAINTS, count, replace=False)),
        labels={"quant.kvcache": tuple(labels)},
    )  # fmt: skip
    if {"fp8", "bf16"} - set(labels):
        ask = replace(ask, constraints=tuple(c for c in ask.constraints if "== fp8" not in c))
    return make_points(rows), ask


def _point(random: np.random.Generator, role: int, gpus: int, batch: int) -> dict[str, int]:
    rate = int(random.choice([2, 3, 5, 5])) * gpus + int(random.integers(0, 2))
    return {
        "batch": batch,
        "chunk_tokens": 0 if role else 512,
        "request_rate": rate * 1_000_000 // int(random.choice([1, 3])),
        "token_rate": rate * 9_000_000 + batch,
        "ttft_ns": 0 if role == 2 else int(random.integers(1, 6)) * 15_000_000,
        "tpot_ns": 0 if role == 1 else int(random.integers(1, 9)) * 1_000_000,
        "memory_bytes": 10 if random.integers(0, 12) == 0 else 9,
    }
