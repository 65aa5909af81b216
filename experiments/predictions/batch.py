"""Many given configurations at once: a table of rows in, a table of predictions out.

Rows of one model, engine and layout share a curve, so that thousands take seconds. A row whose tables lack an
operation is estimated (data mode hybrid) and says so; one that cannot be predicted at all says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from msgspec import structs

from aicfg.experiments.predictions.batch_rows import Row, RowWorker
from aicfg.experiments.predictions.prediction import FIGURES, SHARES, Prediction, joined
from aicfg.experiments.predictions.served import served, with_recipe
from aicfg.experiments.progress import Advance
from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.intervals import Mode, Regime
from aicfg.hardware.launch import Launch
from aicfg.hardware.laws import FlowLaw, StepsLaw
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.profile import Profile
from aicfg.hardware.runs import (
    AggregatedRun,
    DisaggregatedRun,
    Latency,
    aggregated_run,
    by_steps,
    disaggregated_run,
    drawn,
    exceeded,
)
from aicfg.hardware.workload import Workload
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout

MODES = (DataMode.SILICON, DataMode.HYBRID)
"""Tried in this order: measured tables alone, then with estimates for what they lack."""


_Workers = tuple[Role, Layout, float]
"""A role, the layout that runs, and how many workers of it."""


class _Key(NamedTuple):
    """What rows of one run's curve have in common."""

    model: str
    formats: tuple[str, str]
    system: str
    backend: str
    isl: int
    osl: int
    drawn: bool
    kv_cache_dtype: str
    memory_fraction: float | None
    workers: tuple[tuple[Role, RowWorker], ...]


@dataclass
class Models:
    """Serving models by what rows say of them, each made once."""

    profile: Profile
    places: Places = field(default_factory=lambda: Places((SHIPPED,)))
    _made: dict[tuple[object, ...], ServingModel] = field(default_factory=dict)

    def __call__(self, key: _Key, mode: DataMode) -> ServingModel:
        """The model of a key, under the mean lengths of its runs."""
        made = (*key[:-1], mode)
        if made not in self._made:
            architecture, quant = served(key.model, *key.formats)
            if key.kv_cache_dtype:
                quant = replace(quant, kvcache=key.kv_cache_dtype, fmha=key.kv_cache_dtype)
            system = self.places.load_system(key.system)
            tables = self.places.open_tables(system.name, key.backend)
            self._made[made] = ServingModel(
                architecture=architecture,
                quant=with_recipe(
                    fitting_quant(architecture, quant, system, tables, mode), system, tables.backend
                ),
                workload=drawn(
                    Workload(key.isl, key.osl), self.profile.benchmark.length_share if key.drawn else 1.0
                ),
                system=system,
                tables=tables,
                profile=self.profile,
                mode=mode,
                memory_fraction=key.memory_fraction,
            )
        return self._made[made]


@dataclass(frozen=True)
class Group:
    """Rows of one curve, and what their runs are made of."""

    key: _Key
    rows: tuple[Row, ...]
    run: AggregatedRun | DisaggregatedRun | Latency | None
    """None if nothing prices it."""
    mode: DataMode = DataMode.SILICON
    reason: str = ""
    """Why nothing prices it, or what its prices rest on beside measured tables, and what does not fit."""

    @property
    def regime(self) -> Regime:
        """Whose error bars its predictions have."""
        mode: Mode = "agg" if len(self.key.workers) == 1 else "disagg"
        return Regime(mode, self.key.backend, self.mode is not DataMode.SILICON)


def groups(
    rows: Sequence[Row], profile: Profile, advance: Advance = lambda done, of, what: None
) -> Iterator[Group]:
    """``rows`` by curve, each with what its runs are made of; faulty rows are left out."""
    models, found = Models(profile), dict[_Key, list[Row]]()
    for row in rows:
        if not row.fault:
            head = (row.model, row.formats, row.system, row.backend, row.isl, row.osl)
            started = (row.launch.drawn, row.launch.kv_cache_dtype, row.launch.memory_fraction)
            found.setdefault(_Key(*head, *started, row.workers), []).append(row)
    done = 0
    for key, members in found.items():
        yield _group(models, key, tuple(members))
        done += len(members)
        advance(done, len(rows), "pricing rows")


def _group(models: Models, key: _Key, rows: tuple[Row, ...]) -> Group:
    """The rows' runs from the first data that suffice, or why there are none.

    A cache in a format that no table has is taken as one of the engine's default. Rows that ran are priced
    even where our memory model has no room for them, but say so.
    """
    clients, launches = np.array([float(row.concurrency) for row in rows]), [row.launch for row in rows]
    tries = [(key, "")]
    if key.kv_cache_dtype:
        why = f"estimated: no table has a {key.kv_cache_dtype} cache"
        tries.append((key._replace(kv_cache_dtype=""), why))
    reasons: list[str] = []
    for (tried, why), mode in product(tries, MODES):
        reason = why or ("" if mode is DataMode.SILICON else "estimated: no table has every operation")
        try:
            model = models(tried, mode)
            roles = [(role, *_served(model, role, worker)) for role, worker in key.workers]
            run = _run(model, roles, clients, launches, key.workers[0][1].batch or 1.0)
            return Group(key, rows, run, mode, joined(reason, *_exceeded(model, roles)))
        except AicfgError as error:
            reasons.append(str(error))
    return Group(key, rows, None, reason=reasons[len(MODES) - 1])


def _exceeded(model: ServingModel, roles: Sequence[_Workers]) -> Iterator[str]:
    """What does not fit, by role."""
    for role, layout, _ in roles:
        if found := exceeded(model, role, layout):
            yield found if role == "agg" else f"{role} workers: {found}"


def _run(
    model: ServingModel,
    roles: Sequence[_Workers],
    clients: FloatArray,
    launches: Sequence[Launch],
    prefill_batch: float,
) -> AggregatedRun | DisaggregatedRun | Latency:
    if len(roles) == 1:
        ((_, layout, workers),) = roles
        share = np.maximum(clients / (workers * layout.dp * layout.pp), 1.0)
        steps = isinstance(model.profile.aggregated[model.tables.backend], StepsLaw)
        return by_steps(model, layout, share) if steps else aggregated_run(model, layout, share, launches)
    prefill, decode = ((model, layout, workers) for _, layout, workers in roles)
    return disaggregated_run(prefill, decode, clients, prefill_batch, launches)


def latency(group: Group, profile: Profile) -> Latency:
    """What a profile makes of the runs of a group that is priced."""
    run, backend, waves = group.run, group.key.backend, profile.benchmark.waves
    if isinstance(run, DisaggregatedRun):
        return run.latency(profile.disaggregated, profile.host[backend], backend, waves)
    if isinstance(run, AggregatedRun):
        rule = profile.aggregated[backend]
        assert isinstance(rule, FlowLaw)
        return run.latency(rule, profile.host[backend], waves)
    assert run is not None, "a group without prices has no latency"
    return run


def predict(
    rows: Sequence[Row], profile: Profile, advance: Advance = lambda done, of, what: None
) -> list[Prediction]:
    """Predictions of ``rows``, in their order; ``advance`` hears of how many rows are done."""
    made = {row.row_id: Prediction(row.row_id, reason=row.fault) for row in rows}
    for group in groups(rows, profile, advance):
        made |= {each.row_id: each for each in _predictions(group, profile)}
    return [made[row.row_id] for row in rows]


def _predictions(group: Group, profile: Profile) -> Iterator[Prediction]:
    if group.run is None:
        yield from (Prediction(row.row_id, reason=group.reason) for row in group.rows)
        return
    found = latency(group, profile)
    factors = _factors(group, profile)
    for row, ttft, tpot in zip(group.rows, found.ttft_ms.tolist(), found.tpot_ms.tolist(), strict=True):
        tokens = 1000.0 * row.concurrency * (row.osl - 1) / (ttft + (row.osl - 1) * tpot) / row.gpus
        bounds = tuple(
            value * factor
            for value, pairs in zip((ttft, tpot, tokens), factors, strict=True)
            for pair in pairs
            for factor in pair
        )
        reason = joined(group.reason, row.remark)
        yield Prediction(row.row_id, ttft, tpot, tokens, tpot * profile.tpot_margin, bounds, reason)


def _served(model: ServingModel, role: Role, worker: RowWorker) -> tuple[Layout, float]:
    """The layout that runs, and how many workers of it.

    Experts whose degrees are not recorded, or only a label, are spread as the engine can; attention ranks of
    a dense model are workers of their own; an engine that splits attention by tp or dp alone splits by tp.

    Raises
    ------
    InputError
        If the model has no such layout at all.
    """
    told, moe, workers = worker.layout, model.architecture.moe, float(worker.workers)
    if moe is None:
        layouts, workers = [Layout(told.tp, told.pp)], workers * told.dp
    else:
        told, workers = _dividing(told, workers, moe.experts)
        ranks = told.tp * told.dp
        spreads = [(told.moe_tp, told.moe_ep), (ranks, 1), (1, ranks)]
        attention = [(told.tp, told.dp), (ranks, 1)]
        layouts = [Layout(tp, told.pp, dp, 1, *experts) for tp, dp in attention for experts in spreads]
    reasons: list[str] = []
    for layout in layouts:
        reason = illegal(model.architecture, layout, model.graph(role, layout))
        if reason is None:
            return layout, workers
        reasons.append(reason)
    raise InputError(f"layout {told}: {reasons[0]}")


def _dividing(told: Layout, workers: float, experts: int) -> tuple[Layout, float]:
    """The layout, and how many workers of it, in which every GPU holds as many experts.

    An engine fills a group that does not divide the experts with replicas. Its ranks do what those of the
    next smaller group that divides them do, and there are as many.
    """
    group = told.moe_ep
    if experts % group == 0 or told.dp != group:
        return told, workers
    smaller = next(each for each in range(group, 0, -1) if experts % each == 0)
    return structs.replace(told, dp=smaller, moe_ep=smaller), workers * group / smaller


def _factors(group: Group, profile: Profile) -> Sequence[Sequence[tuple[float, float]]]:
    """By figure and share, what a prediction is multiplied by to get its interval's ends."""
    known, regime = profile.intervals, group.regime
    if known is None or not known.knows(regime):
        return [[]] * len(FIGURES)
    return [[known.interval(regime, metric, share / 100) for share in SHARES] for metric in FIGURES.values()]
