"""Named small instances with their optimum, worked out by hand; all engines and the oracle solve them."""

from dataclasses import dataclass, replace

from synthetic import make_points

from aicfg.solver.points import Ask, Points, Pool, Role

MS = 1_000_000
MICRO = 1_000_000


@dataclass(frozen=True)
class Instance:
    """Points, what is asked, and the optimum: micro-tokens/s and workers by position, or None."""

    name: str
    points: Points
    ask: Ask
    value: int | None
    plan: dict[int, int] | None


def agg(
    worker_type: int, tp: int, batch: int, tokens: int, ttft_ms: int = 100, tpot_ms: int = 10, **more: int
):
    """An aggregated point; rates in tokens/s."""
    return {
        "role": int(Role.AGG), "worker_type": worker_type, "gpus": tp, "tp": tp, "batch": batch,
        "chunk_tokens": 512, "token_rate": tokens * MICRO, "request_rate": tokens * MICRO // 9,
        "ttft_ns": ttft_ms * MS, "tpot_ns": tpot_ms * MS, "memory_bytes": 8, "memory_limit_bytes": 9,
    } | more  # fmt: skip


def prefill(worker_type: int, tp: int, batch: int, requests: int, ttft_ms: int = 100, **more: int):
    """A prefill point; rates in requests/s."""
    return {
        "role": int(Role.PREFILL), "worker_type": worker_type, "gpus": tp, "tp": tp, "batch": batch,
        "request_rate": requests * MICRO, "token_rate": requests * MICRO * 10, "ttft_ns": ttft_ms * MS,
        "memory_bytes": 8, "memory_limit_bytes": 9,
    } | more  # fmt: skip


def decode(worker_type: int, tp: int, batch: int, requests: int, tpot_ms: int = 10, **more: int):
    """A decode point; rates in requests/s."""
    return {
        "role": int(Role.DECODE), "worker_type": worker_type, "gpus": tp, "tp": tp, "batch": batch,
        "request_rate": requests * MICRO, "token_rate": requests * MICRO * 10, "tpot_ns": tpot_ms * MS,
        "memory_bytes": 8, "memory_limit_bytes": 9,
    } | more  # fmt: skip


EIGHT = (Pool("h100_sxm", 8, 8),)
AGG = Ask(EIGHT, "agg", tokens_per_request=9, latency_tokens=9)
DISAGG = Ask(EIGHT, "disagg", tokens_per_request=10, latency_tokens=9)

AGG_POINTS = make_points([agg(0, 1, 1, 10), agg(0, 1, 8, 30, tpot_ms=30), agg(1, 4, 8, 100, tpot_ms=15)])
PAIR = make_points(
    [
        prefill(0, 1, 1, 3),
        prefill(0, 1, 2, 4, ttft_ms=300),
        decode(1, 2, 4, 5),
        decode(1, 2, 16, 8, tpot_ms=30),
    ]
)
TWO_GROUPS = make_points(
    [
        prefill(0, 2, 1, 9, group=0),
        prefill(1, 4, 1, 10, group=1),
        decode(2, 4, 9, 30, group=1),
        decode(3, 2, 9, 4),
    ]
)
TIES = make_points(
    [
        agg(0, 2, 4, 20, ttft_ms=90),
        agg(1, 2, 4, 20, ttft_ms=80, tpot_ms=9, dp=2),
        agg(2, 2, 4, 20, ttft_ms=80, tpot_ms=9, dp=1),
        agg(3, 1, 4, 10, ttft_ms=80, tpot_ms=12),
        agg(4, 4, 4, 40, ttft_ms=80, tpot_ms=9, dp=1),
    ]
)
TWO_POOLS = make_points([prefill(0, 2, 1, 5, pool=0), decode(1, 4, 8, 6, pool=1), decode(2, 2, 8, 2, pool=0)])

INSTANCES = (
    Instance("agg", AGG_POINTS, AGG, 240 * MICRO, {1: 8}),
    Instance("agg with tpot_sla", AGG_POINTS, replace(AGG, tpot_ns=15 * MS), 200 * MICRO, {2: 2}),
    Instance("agg in time", AGG_POINTS, replace(AGG, request_latency_ns=190 * MS), 80 * MICRO, {0: 8}),
    Instance("agg past ttft_sla", AGG_POINTS, replace(AGG, ttft_ns=99 * MS), None, None),
    # 4 prefill (16/s) + 2 decode (16/s) = 8 GPUs
    Instance("disagg", PAIR, DISAGG, 160 * MICRO, {1: 4, 3: 2}),
    Instance("disagg with ttft_sla", PAIR, replace(DISAGG, ttft_ns=100 * MS), 120 * MICRO, {0: 4, 3: 2}),
    Instance("disagg with tpot_sla", PAIR, replace(DISAGG, tpot_ns=29 * MS), 100 * MICRO, {1: 3, 2: 2}),
    # 300 + 9 x 10 and 100 + 9 x 30 fit 390 ms, 300 + 9 x 30 does not
    Instance("disagg coupled", PAIR, replace(DISAGG, request_latency_ns=390 * MS), 120 * MICRO, {0: 4, 3: 2}),
    Instance("disagg budget too small", PAIR, replace(DISAGG, pools=(Pool("h100_sxm", 2, 8),)), None, None),
    Instance("transfer groups", TWO_GROUPS, DISAGG, 100 * MICRO, {1: 1, 2: 1}),
    Instance("ties", TIES, AGG, 80 * MICRO, {2: 4}),
    Instance(
        "two pools",
        TWO_POOLS,
        replace(DISAGG, pools=(Pool("a", 3, 8), Pool("b", 8, 8))),
        50 * MICRO,
        {0: 1, 1: 1},
    ),
)  # fmt: skip
