"""What the solver takes for granted about its input, checked once."""

from dataclasses import fields

import numpy as np

from aicfg.solver.points import Ask, Points

LARGEST = 2**61
"""Sums and products of rates, counts and latencies stay below this, so int64 never overflows."""


def check_input(points: Points, ask: Ask) -> None:
    """Points are int64 arrays of one length in their ranges, and no product of them overflows.

    Raises
    ------
    ValueError
        Naming the field: a defect of the caller, not of the user.
    """
    arrays = {f.name: getattr(points, f.name) for f in fields(points) if f.name != "degrees"} | points.degrees
    for name, values in arrays.items():
        if values.dtype != np.int64 or len(values) != len(points):
            raise ValueError(f"points.{name}: int64 of length {len(points)} expected")
    if not len(points):
        return
    if points.gpus.min() < 1 or points.pool.min() < 0 or points.pool.max() >= len(ask.pools):
        raise ValueError("points.gpus must be at least 1, and points.pool an index into the pools")
    _check_ask(points, ask)
    workers = max(pool.gpus for pool in ask.pools)
    largest = {
        "request_rate": int(points.request_rate.max()) * workers * ask.tokens_per_request,
        "token_rate": int(points.token_rate.max()) * workers,
        "gpus": workers * sum(pool.gpus + 1 for pool in ask.pools) * _highest_price(ask),
        "tpot_ns": int(points.ttft_ns.max()) + int(points.tpot_ns.max()) * max(ask.latency_tokens, 1),
    }
    for name, value in largest.items():
        if value >= LARGEST:
            raise ValueError(f"points.{name}: {value} is too large for exact integers")


def _check_ask(points: Points, ask: Ask) -> None:
    counts = (ask.tokens_per_request, 1 if ask.types_per_role is None else ask.types_per_role)
    if min(counts) < 1 or ask.latency_tokens < 0:
        raise ValueError(
            "tokens_per_request and types_per_role must be at least 1, latency_tokens at least 0"
        )
    if (ask.load is not None and ask.load < 1) or any(
        (p.micro_price_per_gpu_hour or 0) < 0 for p in ask.pools
    ):
        raise ValueError("load must be at least 1 micro-request/s, and no price below 0")
    for name, labels in ask.labels.items():
        if len(labels) <= points.worker_type.max():
            raise ValueError(f"labels[{name!r}]: one for each of {points.worker_type.max() + 1} worker types")


def _highest_price(ask: Ask) -> int:
    return max((pool.micro_price_per_gpu_hour or 0 for pool in ask.pools), default=0) + 1
