"""Latency curves into the solver's points: the one place where measured figures become integers.

Rates become micro-units a second and times nanoseconds, rounded half to even, once, with the rate-matching
efficiency applied before. Every engine then solves the same problem.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.ask.fields import MAX_GPUS
from aicfg.experiments.ask.schema import AggSearch, RoleSearch, Search, Sla
from aicfg.experiments.solving.counted import counted, offered
from aicfg.experiments.solving.prepare import Case, PoolModel
from aicfg.hardware.curve import Curve
from aicfg.hardware.curve import Role as RoleName
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.memory import PARTS, MemoryUse
from aicfg.hardware.search import SearchSpace, Skipped, curves, every_budget
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Pool, Role

Mode = Literal["agg", "disagg", "mixed"]

MODES: dict[str, tuple[Mode, ...]] = {
    "auto": ("agg", "disagg"),
    "agg": ("agg",),
    "disagg": ("disagg",),
    "mixed": ("mixed",),
}
ROLES: dict[Mode, tuple[RoleName, ...]] = {"agg": ("agg",), "disagg": ("prefill", "decode")}

MICRO = 1e6
NS_PER_MS = 1e6


@dataclass(frozen=True)
class Candidates:
    """All operating points of a case, for the solver and back to the curves they came from."""

    points: Points
    curves: tuple[Curve, ...]
    curve: IntArray
    """Position in ``curves`` of each point."""
    index: IntArray
    """Position of each point on its curve."""
    owner: tuple[PoolModel, ...]
    """The pool, and the model on it, of each of ``curves``."""
    left_out: dict[int, str]
    """Pools that no worker serves on, and why."""


def modes(case: Case) -> tuple[Mode, ...]:
    """The modes that the experiment lets compete."""
    return MODES[case.experiment.serving.mode]


def ways(case: Case) -> tuple[Mode, ...]:
    """The plain modes that a plan can be of; a mixed one exists where one of either exists."""
    return MODES["auto"] if case.experiment.serving.mode == "mixed" else modes(case)


def candidates(case: Case, *, any_size: bool = False) -> Candidates:
    """Every operating point of the roles that the experiment's modes need.

    Workers larger than the fleet are left out, unless ``any_size`` asks for them (to explain what is missing)
    or there are no others; points beyond the memory of a GPU are left out unless there are no others.

    Raises
    ------
    InputError
        When every mode lacks a role of which no layout can be priced; the message gives the reasons.
    """
    budgets = [MAX_GPUS if any_size else pool.gpus for pool in case.experiment.fleet.every]
    anything = [MAX_GPUS] * len(budgets)
    for gpus, beyond_memory in ((budgets, False), (anything, False), (anything, True)):
        found = _found(case, gpus, beyond_memory)
        lacking = _lacking(case, found.curves)
        if not lacking:
            break
    else:
        skipped = [each for of_pool in found.skipped.values() for each in of_pool]
        why = _reasons([each for each in skipped if each.role in lacking]) or "no layout to search"
        raise InputError(f"serving: no worker can be priced: {why}")
    sizes = np.asarray([len(curve.batch) for curve in found.curves], np.int64)
    points = _points(case.experiment.sla, found.curves, found.owner, sizes)
    curve = np.repeat(np.arange(len(found.curves)), sizes)
    index = np.concatenate([np.arange(n) for n in sizes])
    kept = _of_listed_batches(case.experiment.serving.search, points)
    if not kept.all():
        points, curve, index = points.take(kept), curve[kept], index[kept]
    return Candidates(points, tuple(found.curves), curve, index, tuple(found.owner), found.left_out())


@dataclass
class _Found:
    """Curves of all pools, and the layouts that have none."""

    curves: list[Curve] = field(default_factory=list)
    owner: list[PoolModel] = field(default_factory=list)
    skipped: dict[int, list[Skipped]] = field(default_factory=dict)

    def left_out(self) -> dict[int, str]:
        """Pools without any curve, and why."""
        there = {each.pool for each in self.owner}
        return {
            pool: _reasons(skipped) or "no layout is small enough"
            for pool, skipped in self.skipped.items()
            if pool not in there
        }


def _found(case: Case, gpus: list[int], beyond_memory: bool) -> _Found:
    found = _Found()
    search = case.experiment.serving.search
    for each in case.models:
        skipped = found.skipped.setdefault(each.pool, [])
        for mode in ways(case):
            for role in ROLES[mode]:
                space = _space(getattr(search, role), each.model)
                try:
                    of_role, without = curves(each.model, role, space, gpus[each.pool], beyond_memory)
                except InputError as error:  # arithmetic that this pool's GPUs lack; others may have it
                    if len(case.models) == 1:
                        raise
                    of_role, without = [], [Skipped(role, Layout(), str(error))]
                found.curves += [offered(case.experiment.sla, curve) for curve in of_role]
                found.owner += [each] * len(of_role)
                skipped += without
    return found


def _lacking(case: Case, found: list[Curve]) -> set[RoleName]:
    """Roles without any worker, unless some mode has workers in all of its roles."""
    there = {curve.role for curve in found}
    lacking = [set(ROLES[mode]) - there for mode in ways(case)]
    return set() if set() in lacking else set().union(*lacking)


def _space(wanted: RoleSearch, model: ServingModel) -> SearchSpace:
    """What the experiment restricts the search of one role to."""
    most = wanted.max_batch if wanted.batch is None else max(wanted.batch)
    chunks = wanted.chunk_tokens if isinstance(wanted, AggSearch) else None
    if chunks == "auto":
        chunks = every_budget(model.profile.search, model.workload.isl)
    return SearchSpace(
        gpus=wanted.gpus_per_worker,
        tp=wanted.tp,
        pp=wanted.pp,
        dp=wanted.dp,
        cp=wanted.cp,
        moe_tp=wanted.moe_tp,
        moe_ep=wanted.moe_ep,
        max_batch=most,
        chunk_tokens=chunks,
    )


def _of_listed_batches(search: Search, points: Points) -> NDArray[np.bool_]:
    """Which points have one of the batches that the experiment lists for their role."""
    kept = np.ones(len(points), bool)
    for role in Role:
        listed = getattr(search, role.name.lower()).batch
        mine = points.role == role
        if listed is None or not mine.any():
            continue
        kept &= ~mine | np.isin(points.batch, listed)
        if not (kept & mine).any():
            place = f"serving.search.{role.name.lower()}.batch"
            raise InputError(f"{place}: no layout holds any of the batches {', '.join(map(str, listed))}")
    return kept


def _reasons(skipped: list[Skipped]) -> str:
    """Why layouts are left out: each reason once, with the layout it was first met at."""
    first: dict[str, str] = {}
    for each in skipped:
        first.setdefault(each.reason, f"{each.layout} {each.role}: {each.reason}")
    return "; ".join(list(first.values())[:3])


def ask(case: Case, found: Candidates, mode: Mode, time_limit_s: float | None) -> Ask:
    """What the experiment asks of a fleet in one mode, in the solver's integers."""
    experiment = case.experiment
    sla, workload, load = experiment.sla, experiment.workload, experiment.load
    types = experiment.serving.types_per_role
    return Ask(
        pools=pools_of(case),
        mode=mode,
        tokens_per_request=workload.osl,
        latency_tokens=workload.osl - 1,
        ttft_ns=_bound_ns(sla.ttft_ms),
        tpot_ns=_bound_ns(sla.tpot_ms),
        request_latency_ns=_bound_ns(sla.request_latency_ms),
        types_per_role=None if types == "any" else types,
        time_limit_s=time_limit_s,
        names=_names(case, found),
        objective=experiment.objective,
        load=None if load is None else round(load.requests_per_s * MICRO),
        constraints=experiment.constraints,
        labels={
            f"quant.{each.name}": tuple(getattr(curve.quant, each.name) for curve in found.curves)
            for each in fields(Quant)
        }
        | {"backend": tuple(each.model.tables.backend for each in found.owner)},
    )


def pools_of(case: Case) -> tuple[Pool, ...]:
    """The fleet's pools; those that cannot be priced are there too, so that constraints can name them.

    A worker lies within the GPUs that NVLink joins: of a rack where the system has such, else of a node.
    """
    systems = {each.pool: each.model.system for each in case.models}
    domains = {number: system.gpus_per_rack or system.gpus_per_node for number, system in systems.items()}
    return tuple(
        Pool(
            pool.label,
            pool.gpus,
            pool.gpus_per_node or domains.get(number, pool.gpus),
            None if pool.price_per_gpu_hour is None else round(pool.price_per_gpu_hour * MICRO),
        )
        for number, pool in enumerate(case.experiment.fleet.every)
    )


def _names(case: Case, found: Candidates) -> tuple[str, ...]:
    """A name for each worker type, with its pool's where there are several."""
    pools = case.experiment.fleet.pools
    return tuple(
        f"{f'{pools[owner.pool].label}_' if len(pools) > 1 else ''}{curve.role}_{curve.layout}"
        for curve, owner in zip(found.curves, found.owner, strict=True)
    )


def _bound_ns(bound_ms: float | None) -> int | None:
    return None if bound_ms is None else round(bound_ms * NS_PER_MS)


def _points(sla: Sla, found: list[Curve], owner: list[PoolModel], sizes: IntArray) -> Points:
    group = _groups(found, owner)
    latencies = [counted(sla, curve, each.model) for curve, each in zip(found, owner, strict=True)]
    ttft_ms, tpot_ms = zip(*latencies, strict=True)
    quants = {quant: number for number, quant in enumerate(dict.fromkeys(curve.quant for curve in found))}

    def of_type(value: Callable[[Curve], int]) -> IntArray:
        return np.repeat(np.asarray([value(curve) for curve in found], np.int64), sizes)

    efficiency = np.repeat([curve.efficiency for curve in found], sizes)
    memory_bytes, memory_limit_bytes = _memory(found)
    return Points(
        role=of_type(lambda curve: Role[curve.role.upper()]),
        pool=np.repeat(np.asarray([each.pool for each in owner], np.int64), sizes),
        worker_type=np.repeat(np.arange(len(found)), sizes),
        group=np.repeat(np.asarray(group, np.int64), sizes),
        gpus=of_type(lambda curve: curve.layout.gpus),
        batch=_joined(found, "batch"),
        chunk_tokens=_joined(found, "chunk_tokens"),
        request_rate=_integers(_joined(found, "requests_per_s") * efficiency * MICRO),
        token_rate=_integers(_joined(found, "tokens_per_s") * MICRO),
        ttft_ns=_integers(np.concatenate(ttft_ms) * NS_PER_MS),
        tpot_ns=_integers(np.concatenate(tpot_ms) * NS_PER_MS),
        memory_bytes=memory_bytes,
        memory_limit_bytes=memory_limit_bytes,
        degrees={name: of_type(partial(_degree, name)) for name in DEGREES},
        quant=of_type(lambda curve: quants[curve.quant]),
        request_class=of_type(lambda curve: 0),
    )


def _groups(found: list[Curve], owner: list[PoolModel]) -> list[int]:
    """The transfer group of each curve, of one engine; -1 for aggregated workers."""
    names = [
        None if curve.role == "agg" else (each.model.tables.backend, curve.group)
        for curve, each in zip(found, owner, strict=True)
    ]
    numbers = {name: number for number, name in enumerate(sorted({name for name in names if name}))}
    return [-1 if name is None else numbers[name] for name in names]


def _degree(name: str, curve: Curve) -> int:
    degree: int = getattr(curve.layout, name)
    return degree


def _integers(values: NDArray[np.float64]) -> IntArray:
    return np.rint(values).astype(np.int64)


def _joined(of: Sequence[object], name: str) -> NDArray[Any]:
    """One attribute of all curves, end to end."""
    return np.concatenate([getattr(each, name) for each in of])


def _memory(found: list[Curve]) -> tuple[IntArray, IntArray]:
    """Bytes and limit per GPU; ``fits`` decides where rounding would tip the balance."""
    memory = MemoryUse(*(_joined([curve.memory for curve in found], part) for part in PARTS))
    limit, used = np.maximum(_integers(memory.limit), 0), _integers(memory.total)
    return np.where(memory.fits, np.minimum(used, limit), np.maximum(used, limit + 1)), limit
