"""Where a pool's time goes, step by step and operation by operation, and what that time rests on."""

from collections.abc import Mapping
from dataclasses import dataclass

from aicfg.experiments.plans.plan import Sources
from aicfg.hardware.breakdown import Breakdown, Line
from aicfg.hardware.modes import Source


@dataclass(frozen=True)
class Part:
    """One operation of a step."""

    name: str
    kind: str
    """Its type among ``aicfg.model_specs.operations``."""
    count: float
    """How often the step performs it."""
    ms: float
    """All of them."""
    sources: Sources
    parts: tuple["Part", ...] = ()
    """What a compound operation consists of; of streams that run at the same time, all."""


@dataclass(frozen=True)
class Step:
    """One kind of step of a worker."""

    name: str
    """``prefill``, ``decode`` or ``mixed`` (prompts beside decoding)."""
    ms: float
    steps: float
    """How many of them a batch of requests takes."""
    parts: tuple[Part, ...]
    """In the order of execution; they add up to ``ms``."""


def steps_of(spent: Breakdown) -> tuple[Step, ...]:
    """The steps of a worker that take part in serving a batch."""
    return tuple(
        Step(step.name, step.ms, step.steps, tuple(map(_part, step.lines)))
        for step in spent.steps
        if step.steps > 0
    )


def sources_of(shares: Mapping[Source, float]) -> Sources:
    """Shares (or milliseconds) by source, as shares that add up to 1."""
    total = sum(shares.values()) or 1.0
    return Sources(**{source.name.lower(): shares.get(source, 0.0) / total for source in Source})


def _part(line: Line) -> Part:
    parts = tuple(map(_part, line.parts))
    return Part(line.name, line.kind, line.count, line.ms, sources_of(line.ms_by_source), parts)
