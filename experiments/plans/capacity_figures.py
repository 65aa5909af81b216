"""What a plan says of capacity: classes and how they are served, steps in time, purchases, changes.

Structs, which are made faster than dataclasses: most plans have none of it, but all know of it.
"""

from msgspec import Struct


class WorkPlan(Struct, frozen=True):
    """The workers of one pool of the plan, on requests of one class."""

    pool: int
    """Position in the plan's ``pools``."""
    batch: int
    chunk_tokens: int | None
    requests_per_s: float
    """Of one worker that does nothing else."""
    workers: float
    """Their time, in workers, at the step with the highest load."""
    waiting_ms: float
    """For one of its slots, at the utilisation asked for."""


class ClassPlan(Struct, frozen=True):
    """Requests of one class."""

    name: str
    isl: int
    osl: int
    prefix: int
    share: float
    """Of all requests at the step with the highest load."""
    requests_per_s: float | None
    """Asked for at that step, without peaks and headroom; None where nothing is asked for."""
    served_per_s: float
    """That the workers' time serves at that step: peaks and headroom included."""
    ttft_ms: float
    """The worst of the workers in use, waiting included."""
    tpot_ms: float
    request_latency_ms: float
    work: tuple[WorkPlan, ...]


class StepPlan(Struct, frozen=True):
    """A stretch of time."""

    name: str
    hours: float
    requests_per_s: float
    """Asked for, without peaks and headroom."""
    capacity_per_s: float
    """The most requests/s in these shares that the workers serve when all are busy, spares aside."""
    workers: tuple[int, ...]
    """Of each of the plan's ``pools``."""
    started: tuple[int, ...]
    gpus: int


class Bought(Struct, frozen=True):
    """GPUs taken of one offer."""

    pool: str
    kind: str
    price_per_gpu_hour: float
    available: int
    gpus: tuple[int, ...]
    """By step."""


class Change(Struct, frozen=True):
    """Workers of one type, today and in the plan."""

    words: str
    """The type: layout, role, pool."""
    today: int
    workers: int


class Changes(Struct, frozen=True):
    """From the plan that runs today."""

    types: tuple[Change, ...]
    kept: int
    added: int
    removed: int
    change_cost: float | None
    """Of each worker added or removed, in the objective's unit; None: no change but a needed one."""
    today: float | None
    """The objective of today's workers as they are; None where they cannot serve what is asked."""
    free: float | None
    """The objective if changes cost nothing."""
    free_changes: int | None
    """Workers that such a reshuffle would add or remove."""


class Reduction(Struct, frozen=True):
    """Many requests as a few classes."""

    requests: int
    """Of the trace; 0 for a distribution."""
    left_out: int
    """Requests of the trace that failed or are past the model's context."""
    work_error: float
    """No work of second degree in the lengths is off by a larger share."""
    values: dict[str, float | None]
    """The objective by the number of classes; None where no plan exists."""


class CapacityFigures(Struct, frozen=True):
    """Everything of a plan that is about capacity."""

    classes: tuple[ClassPlan, ...]
    steps: tuple[StepPlan, ...]
    peak: float
    utilisation: float | None
    spare_workers: tuple[int, ...]
    """Workers of each of the plan's ``pools`` that may be lost."""
    startup_minutes: float | None = None
    bought: tuple[Bought, ...] = ()
    changes: Changes | None = None
    reduction: Reduction | None = None
