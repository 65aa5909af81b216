"""The objective of a capacity plan evaluated again from the plan alone: no program, no points.

GPUs, hours, starts and purchases are counted from the plan's steps; the tokens/s from the workers' time at
each point, every point priced afresh.
"""

import msgspec
import numpy as np

from aicfg.experiments.capacity.case import CapacityCase
from aicfg.experiments.plans.capacity_figures import CapacityFigures, WorkPlan
from aicfg.experiments.plans.plan import Plan, PoolPlan
from aicfg.experiments.solving.prepare import Case
from aicfg.experiments.solving.recompute import model_of
from aicfg.model_specs.layout import Layout


def recomputed_capacity(case: CapacityCase, plan: Plan) -> float:
    """The objective's value, what changes of today's workers cost included."""
    figures = plan.capacity
    assert figures is not None
    fee = _fee(case, plan)
    if case.experiment.objective == "tokens_per_s":
        return _tokens_per_s(case, plan) - fee
    if case.experiment.objective == "cost":
        return _cost(case, plan, figures) + fee
    return _gpu_hours(plan, figures, [1.0] * len(plan.pools)) + fee


def _gpu_hours(plan: Plan, figures: CapacityFigures, weight: list[float]) -> float:
    """GPUs times hours (times a weight a pool), those of starting workers included; GPUs of a static plan."""
    total, startup = 0.0, (figures.startup_minutes or 0.0) / 60
    for step in figures.steps:
        hours = step.hours or 1.0
        for pool, w, workers, started in zip(plan.pools, weight, step.workers, step.started, strict=True):
            total += w * pool.gpus_per_worker * (workers * hours + started * startup)
    return total


def _cost(case: CapacityCase, plan: Plan, figures: CapacityFigures) -> float:
    every = {pool.label: pool for pool in case.experiment.fleet.every}
    held, starting = [], []
    for pool in plan.pools:
        of = every[pool.pool or pool.system]
        dearest = max(
            (offer.price_per_gpu_hour for offer in of.purchase), default=of.price_per_gpu_hour or 0.0
        )
        held.append(0.0 if of.purchase else dearest)
        starting.append(dearest)
    at_rest = msgspec.structs.replace(figures, startup_minutes=0.0)
    starts = _gpu_hours(plan, figures, starting) - _gpu_hours(plan, at_rest, starting)
    hours = [step.hours or 1.0 for step in figures.steps]
    bought = sum(
        each.price_per_gpu_hour * sum(n * h for n, h in zip(each.gpus, hours, strict=True))
        for each in figures.bought
    )
    return _gpu_hours(plan, at_rest, held) + starts + bought


def _tokens_per_s(case: CapacityCase, plan: Plan) -> float:
    """Aggregated time adds up; of a transfer group the lower of its two roles counts."""
    total = 0.0
    assert plan.capacity is not None
    for kind, each in zip(case.kinds, plan.capacity.classes, strict=True):
        sides: dict[str, dict[str, float]] = {}
        for work in each.work:
            pool = plan.pools[work.pool]
            rate, tokens, group = _afresh(kind.case, pool, work)
            if pool.role == "agg":
                total += tokens * work.workers
            else:
                side = sides.setdefault(f"{pool.backend} {group}", {"prefill": 0.0, "decode": 0.0})
                side[pool.role] += rate * work.workers
        total += each.osl * sum(min(side.values()) for side in sides.values())
    return total


def _afresh(case: Case, pool: PoolPlan, work: WorkPlan) -> tuple[float, float, str]:
    """Requests/s and tokens/s of one worker, and its transfer group."""
    layout = Layout(pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)
    chunks = None if work.chunk_tokens is None else np.array([work.chunk_tokens])
    curve = model_of(case.afresh, pool).curve(pool.role, layout, np.array([work.batch]), chunks)
    return float(curve.requests_per_s[0]) * curve.efficiency, float(curve.tokens_per_s[0]), curve.group


def _fee(case: CapacityCase, plan: Plan) -> float:
    """What the changes of today's workers cost."""
    replan, today = case.experiment.replan, case.current
    if replan is None or today is None or replan.change_cost == "never":
        return 0.0
    return float(replan.change_cost) * sum(abs(n) for n in moved(today.pools, plan.pools).values())


def moved(today: tuple[PoolPlan, ...], now: tuple[PoolPlan, ...]) -> dict[tuple[object, ...], int]:
    """Workers of each type that there are more, or (below 0) fewer, of."""
    found: dict[tuple[object, ...], int] = {}
    for pools, sign in ((today, -1), (now, 1)):
        for pool in pools:
            key = type_of(pool)
            found[key] = found.get(key, 0) + sign * pool.workers
    return found


def type_of(pool: PoolPlan) -> tuple[object, ...]:
    """What a worker type is, read off a plan."""
    quant = (pool.quant.gemm, pool.quant.moe, pool.quant.kvcache)
    layout = (pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)
    return (pool.role, pool.backend, pool.pool or pool.system, layout, quant)
