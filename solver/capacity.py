"""What capacity planning adds to an ask: classes of requests, steps, spares, offers, today's workers.

A static question has one step of one second, so that GPU-seconds are GPUs. All loads are what the workers
must be able to serve, peaks and headroom included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from aicfg.solver.points import Ask, IntArray, Points

SECONDS_PER_HOUR = 3600
MICRO = 1_000_000


@dataclass(frozen=True)
class RequestClass:
    """Requests of one kind: what counts for a point of theirs. Bounds as in ``Ask``."""

    name: str
    tokens_per_request: int
    latency_tokens: int
    ttft_ns: int | None = None
    tpot_ns: int | None = None
    request_latency_ns: int | None = None
    share: int = MICRO
    """Millionths of all requests (only where the tokens/s are maximised)."""


@dataclass(frozen=True)
class Step:
    """A stretch of time with one load."""

    name: str
    seconds: int
    loads: tuple[int, ...]
    """Micro-requests/s of each class that must be served; 0 asks for nothing."""


@dataclass(frozen=True)
class Offer:
    """GPUs of a pool that can be had at one price."""

    name: str
    gpus: int
    micro_price_per_gpu_hour: int
    committed: bool
    """Paid at every step once taken (owned, reserved), or only at the steps in use (on demand)."""


@dataclass(frozen=True)
class Capacity:
    """Classes, steps and what else a capacity question has; ``Points.request_class`` is an index of it."""

    classes: tuple[RequestClass, ...]
    steps: tuple[Step, ...]
    startup_s: int = 0
    """For how long the GPUs of a started worker are held before it serves (several steps only)."""
    spare_workers: int = 0
    """Workers of each type in use that may be lost."""
    spare_nodes: int = 0
    """Nodes that may be lost, full of any one type."""
    offers: tuple[tuple[Offer, ...], ...] = ()
    """For each pool; an empty tuple: all of its GPUs at the pool's price, while in use."""
    current: Mapping[int, int] | None = None
    """Workers that run today, by worker type."""
    change_cost: int | None = 0
    """Millionths of the objective's unit for each worker added or removed; None: none but what must be."""

    goal: str = ""
    """The objective that changes are paid in, where a stage has another one."""

    @property
    def over_time(self) -> bool:
        """Whether steps take their time, rather than the one second of a static question."""
        return len(self.steps) > 1 or self.steps[0].seconds != 1

    @property
    def time_unit(self) -> int:
        """Seconds in what an objective counts by: an hour over time, else the one second."""
        return SECONDS_PER_HOUR if self.over_time else 1


def class_ask(ask: Ask, number: int) -> Ask:
    """The ask as it is for requests of one class alone."""
    assert ask.capacity is not None
    of = ask.capacity.classes[number]
    return replace(
        ask,
        capacity=None,
        tokens_per_request=of.tokens_per_request,
        latency_tokens=of.latency_tokens,
        ttft_ns=of.ttft_ns,
        tpot_ns=of.tpot_ns,
        request_latency_ns=of.request_latency_ns,
    )


def spares(points: Points, ask: Ask) -> IntArray:
    """Workers of the type of each point that may be lost while the load still holds.

    A node holds at most floor(C / g) workers of g GPUs; a worker of several nodes is lost with any of them.
    """
    capacity = ask.capacity
    if capacity is None:
        return np.zeros(len(points), np.int64)
    node = np.array([pool.gpus_per_node for pool in ask.pools], np.int64)[points.pool]
    in_node = np.maximum(node // np.maximum(points.gpus, 1), 1)
    return np.maximum(capacity.spare_workers, capacity.spare_nodes * in_node)
