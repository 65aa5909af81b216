"""Measured runs as arrays: what they are made of beside what was measured, by engine and mode."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.predictions.batch import Group, groups
from aicfg.experiments.predictions.batch_rows import Row, read_rows
from aicfg.experiments.progress import Advance
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.intervals import Mode
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.profile import Profile
from aicfg.hardware.runs import AggregatedRun, DisaggregatedRun, Latency
from aicfg.model_specs.errors import InputError

MEASURED = ("ttft_ms", "tpot_ms")
Arrays = TypeVar("Arrays")
Case = tuple[str, str, int, int]
"""Model, system and lengths: runs of one case err alike."""


@dataclass(frozen=True)
class Samples:
    """N measured rows of one engine and mode."""

    backend: str
    mode: Mode
    rows: tuple[Row, ...]
    estimated: NDArray[np.bool_]
    """Whether an operation had to be estimated."""
    run: AggregatedRun | DisaggregatedRun
    ttft_ms: FloatArray
    tpot_ms: FloatArray

    def at(self, chosen: NDArray[np.bool_]) -> "Samples":
        """Some of the rows."""
        rows = tuple(row for row, wanted in zip(self.rows, chosen, strict=True) if wanted)
        return replace(
            self,
            rows=rows,
            estimated=self.estimated[chosen],
            run=_mapped([self.run], lambda each: each[0][chosen]),
            ttft_ms=self.ttft_ms[chosen],
            tpot_ms=self.tpot_ms[chosen],
        )

    def predicted(self, profile: Profile) -> Latency:
        """What a profile makes of the rows."""
        waves = profile.benchmark.waves
        if isinstance(self.run, DisaggregatedRun):
            return self.run.latency(profile.disaggregated, profile.host[self.backend], self.backend, waves)
        rule = profile.aggregated[self.backend]
        assert isinstance(rule, FlowLaw), "only the law `flow` is calibrated"
        return self.run.latency(rule, profile.host[self.backend], waves)


def cases(samples: Samples) -> tuple[Case, ...]:
    """The case of each row."""
    return tuple((row.model, row.system, row.isl, row.osl) for row in samples.rows)


def throughput(samples: Samples, latency: Latency) -> FloatArray:
    """Output tokens/s per GPU by Little's law, at the nominal length."""
    later = np.array([row.osl - 1.0 for row in samples.rows])
    clients = np.array([float(row.concurrency) for row in samples.rows])
    gpus = np.array([float(row.gpus) for row in samples.rows])
    return np.asarray(1000.0 * clients * later / (latency.ttft_ms + later * latency.tpot_ms) / gpus)


def read_samples(
    path: str, profile: Profile, advance: Advance = lambda done, of, what: None
) -> list[Samples]:
    """The measured rows of a CSV file that can be priced, by engine and mode.

    Raises
    ------
    InputError
        If the file cannot be read, or no row of it has both latencies and a price.
    """
    rows, measured = read_rows(path), _measured(path)
    by_kind: dict[tuple[str, Mode], list[Group]] = {}
    for group in groups([row for row in rows if row.row_id in measured], profile, advance):
        if group.run is not None:
            by_kind.setdefault((group.key.backend, group.regime.mode), []).append(group)
    if not by_kind:
        raise InputError(f"{path}: no row with ttft_ms, tpot_ms and tables for all its operations")
    return [_joined(*kind, found, measured) for kind, found in sorted(by_kind.items())]


def _joined(
    backend: str, mode: Mode, found: Sequence[Group], measured: dict[str, tuple[float, ...]]
) -> Samples:
    rows = tuple(row for group in found for row in group.rows)
    ttft_ms, tpot_ms = np.array([measured[row.row_id] for row in rows]).T
    estimated = np.concatenate([np.full(len(g.rows), g.regime.estimated) for g in found])
    run = _mapped([_spread_out(group) for group in found], np.concatenate)
    return Samples(backend, mode, rows, estimated, run, ttft_ms, tpot_ms)


def _spread_out(group: Group) -> AggregatedRun | DisaggregatedRun:
    """The run of a group with an array for what its rows share."""
    run = group.run
    assert isinstance(run, AggregatedRun | DisaggregatedRun), "the profile's law is not `flow`"
    count = len(group.rows)
    if isinstance(run, DisaggregatedRun):
        return replace(run, stack=run.stack.repeated(count))
    return replace(run, times=replace(run.times, stack=run.times.stack.repeated(count)))


def _mapped(parts: Sequence[Arrays], combine: Callable[[list[FloatArray]], FloatArray]) -> Arrays:
    """The first of some equal structures of arrays, with each array combined from all of them."""
    first, made = parts[0], {}
    for field in fields(first):  # type: ignore[arg-type]
        values = [getattr(part, field.name) for part in parts]
        if is_dataclass(values[0]):
            made[field.name] = _mapped(values, combine)
        elif isinstance(values[0], np.ndarray):
            made[field.name] = combine(values)
    return replace(first, **made)  # type: ignore[type-var]


def _measured(path: str) -> dict[str, tuple[float, ...]]:
    """The latencies of each row that has both."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 (read_rows has opened it)
        lines = list(csv.DictReader(file))
    for name in MEASURED:
        if lines and name not in lines[0]:
            raise InputError(f"{path}: no column {name!r}; a calibration needs {' and '.join(MEASURED)}")
    found = {}
    for line in lines:
        values = tuple(_positive(line[name]) for name in MEASURED)
        if all(values):
            found[line["row_id"].strip()] = values
    return found


def _positive(text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return 0.0
    return value if 0.0 < value < float("inf") else 0.0
