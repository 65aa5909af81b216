"""Where a worker's time goes at one operating point: the operations of its steps and what they rest on."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from msgspec import Struct

from aicfg.hardware.aggregated import AggregatedModel, AggregatedPoints
from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.ledger import Entry, Ledger
from aicfg.hardware.modes import Source
from aicfg.hardware.phases import decode_ms, prefill_ms
from aicfg.hardware.step import StepModel
from aicfg.model_specs.layout import Layout

Shares = dict[Source, float]


class Line(Struct, frozen=True):
    """One operation of a step."""

    name: str
    kind: str
    """Its type in the vocabulary of ``aicfg.model_specs.operations``."""
    count: float
    """How often the step performs it."""
    ms: float
    """All of them."""
    ms_by_source: Shares
    """Sums to ``ms``; sources without time are left out."""
    parts: tuple["Line", ...] = ()
    """What a compound operation was priced from; of streams that run at the same time, all."""


class StepBreakdown(Struct, frozen=True):
    """One kind of step of a worker."""

    name: str
    """``prefill``, ``decode`` (averaged over an answer) or ``mixed``."""
    ms: float
    steps: float
    """How many there are in the time that a batch of requests takes."""
    tpot_weight: float
    """Its share of the steps that TPOT is the mean of; 0 for a prefill step."""
    lines: tuple[Line, ...]
    """In the order of the model; they sum to ``ms``."""


class Breakdown(Struct, frozen=True):
    """A worker's steps at one operating point."""

    role: Role
    layout: Layout
    batch: int
    chunk_tokens: int
    """0 for workers of one phase."""
    steps: tuple[StepBreakdown, ...]

    @property
    def shares(self) -> Shares:
        """Share of the worker's time by source; sums to 1."""
        spent = dict.fromkeys(Source, 0.0)
        for step in self.steps:
            for line in step.lines:
                for source, ms in line.ms_by_source.items():
                    spent[source] += ms * step.steps
        total = sum(spent.values())
        return {source: ms / total for source, ms in spent.items() if ms > 0.0}


def breakdown(
    model: ServingModel, role: Role, layout: Layout, batch: int, chunk_tokens: int | None = None
) -> Breakdown:
    """Every operation of the worker's steps at one point.

    Parameters
    ----------
    batch : requests per attention-data-parallel rank and pipeline stage.
    chunk_tokens : context tokens per step; for aggregated workers only.

    Raises
    ------
    MissingDataError
        If the model's data mode cannot price an operation.
    """
    if role == "agg":
        assert chunk_tokens is not None, "an aggregated worker needs a chunk budget"
        steps = _aggregated(model, layout, batch, chunk_tokens)
    else:
        steps = (_one_phase(model, role, layout, batch),)
    return Breakdown(role, layout, batch, chunk_tokens or 0, steps)


def _one_phase(model: ServingModel, role: Role, layout: Layout, batch: int) -> StepBreakdown:
    step, ledger = _recorded(model.step(role, layout))
    size, rule = np.array([float(batch)]), model.profile.phases
    if role == "prefill":
        ms = prefill_ms(step, model.workload, size, rule)
        return _step("prefill", ms, _lines(ledger.entries, rule.prefill_correction), steps=1.0)
    progress = model.speculative.progress
    host = model.host_ms(layout, size)
    ms = decode_ms(step, model.workload, size, rule, model.speculative) * progress + host
    lines = _lines(ledger.entries, step.decode_scale * rule.decode_correction) + _host_line(host)
    return _step("decode", ms, lines, steps=(model.workload.osl - 1) / progress, tpot_weight=1.0)


def _aggregated(
    model: ServingModel, layout: Layout, batch: int, chunk_tokens: int
) -> tuple[StepBreakdown, ...]:
    plain = model.aggregated(layout)
    step, ledger = _recorded(plain.step)
    sizes, chunks = np.array([float(batch)]), np.array([chunk_tokens])
    point = plain.points(sizes, chunks)
    recorded = replace(plain, step=step)
    recorded.mixed_step_ms(chunks, plain.beside(sizes, chunks))
    kernels_ms = recorded.decode_step_ms(sizes)
    # What a mixed step's tokens share, its prompts, its decoding if any, and last the step without prompts.
    shared, prompts, *decoding, alone = ledger.sheets
    mixed_lines = _lines(shared) + _lines(prompts, 1.0 / -(-model.workload.isl // chunk_tokens))
    for sheet in decoding:
        mixed_lines += _lines(sheet, step.decode_scale)
    mixed_weight, alone_weight = _tpot_weights(point, plain, model.speculative.progress)
    alone_lines = _lines(alone, step.decode_scale) + _host_line(point.decode_ms - kernels_ms)
    steps = point.schedule
    return (
        _step("mixed", point.mixed_ms, mixed_lines, float(steps.prompt_steps[0]), mixed_weight),
        _step("decode", point.decode_ms, alone_lines, float(steps.decode_steps[0]), alone_weight),
    )


def _tpot_weights(point: AggregatedPoints, model: AggregatedModel, progress: float) -> tuple[float, float]:
    """How often a token waits for a mixed step and for one without prompts."""
    mixed_ms, alone_ms = float(point.mixed_ms[0]), float(point.decode_ms[0])
    mean_ms = float(point.tpot_ms[0]) * progress
    if model.prompts_alone:
        return (mean_ms - alone_ms) / mixed_ms, 1.0
    weight = (mean_ms - alone_ms) / (mixed_ms - alone_ms) if mixed_ms != alone_ms else 0.0
    return weight, 1.0 - weight


def _recorded(step: StepModel) -> tuple[StepModel, Ledger]:
    """The same step model over a ledger of its own."""
    pricing = step.pricing.recording()
    assert pricing.ledger is not None
    return replace(step, pricing=pricing), pricing.ledger


def _step(
    name: str, ms: FloatArray, lines: tuple[Line, ...], steps: float, tpot_weight: float = 0.0
) -> StepBreakdown:
    return StepBreakdown(name, float(ms[0]), steps, tpot_weight, lines)


def _host_line(host_ms: FloatArray) -> tuple[Line, ...]:
    """What a step takes beside its kernels, if anything."""
    ms = float(host_ms[0])
    return (Line("host", "Host", 1, ms, {Source.FORMULA: ms}),) if ms > 0.0 else ()


def _lines(entries: Iterable[Entry], scale: float = 1.0) -> tuple[Line, ...]:
    """The entries of one query, each as often as the step performs it."""
    return tuple(_line(entry, scale) for entry in entries)


def _line(entry: Entry, scale: float) -> Line:
    times = entry.operation.count * scale
    by_source = {source: float(entry.by_source[source, 0]) * times for source in Source}
    return Line(
        name=entry.operation.name,
        kind=type(entry.operation).__name__,
        count=entry.operation.count,
        ms=float(entry.ms[0]) * times,
        ms_by_source={source: ms for source, ms in by_source.items() if ms > 0.0},
        parts=_lines(entry.parts, times),
    )
