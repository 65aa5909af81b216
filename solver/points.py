"""The solver's own input: operating points as arrays, and what is asked of them.

Neither knows a model, a table or a file. Rates and latencies are integers (micro-requests per second,
micro-tokens per second, nanoseconds), rounded once by whoever makes the points: every engine then solves the
same problem and can be compared to the last digit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from aicfg.solver.capacity import Capacity

IntArray = NDArray[np.int64]

DEGREES = ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep")


class Role(IntEnum):
    """What a worker does."""

    AGG = 0
    PREFILL = 1
    DECODE = 2


@dataclass(frozen=True)
class Points:
    """Operating points, one entry of every array a point. All arrays are int64 of one length."""

    role: IntArray
    pool: IntArray
    """Index into ``Ask.pools``."""
    worker_type: IntArray
    """Points of equal worker_type share pool, role, layout, quantisation and engine."""
    group: IntArray
    """KV-transfer group of a prefill or decode point: prefill and decode of one group can exchange caches.
    -1 for agg."""
    gpus: IntArray
    """GPUs of one worker."""
    batch: IntArray
    """Requests in flight per attention-data-parallel rank."""
    chunk_tokens: IntArray
    """Context tokens per step (agg); 0 otherwise."""
    request_rate: IntArray
    """Micro-requests/s that one worker sustains, rate-matching efficiency included."""
    token_rate: IntArray
    """Micro output tokens/s that one worker sustains."""
    ttft_ns: IntArray
    """0 for decode."""
    tpot_ns: IntArray
    """0 for prefill."""
    memory_bytes: IntArray
    """Per GPU, the larger of what must fit."""
    memory_limit_bytes: IntArray
    degrees: dict[str, IntArray]
    """tp, pp, dp, cp, moe_tp, moe_ep of the worker type (each of the same length)."""
    quant: IntArray
    """Index of the quantisation the worker type uses (0 when there is no choice)."""
    request_class: IntArray
    """Index into the classes of requests of ``Ask.capacity`` (0 when there is one)."""

    def __len__(self) -> int:
        return len(self.role)

    def take(self, index: NDArray[np.bool_] | IntArray) -> "Points":
        """The points at ``index`` (a mask or positions)."""
        arrays = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "degrees"}
        return Points(**arrays, degrees={name: values[index] for name, values in self.degrees.items()})

    @staticmethod
    def joined(parts: "Sequence[Points]") -> "Points":
        """One set of points after the other."""
        names = [f.name for f in fields(Points) if f.name != "degrees"]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        degrees = {name: np.concatenate([part.degrees[name] for part in parts]) for name in DEGREES}
        return Points(**arrays, degrees=degrees)


@dataclass(frozen=True)
class Pool:
    """GPUs of one kind."""

    name: str
    gpus: int
    gpus_per_node: int
    """GPUs within which a worker lies: of a node, or of the larger domain that the fast links join."""
    micro_price_per_gpu_hour: int | None = None
    """Millionths of a currency unit; None where nobody asks for the cost."""


Mode = Literal["agg", "disagg", "mixed"]
Quantity = Literal["tokens_per_s", "requests_per_s", "gpus", "cost", "types", "changes", "order", "goal"]


@dataclass(frozen=True)
class Bound:
    """At least, or at most, ``value`` of a plan's ``quantity``: what an earlier stage of the objective
    reached.

    Native units: micro-tokens/s, micro-requests/s, GPUs, micro-currency per hour, worker types.
    """

    quantity: Quantity
    at_least: bool
    value: int


@dataclass(frozen=True)
class Ask:
    """What a fleet must do: the data of the program that are not points.

    ``tokens_per_request`` counts the output tokens of a request served by a prefill and a decode worker;
    ``latency_tokens`` is how many times TPOT enters a request's latency (osl - 1).
    A bound of ``None`` is not a constraint.
    """

    pools: tuple[Pool, ...]
    mode: Mode
    """``mixed``: aggregated workers beside prefill and decode workers."""
    tokens_per_request: int
    latency_tokens: int
    ttft_ns: int | None = None
    tpot_ns: int | None = None
    request_latency_ns: int | None = None
    types_per_role: int | None = 1
    """None: any number."""
    time_limit_s: float | None = None
    names: tuple[str, ...] = field(default=())
    """Display name of each worker type, for rows and exported files (LP-safe)."""
    objective: str = "tokens_per_s"
    """A name of ``objectives.OBJECTIVES``."""
    load: int | None = None
    """Micro-requests/s that the plan must serve."""
    constraints: tuple[str, ...] = ()
    """The user's own, in the grammar of ``constraints``; the n-th is called ``user(n)``, from 1."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Texts that constraints may compare, one for each worker type: ``quant.kvcache``, ``backend``, ..."""
    reached: tuple[Bound, ...] = ()
    excluded: tuple[frozenset[int], ...] = ()
    """Sets of worker types that a plan must not consist of."""
    capacity: "Capacity | None" = None
    """Classes of requests, steps in time, spares, offers, today's workers; latency bounds are then theirs."""
