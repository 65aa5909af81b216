"""Many given configurations at once: a table of rows in, a table of predictions out.

Rows of one model, engine and layout share a curve, so that thousands take seconds. A row whose tables lack an
operation is estimated (data mode hybrid) and says so; one that cannot be predicted at all says why.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aicfg.experiments.batch_rows import Row, RowWorker
from aicfg.experiments.served import served
from aicfg.hardware.curves import Curve, Role, ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.profile import Profile
from aicfg.hardware.tables.store import MissingDataError
from aicfg.hardware.workload import Workload
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout

MODES = (DataMode.SILICON, DataMode.HYBRID)
"""Tried in this order: measured tables alone, then with estimates for what they lack."""
HEADER = ("row_id", "ttft_ms", "tpot_ms", "tokens_per_s_per_gpu", "reason")


@dataclass(frozen=True)
class Prediction:
    """What one row does; without figures, why there are none."""

    row_id: str
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    tokens_per_s_per_gpu: float | None = None
    reason: str = ""
    """Why there are no figures, or what they rest on beside measured tables."""


class _Key(NamedTuple):
    """What rows of one curve have in common."""

    model: str
    formats: tuple[str, str]
    system: str
    backend: str
    isl: int
    osl: int
    role: Role
    layout: Layout


@dataclass
class _Models:
    """Serving models by what rows say of them, each made once."""

    profile: Profile
    places: Places = field(default_factory=lambda: Places((SHIPPED,)))
    _made: dict[tuple[object, ...], ServingModel] = field(default_factory=dict)

    def __call__(self, key: _Key, mode: DataMode) -> ServingModel:
        made = (key.model, key.formats, key.system, key.backend, key.isl, key.osl, mode)
        if made not in self._made:
            architecture, quant = served(key.model, *key.formats)
            system = self.places.load_system(key.system)
            tables = self.places.open_tables(system.name, key.backend)
            self._made[made] = ServingModel(
                architecture=architecture,
                quant=fitting_quant(architecture, quant, system, tables, mode),
                workload=Workload(key.isl, key.osl),
                system=system,
                tables=tables,
                profile=self.profile,
                mode=mode,
            )
        return self._made[made]


def predict(
    rows: Sequence[Row], profile: Profile, advance: Callable[[int], None] = lambda count: None
) -> list[Prediction]:
    """Predictions of ``rows``, in their order; ``advance`` hears of every row that is done with its curve."""
    models, curves = _Models(profile), dict[tuple[str, Role], tuple[Curve, int] | str]()
    for key, members in _grouped(rows).items():
        found = _curve(models, key, np.array(sorted({batch for _, batch in members})))
        for row, batch in members:
            at = found if isinstance(found, str) else (found, int(np.searchsorted(found.batch, batch)))
            curves[row.row_id, key.role] = at
        advance(len(members))
    return [_predicted(row, curves) for row in rows]


def _grouped(rows: Sequence[Row]) -> dict[_Key, list[tuple[Row, int]]]:
    """Rows, with the batch of a rank, by the curve that they are on."""
    groups: dict[_Key, list[tuple[Row, int]]] = defaultdict(list)
    for row in rows:
        for role, worker in row.workers:
            head = (row.model, row.formats, row.system, row.backend, row.isl, row.osl)
            groups[_Key(*head, role, worker.layout)].append((row, _batch(row, role, worker)))
    return groups


def _batch(row: Row, role: Role, worker: RowWorker) -> int:
    """Requests of one attention rank and stage: as recorded for prefill, else the clients shared out."""
    if role == "prefill":
        return max(1, round(worker.batch or 1))
    ranks = worker.workers * worker.layout.dp * worker.layout.pp
    return max(1, round(row.concurrency / ranks))


def _curve(models: _Models, key: _Key, batch: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Curve | str:
    """The curve over ``batch`` from the first data that suffice; a text says why there is none."""
    reason = ""
    for mode in MODES:
        try:
            model = models(key, mode)
            layout = _served_layout(model, key.role, key.layout)
            chunks = np.full_like(batch, key.isl) if key.role == "agg" else None
            return model.curve(key.role, layout, batch, chunks)
        except AicfgError as error:
            reason = str(error)
            if not isinstance(error, MissingDataError | InputError):
                break
    return reason


def _served_layout(model: ServingModel, role: Role, layout: Layout) -> Layout:
    """``layout``; experts whose degrees are not recorded, or only a label, are spread as the engine can.

    Raises
    ------
    InputError
        If the model has no such layout at all.
    """
    ranks = layout.tp * layout.dp
    spreads = [(layout.moe_tp, layout.moe_ep), (ranks, 1), (1, ranks)]
    if model.architecture.moe is None:
        spreads = [(1, 1)]
    reasons = []
    for moe_tp, moe_ep in spreads:
        candidate = Layout(layout.tp, layout.pp, layout.dp, 1, moe_tp, moe_ep)
        reason = illegal(model.architecture, candidate, model.graph(role, candidate))
        if reason is None:
            return candidate
        reasons.append(reason)
    raise InputError(f"layout {layout}: {reasons[0]}")


def _predicted(row: Row, curves: "dict[tuple[str, Role], tuple[Curve, int] | str]") -> Prediction:
    if row.fault:
        return Prediction(row.row_id, reason=row.fault)
    found = [curves[row.row_id, role] for role, _ in row.workers]
    for each in found:
        if isinstance(each, str):
            return Prediction(row.row_id, reason=each)
    points = [each for each in found if not isinstance(each, str)]
    ttft_ms = sum(float(curve.ttft_ms[at]) for curve, at in points)
    tpot_ms = sum(float(curve.tpot_ms[at]) for curve, at in points)
    answer_ms = ttft_ms + (row.osl - 1) * tpot_ms
    tokens_per_s = 1000.0 * row.concurrency * (row.osl - 1) / answer_ms
    return Prediction(row.row_id, ttft_ms, tpot_ms, tokens_per_s / row.gpus)


def write_predictions(path: str, predictions: Sequence[Prediction]) -> None:
    """A CSV of ``predictions``: written beside ``path``, then put in its place."""
    whole = Path(path)
    beside = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(HEADER)
            lines.writerows(_cells(each) for each in predictions)
        beside.replace(whole)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"--out {path}: cannot be written: {error.strerror}") from None


def _cells(prediction: Prediction) -> Iterator[str]:
    for name in HEADER:
        value = getattr(prediction, name)
        yield value if isinstance(value, str) else "" if value is None else f"{value:.6g}"
