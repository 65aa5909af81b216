"""The objective evaluated again from a plan's pools alone: no program, no points, no curve of the search."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from aicfg.experiments.ask.schema import Fleet
from aicfg.experiments.plans.plan import PoolPlan
from aicfg.experiments.solving.counted import counted
from aicfg.experiments.solving.prepare import Case
from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import FloatArray
from aicfg.model_specs.layout import Layout


@dataclass
class _Group:
    """Prefill and decode workers that can exchange KV caches: requests/s and worst latency of each role."""

    requests_per_s: dict[str, float] = field(default_factory=lambda: {"prefill": 0.0, "decode": 0.0})
    ttft_ms: float = 0.0
    tpot_ms: float = 0.0

    def add(self, role: str, workers: int, curve: Curve, latencies: tuple[FloatArray, FloatArray]) -> None:
        """Workers of one operating point, with its TTFT and TPOT as the agreement counts them."""
        self.requests_per_s[role] += workers * curve.efficiency * float(curve.requests_per_s[0])
        ttft_ms, tpot_ms = latencies
        self.ttft_ms = max(self.ttft_ms, float(ttft_ms[0]))
        self.tpot_ms = max(self.tpot_ms, float(tpot_ms[0]))


@dataclass
class _Figures:
    """What the pools do together."""

    tokens_per_s: float = 0.0
    groups: dict[str, _Group] = field(default_factory=lambda: defaultdict(_Group))
    """By transfer group; each aggregated pool is one by itself."""


def recomputed(case: Case, pools: tuple[PoolPlan, ...]) -> float:
    """The objective's value of the pools, each worker priced afresh at its one operating point.

    Aggregated workers add up; prefill and decode workers of one transfer group serve the lower of their two
    rates of requests, each with ``osl`` tokens. Latencies are the worst of what is in use.
    """
    experiment = case.experiment
    objective, osl = experiment.objective, experiment.workload.osl
    if objective == "gpus":
        return float(sum(pool.gpus for pool in pools))
    if objective == "cost":
        return cost_per_hour(experiment.fleet, pools) or 0.0
    figures = _figures(case.afresh, pools)
    if objective == "tokens_per_s":
        return figures.tokens_per_s
    worst = {
        "ttft": (group.ttft_ms for group in figures.groups.values()),
        "tpot": (group.tpot_ms for group in figures.groups.values()),
        "request_latency": (group.ttft_ms + (osl - 1) * group.tpot_ms for group in figures.groups.values()),
    }
    return max(worst[objective])


def cost_per_hour(fleet: Fleet, pools: tuple[PoolPlan, ...]) -> float | None:
    """Price of an hour of the GPUs that the pools take; None where one of them has no price."""
    prices = {pool.label if fleet.pools else None: pool.price_per_gpu_hour for pool in fleet.every}
    total = 0.0
    for pool in pools:
        price = prices[pool.pool]
        if price is None:
            return None
        total += price * pool.gpus
    return total


def _figures(case: Case, pools: tuple[PoolPlan, ...]) -> _Figures:
    figures = _Figures()
    for number, pool in enumerate(pools):
        layout = Layout(pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)
        chunks = None if pool.chunk_tokens is None else np.array([pool.chunk_tokens])
        model = model_of(case, pool)
        curve = model.curve(pool.role, layout, np.array([pool.batch]), chunks)
        if pool.role == "prefill":  # no more than the plan gives it to do
            asked = pool.requests_per_s / curve.efficiency
            curve = replace(curve, requests_per_s=np.minimum(curve.requests_per_s, asked))
        latencies = counted(case.experiment.sla, curve, model)
        if pool.role == "agg":
            figures.tokens_per_s += pool.workers * float(curve.tokens_per_s[0])
            figures.groups[f"agg {number}"].add("decode", pool.workers, curve, latencies)
        else:
            figures.groups[f"{pool.backend} {curve.group}"].add(pool.role, pool.workers, curve, latencies)
    served = sum(min(group.requests_per_s.values()) for group in figures.groups.values())
    figures.tokens_per_s += case.experiment.workload.osl * served
    return figures


def model_of(case: Case, pool: PoolPlan) -> ServingModel:
    """The model on the engine and in the formats of ``pool``, on the fleet's pool that it runs in."""
    every, formats = case.experiment.fleet.every, asdict(pool.quant)
    return next(
        each.model
        for each in case.models
        if pool.pool in (None, every[each.pool].label)
        and each.model.tables.backend == pool.backend
        and asdict(each.model.quant) == formats
    )
