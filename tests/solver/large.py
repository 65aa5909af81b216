"""Synthetic points of the size of a DeepSeek-V3 fleet: three systems, 40 layouts a role, 512 batches each."""

import numpy as np
from synthetic import join

from aicfg.solver.points import DEGREES, Ask, Points, Pool, Role

SPEED = {"h100_sxm": 1.0, "h200_sxm": 1.25, "b200_sxm": 2.4}
PRICE = {"h100_sxm": 2_500_000, "h200_sxm": 3_200_000, "b200_sxm": 5_500_000}
CHAIN = (4, 8, 16, 32, 64)
MS = 1_000_000


def curves(
    role: Role, pool: int, speed: float, layouts: int, batches: int, sizes: tuple[int, ...] = CHAIN
) -> Points:
    """``layouts`` of ``sizes`` GPUs in turn times ``batches``: MoE-like steps, wiggled."""
    random = np.random.default_rng(100 * pool + int(role))
    parts = []
    for layout in range(layouts):
        gpus = sizes[layout % len(sizes)]
        batch, one = np.arange(1, batches + 1), np.ones(batches, np.int64)
        wiggle = random.uniform(0.98, 1.02, batches)
        quality = speed * random.uniform(0.75, 1.0) * (1 + 0.03 * np.log2(gpus)) / wiggle
        ranks = max(gpus // 8, 1)
        tpot = (6 + 30 / gpus + batch * (0.03 + 0.3 / gpus)) / quality
        ttft = (40 + 2400 / gpus) * batch ** (1.0 if role == Role.PREFILL else 0.2) / quality
        rate = {
            Role.PREFILL: 0.9 * ranks * batch / ttft * 1e3,
            Role.DECODE: 0.92 * ranks * batch / (tpot * 0.5),
            Role.AGG: ranks * batch / (tpot * 0.75 + ttft / 1e3),
        }[role]
        parts.append(
            Points(
                role=one * int(role),
                pool=one * pool,
                worker_type=one * (layout + layouts * int(role) + 3 * layouts * pool),
                group=one * (-1 if role == Role.AGG else 0),
                gpus=one * gpus,
                batch=batch,
                chunk_tokens=one * (0 if role else 4096),
                request_rate=np.rint(rate * 1e6).astype(np.int64),
                token_rate=np.rint(rate * 499e6).astype(np.int64),
                ttft_ns=one * 0 if role == Role.DECODE else np.rint(ttft * MS).astype(np.int64),
                tpot_ns=one * 0 if role == Role.PREFILL else np.rint(tpot * MS).astype(np.int64),
                memory_bytes=(680 // gpus + batch * 24 // gpus // 10).astype(np.int64),
                memory_limit_bytes=one * (72 if pool == 0 else 130 if pool == 1 else 170),
                degrees={name: one * (gpus if name == "tp" else 1) for name in DEGREES},
                quant=one * 0,
                request_class=one * 0,
            )
        )
    return join(parts)


def fleet(
    gpus: tuple[int, ...], mode: str, layouts: int = 40, batches: int = 512, **asked: object
) -> tuple[Points, Ask]:
    """Points of the three systems (or the first ones) with ``gpus`` each, and an SLA that bites."""
    names = list(SPEED)[: len(gpus)]
    roles = {"agg": (Role.AGG,), "disagg": (Role.PREFILL, Role.DECODE), "mixed": tuple(Role)}[mode]
    points = join(
        [curves(role, j, SPEED[name], layouts, batches) for j, name in enumerate(names) for role in roles]
    )
    pools = tuple(Pool(name, n, 8, PRICE[name]) for name, n in zip(names, gpus, strict=True))
    ask = Ask(pools, mode, 500, 499, **{"ttft_ns": 1500 * MS, "tpot_ns": 30 * MS} | asked)
    return points, ask
