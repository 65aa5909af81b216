"""The solver's answer to a capacity question as a plan."""

from dataclasses import replace
from typing import Any, cast

import msgspec
import numpy as np

from aicfg.experiments.capacity.asks import Joined
from aicfg.experiments.capacity.case import CapacityCase
from aicfg.experiments.capacity.recompute import recomputed_capacity
from aicfg.experiments.plans.capacity_figures import Bought, CapacityFigures, ClassPlan, StepPlan, WorkPlan
from aicfg.experiments.plans.plan import Certificate, Objective, Plan, PoolPlan, Status
from aicfg.experiments.plans.shares import sources_of
from aicfg.experiments.solving.assemble import MICRO, NS_PER_MS
from aicfg.experiments.solving.compose import inputs_of, pool_of, provenance_of
from aicfg.hardware.breakdown import breakdown
from aicfg.solver.answer import Statistics
from aicfg.solver.capacity import spares
from aicfg.solver.capacity_plan import CapacityPlan, first_of
from aicfg.solver.capacity_solve import CapacityAnswer
from aicfg.solver.objectives import OBJECTIVES
from aicfg.solver.order import canonical_key
from aicfg.solver.points import Ask, Role

OVER_TIME = {"gpus": "gpu_hours", "cost": "cost_in_all"}
"""What an objective is called where it is a sum over time."""


def capacity_plan(case: CapacityCase, of: Joined, ask: Ask, answer: CapacityAnswer) -> Plan:
    """The plan that ``answer`` stands for; without one, a plan without pools."""
    most = OBJECTIVES[ask.objective].maximize
    name = OVER_TIME.get(ask.objective, ask.objective) if case.over_time else ask.objective
    value = _in_units(answer.value, answer)
    first, experiment = case.kinds[0].case, case.experiment
    empty = Plan(
        schema=1,
        status=cast(Status, answer.status),
        experiment=experiment.name,
        mode=ask.mode,
        inputs=inputs_of(replace(first, experiment=experiment)),
        profile=first.model.profile.name,
        provenance=provenance_of(first),
        objective=Objective(name, value, "max" if most else "min"),
        pools=(),
        ttft_ms=None,
        tpot_ms=None,
        request_latency_ms=None,
        concurrency=None,
        tokens_per_s=None,
        tokens_per_s_per_gpu=None,
        tokens_per_s_per_user=None,
        gpus_used=None,
        gpus_budget=experiment.fleet.budget,
        certificate=_certificate(answer),
        left_out=first.left_out
        | {experiment.fleet.every[number].label: why for number, why in of.left_out().items()},
    )
    return empty if answer.plan is None else _filled(empty, case, of, ask, answer.plan)


def with_figures(plan: Plan, **figures: Any) -> Plan:
    """``plan`` with more said of its capacity."""
    assert plan.capacity is not None
    return replace(plan, capacity=msgspec.structs.replace(plan.capacity, **figures))


def _filled(empty: Plan, case: CapacityCase, of: Joined, ask: Ask, plan: CapacityPlan) -> Plan:
    types = sorted(plan.workers, key=lambda w: canonical_key(of.points, first_of(of.points, w)))
    pools = tuple(_pool(case, of, plan, w) for w in types)
    busiest = _busiest(case)
    classes = tuple(_class(case, of, plan, types, k, busiest) for k in range(len(case.kinds)))
    figures = CapacityFigures(
        classes=classes,
        steps=tuple(_steps(case, of, ask, plan, types)),
        peak=case.load.peak,
        utilisation=case.load.utilisation,
        spare_workers=tuple(int(spares(of.points, ask)[first_of(of.points, w)]) for w in types),
        startup_minutes=case.load.startup_minutes if case.over_time else None,
        bought=_bought(case, ask, plan),
    )
    tokens = sum(each.served_per_s * each.osl for each in classes)
    most = OBJECTIVES[ask.objective].maximize
    gpus = max(step.gpus for step in figures.steps)
    filled = replace(
        empty,
        pools=pools,
        ttft_ms=max(each.ttft_ms for each in classes),
        tpot_ms=max(each.tpot_ms for each in classes),
        request_latency_ms=max(each.request_latency_ms for each in classes),
        concurrency=sum(pool.concurrency for pool in pools if pool.role != "prefill"),
        tokens_per_s=tokens,
        tokens_per_s_per_gpu=tokens / (empty.gpus_budget if most else gpus),
        tokens_per_s_per_user=1000 / max(each.tpot_ms for each in classes),
        gpus_used=gpus,
        requests_per_s=sum(each.served_per_s for each in classes),
        cost_per_hour=_cost_per_hour(case, pools),
        capacity=figures,
    )
    again = recomputed_capacity(case, filled)
    return replace(filled, certificate=replace(filled.certificate, recomputed=again))


def _busiest(case: CapacityCase) -> int:
    """The step with the highest load."""
    return max(range(len(case.steps)), key=lambda t: sum(case.steps[t].requests_per_s))


def _pool(case: CapacityCase, of: Joined, plan: CapacityPlan, worker_type: int) -> PoolPlan:
    """The workers of one type, as many as run at most, at the point with the most of their time."""
    own = [(time, p) for (p, _), time in plan.time.items() if of.points.worker_type[p] == worker_type]
    point = max(own)[1] if own else first_of(of.points, worker_type)
    curve, owner, at = of.curve(point)
    spent = breakdown(
        owner.model, curve.role, curve.layout, int(curve.batch[at]), int(curve.chunk_tokens[at])
    )
    pool = pool_of(owner.model, curve, at, max(plan.workers[worker_type]), sources_of(spent.shares))
    fleet = case.experiment.fleet
    return replace(pool, pool=fleet.pools[owner.pool].label) if fleet.pools else pool


def _class(
    case: CapacityCase, of: Joined, plan: CapacityPlan, types: list[int], k: int, step: int
) -> ClassPlan:
    points, kind = of.points, case.kinds[k]
    used = sorted(
        {p for p, _ in plan.time if points.request_class[p] == k}, key=lambda p: canonical_key(points, p)
    )
    work = tuple(
        WorkPlan(
            pool=types.index(int(points.worker_type[p])),
            batch=int(points.batch[p]),
            chunk_tokens=int(points.chunk_tokens[p]) or None,
            requests_per_s=int(points.request_rate[p]) / MICRO,
            workers=plan.time.get((p, step), 0.0),
            waiting_ms=float(of.waiting_ms[p]),
        )
        for p in used
    )
    ttft, tpot, latency = _latencies(of, used, kind.workload.osl - 1)
    asked = case.steps[step].requests_per_s
    return ClassPlan(
        name=kind.name,
        isl=kind.workload.isl,
        osl=kind.workload.osl,
        prefix=kind.workload.prefix,
        share=asked[k] / sum(asked) if asked and sum(asked) else kind.share,
        requests_per_s=asked[k] if asked else None,
        served_per_s=_served(of, plan, k, step),
        ttft_ms=ttft,
        tpot_ms=tpot,
        request_latency_ms=latency,
        work=work,
    )


def _latencies(of: Joined, used: list[int], later: int) -> tuple[float, float, float]:
    """Worst TTFT and TPOT, and the worst request: of an aggregated point, or of a transfer group."""
    points = of.points
    groups: dict[int, list[int]] = {}
    for number, p in enumerate(used):
        groups.setdefault(int(points.group[p]) if points.role[p] else -1 - number, []).append(p)
    each = [(max(points.ttft_ns[own]), max(points.tpot_ns[own])) for own in groups.values()]
    if not each:
        return 0.0, 0.0, 0.0
    worst = (max(a for a, _ in each), max(b for _, b in each), max(a + later * b for a, b in each))
    ttft, tpot, latency = (float(value) / NS_PER_MS for value in worst)
    return ttft, tpot, latency


def _served(of: Joined, plan: CapacityPlan, k: int, step: int) -> float:
    """Requests/s of one class that the workers' time serves in a step."""
    points, total = of.points, 0.0
    sides: dict[tuple[int, int], float] = {}
    for (p, t), time in plan.time.items():
        if t != step or points.request_class[p] != k:
            continue
        rate = time * int(points.request_rate[p]) / MICRO
        if points.role[p] == Role.AGG:
            total += rate
        else:
            key = (int(points.group[p]), int(points.role[p]))
            sides[key] = sides.get(key, 0.0) + rate
    return total + sum(min(rate, sides.get((g, 2), 0.0)) for (g, role), rate in sides.items() if role == 1)


def _steps(case: CapacityCase, of: Joined, ask: Ask, plan: CapacityPlan, types: list[int]) -> list[StepPlan]:
    """Who runs in each step, who is started for it, and what they can serve."""
    found, gpus = [], [int(of.points.gpus[first_of(of.points, w)]) for w in types]
    capacity = ask.capacity
    assert capacity is not None
    for t, step in enumerate(case.steps):
        workers = tuple(plan.workers[w][t] for w in types)
        before = tuple(plan.workers[w][t - 1] for w in types)
        asked = sum(capacity.steps[t].loads) / MICRO
        found.append(
            StepPlan(
                name=step.name,
                hours=step.hours,
                requests_per_s=sum(step.requests_per_s),
                capacity_per_s=_most(of, ask, plan, t) * asked if asked else _all_served(case, of, plan, t),
                workers=workers,
                started=tuple(max(n - b, 0) for n, b in zip(workers, before, strict=True))
                if len(case.steps) > 1
                else (0,) * len(types),
                gpus=sum(n * g for n, g in zip(workers, gpus, strict=True)),
            )
        )
    return found


def _all_served(case: CapacityCase, of: Joined, plan: CapacityPlan, t: int) -> float:
    return sum(_served(of, plan, k, t) for k in range(len(case.kinds)))


def _most(of: Joined, ask: Ask, plan: CapacityPlan, t: int) -> float:
    """By how much the load of a step could rise until a type's time is used up, as it is shared now."""
    lost, factors = spares(of.points, ask), []
    for w, workers in plan.workers.items():
        busy = sum(x for (p, step), x in plan.time.items() if step == t and of.points.worker_type[p] == w)
        if busy > 1e-9:
            factors.append((workers[t] - int(lost[first_of(of.points, w)])) / busy)
    return float(np.min(factors)) if factors else 0.0


def _bought(case: CapacityCase, ask: Ask, plan: CapacityPlan) -> tuple[Bought, ...]:
    assert ask.capacity is not None
    every = case.experiment.fleet.every
    return tuple(
        Bought(
            pool=every[j].label,
            kind=every[j].purchase[number].kind,
            price_per_gpu_hour=every[j].purchase[number].price_per_gpu_hour,
            available=offer.gpus,
            gpus=plan.bought.get((j, number), (0,) * len(case.steps)),
        )
        for j, offers in enumerate(ask.capacity.offers)
        for number, offer in enumerate(offers)
    )


def _cost_per_hour(case: CapacityCase, pools: tuple[PoolPlan, ...]) -> float | None:
    """Of the GPUs of all workers, where each pool has one price."""
    from aicfg.experiments.solving.recompute import cost_per_hour

    fleet = case.experiment.fleet
    return None if any(pool.purchase for pool in fleet.every) else cost_per_hour(fleet, pools)


def _in_units(value: int | None, answer: CapacityAnswer) -> float | None:
    return None if value is None else value / answer.per_unit


def _certificate(answer: CapacityAnswer) -> Certificate:
    statistics: Statistics = answer.statistics
    return Certificate(
        engine=answer.engine,
        bound=_in_units(answer.bound, answer),
        gap=answer.gap,
        recomputed=None,
        worker_types=statistics.worker_types,
        points=statistics.points_considered,
        rows=statistics.rows,
        solve_ms=statistics.solve_ms,
        total_ms=statistics.solve_ms,
        checked_by=answer.checked_by,
    )
