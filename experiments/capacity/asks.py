"""The classes' latency curves as one set of points, and what is asked of them, in the solver's integers."""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.capacity.case import CapacityCase, Kind
from aicfg.experiments.capacity.waiting import needed_rate, variation, waited, waits_ns
from aicfg.experiments.plans.plan import PoolPlan
from aicfg.experiments.progress import progress
from aicfg.experiments.solving.assemble import MICRO, MODES, NS_PER_MS, Candidates, Mode, ask, candidates
from aicfg.experiments.solving.prepare import PoolModel
from aicfg.hardware.curve import Curve
from aicfg.model_specs.errors import InputError
from aicfg.solver.capacity import Capacity, Offer, RequestClass, Step
from aicfg.solver.narrow import not_slower
from aicfg.solver.points import Ask, IntArray, Points

UNKNOWN_TYPE = 1_000_000
"""Worker types that run today and are not among the points are numbered from here."""


@dataclass(frozen=True)
class Joined:
    """The points of all classes; a worker type is one for all of them."""

    points: Points
    found: tuple[Candidates, ...]
    """Of each class."""
    index: IntArray
    """Position of each point in the points of its class."""
    types: tuple[tuple[Curve, PoolModel], ...]
    """Some curve of each worker type, and its owner."""
    waiting_ms: np.ndarray
    """For a slot, at each point."""

    def curve(self, point: int) -> tuple[Curve, PoolModel, int]:
        """The curve of a point, its owner, and the point's position on it."""
        found = self.found[self.points.request_class[point]]
        at = self.index[point]
        number = int(found.curve[at])
        return found.curves[number], found.owner[number], int(found.index[at])

    def left_out(self) -> dict[int, str]:
        """Pools that no worker of any class serves on, and why."""
        each = [found.left_out for found in self.found]
        return {pool: why for pool, why in each[0].items() if all(pool in other for other in each)}


def joined(case: CapacityCase) -> Joined:
    """Every operating point of every class.

    Raises
    ------
    InputError
        When a class has no worker at all.
    """
    found = []
    with progress("latency curves", after_s=0.5) as advance:
        for number, kind in enumerate(case.kinds):
            advance(number, len(case.kinds), f"latency curves of class {kind.name}")
            found.append(_candidates(kind, len(case.kinds) > 1))
    numbers = _Numbers(found)
    waits = [_waits(each.points, case) for each in found]
    parts = [
        numbers.of_class(k, each, waited(each.points, wait_ns, kind.workload.osl - 1))
        for k, (each, wait_ns, kind) in enumerate(zip(found, waits, case.kinds, strict=True))
    ]
    points, wait_ms = Points.joined(parts), np.concatenate(waits) / NS_PER_MS
    index = np.concatenate([np.arange(len(each.points)) for each in found])
    if not case.experiment.constraints:  # they may ask for a batch that another one outdoes
        kept = np.concatenate([own[not_slower(points.take(own))] for own in _of_classes(points)])
        points, index, wait_ms = points.take(kept), index[kept], wait_ms[kept]
    return Joined(points, tuple(found), index, tuple(numbers.types.values()), wait_ms)


def _candidates(kind: Kind, named: bool) -> Candidates:
    try:
        return candidates(kind.case)
    except InputError as error:
        raise InputError(f"{f'workload class {kind.name}: ' if named else ''}{error}") from None


class _Numbers:
    """Numbers of worker types, transfer groups and formats that hold for all classes."""

    def __init__(self, found: list[Candidates]) -> None:
        every = [pair for each in found for pair in zip(each.curves, each.owner, strict=True)]
        self.types: dict[object, tuple[Curve, PoolModel]] = {}
        for curve, owner in every:
            self.types.setdefault(type_key(curve, owner), (curve, owner))
        self.type_number = {key: number for number, key in enumerate(self.types)}
        names = sorted({name for name in (_group(*pair) for pair in every) if name})
        self.group_number = {name: number for number, name in enumerate(names)}
        quants = dict.fromkeys(curve.quant for curve, _ in every)
        self.quant_number = {quant: number for number, quant in enumerate(quants)}

    def of_class(self, k: int, found: Candidates, points: Points) -> Points:
        """The points of class ``k`` with these numbers."""
        pairs = list(zip(found.curves, found.owner, strict=True))
        types = [self.type_number[type_key(*pair)] for pair in pairs]
        groups = [self.group_number[name] if (name := _group(*pair)) else -1 for pair in pairs]
        quants = [self.quant_number[curve.quant] for curve, _ in pairs]
        worker_type, group, quant = (
            np.array(each, np.int64)[found.curve] for each in (types, groups, quants)
        )
        request_class = np.full(len(points), k, np.int64)
        return replace(points, worker_type=worker_type, group=group, quant=quant, request_class=request_class)


def _of_classes(points: Points) -> list[IntArray]:
    """Positions of the points of each class."""
    return [np.flatnonzero(points.request_class == k) for k in range(int(points.request_class.max()) + 1)]


def type_key(curve: Curve, owner: PoolModel) -> tuple[object, ...]:
    """What a worker type is: where it runs, on what engine, its role, layout and formats."""
    return owner.pool, owner.model.tables.backend, curve.role, curve.layout, curve.quant


def _group(curve: Curve, owner: PoolModel) -> tuple[str, str] | None:
    """Who exchanges caches with whom; None for aggregated workers."""
    return None if curve.role == "agg" else (owner.model.tables.backend, curve.group)


def _waits(points: Points, case: CapacityCase) -> np.ndarray:
    """Nanoseconds that a request waits for a place at each point; the tokens of requests are their work."""
    share = np.array([kind.share for kind in case.kinds])
    tokens = np.array([kind.workload.isl + kind.workload.osl for kind in case.kinds], np.float64)
    arrivals, work = case.traffic.arrival_cv2, variation(share, tokens)
    return waits_ns(points, case.load.utilisation or 0.0, arrivals, work)


def capacity_ask(case: CapacityCase, of: Joined, mode: Mode, time_limit_s: float | None) -> Ask:
    """What the experiment asks of a fleet in one mode."""
    experiment, first = case.experiment, case.kinds[0].case
    curves, owners = zip(*of.types, strict=True)
    types = replace(of.found[0], curves=tuple(curves), owner=tuple(owners))
    plain = ask(replace(first, experiment=_asked(case)), types, mode, time_limit_s)
    replan = experiment.replan
    never = replan is not None and replan.change_cost == "never"
    capacity = Capacity(
        classes=tuple(_class(kind) for kind in case.kinds),
        steps=tuple(_step(case, number) for number in range(len(case.steps))),
        startup_s=round(60 * case.load.startup_minutes) if case.over_time else 0,
        spare_workers=experiment.spare.workers,
        spare_nodes=experiment.spare.nodes,
        offers=_offers(case),
        current=None if case.current is None else _today(case, of),
        change_cost=None if never else round(MICRO * float(replan.change_cost)) if replan else 0,
    )
    return replace(plain, objective=experiment.objective, load=None, capacity=capacity)


def asks_of(case: CapacityCase) -> tuple[Points, list[Ask]]:
    """The points of all classes, and what is asked of them in each mode."""
    of = joined(case)
    return of.points, [capacity_ask(case, of, mode, None) for mode in MODES[case.experiment.serving.mode]]


def _asked(case: CapacityCase) -> Experiment:
    """The first class's plain experiment, with the constraints of all."""
    plain = case.kinds[0].case.experiment
    return msgspec.structs.replace(plain, constraints=case.experiment.constraints)


def _class(kind: Kind) -> RequestClass:
    sla, osl = kind.sla, kind.workload.osl

    def in_ns(bound_ms: float | None) -> int | None:
        return None if bound_ms is None else round(bound_ms * NS_PER_MS)

    return RequestClass(
        kind.name,
        tokens_per_request=osl,
        latency_tokens=osl - 1,
        ttft_ns=in_ns(sla.ttft_ms),
        tpot_ns=in_ns(sla.tpot_ms),
        request_latency_ns=in_ns(sla.request_latency_ms),
        share=max(round(kind.share * MICRO), 1),
    )


def _step(case: CapacityCase, number: int) -> Step:
    """The rates that must be possible: peaks, over the busy share of a worker."""
    step = case.steps[number]
    loads = tuple(needed_rate(case.load, rate) for rate in step.requests_per_s)
    seconds = max(round(3600 * step.hours), 1) if case.over_time else 1
    return Step(step.name, seconds, loads or (0,) * len(case.kinds))


def _offers(case: CapacityCase) -> tuple[tuple[Offer, ...], ...]:
    every = case.experiment.fleet.every
    if not any(pool.purchase for pool in every):
        return ()
    return tuple(
        tuple(
            Offer(
                offer.kind if [o.kind for o in pool.purchase].count(offer.kind) == 1 else f"{offer.kind}_{n}",
                offer.gpus,
                round(offer.price_per_gpu_hour * MICRO),
                offer.kind != "on_demand",
            )
            for n, offer in enumerate(pool.purchase, 1)
        )
        for pool in every
    )


def _today(case: CapacityCase, of: Joined) -> dict[int, int]:
    """Workers that run today, by worker type; those not among the points have numbers of their own."""
    assert case.current is not None
    found: dict[int, int] = {}
    for number, pool in enumerate(case.current.pools):
        same = (w for w, each in enumerate(of.types) if is_of_type(case, pool, *each))
        worker_type = next(same, UNKNOWN_TYPE + number)
        found[worker_type] = found.get(worker_type, 0) + pool.workers
    return found


def is_of_type(case: CapacityCase, pool: PoolPlan, curve: Curve, owner: PoolModel) -> bool:
    """Whether the workers of a plan's pool are of the type of a curve."""
    label = case.experiment.fleet.every[owner.pool].label
    layout, quant = curve.layout, curve.quant
    return (
        (pool.role, pool.backend, pool.pool or pool.system) == (curve.role, owner.model.tables.backend, label)
        and (pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)
        == (layout.tp, layout.pp, layout.dp, layout.cp, layout.moe_tp, layout.moe_ep)
        and (pool.quant.gemm, pool.quant.moe, pool.quant.kvcache) == (quant.gemm, quant.moe, quant.kvcache)
    )
