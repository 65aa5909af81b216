"""The solver's answer into a plan: integers back to the figures of the curves they came from."""

from dataclasses import replace
from typing import Any, cast

import msgspec

from aicfg import __version__
from aicfg.experiments.plans.likely import likely
from aicfg.experiments.plans.plan import (
    Certificate,
    Counted,
    MemoryGib,
    Objective,
    Plan,
    PoolPlan,
    Provenance,
    QuantPlan,
    Sources,
    Status,
    TablesUsed,
)
from aicfg.experiments.plans.shares import sources_of
from aicfg.experiments.solving.assemble import MICRO, Candidates, Mode
from aicfg.experiments.solving.bounds import GIB
from aicfg.experiments.solving.counted import Latencies, counts_plainly, default_margin
from aicfg.experiments.solving.outcomes import in_units, latencies_of
from aicfg.experiments.solving.prepare import Case
from aicfg.experiments.solving.recompute import cost_per_hour, recomputed
from aicfg.hardware.breakdown import breakdown
from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.regimes import regime_of
from aicfg.solver.answer import Answer
from aicfg.solver.objectives import STAGES

BOUNDS = ("ttft_ms", "tpot_ms", "request_latency_ms")
"""Keys of an agreement that are shown even where nothing is asked."""
_OPTIONAL = ("load", "constraints", "spare", "replan")
"""Keys of an experiment that are shown only where they are given."""


def plan_of(case: Case, mode: Mode, found: Candidates, answer: Answer, total_ms: float) -> Plan:
    """The plan that ``answer`` stands for; without one, a plan without pools."""
    pools = tuple(
        _pool(case, found, point, n) for point, n in zip(answer.points, answer.workers, strict=True)
    )
    experiment = case.experiment
    objective = STAGES[experiment.objective]
    gpus, most = experiment.fleet.budget, objective.maximize
    tokens_per_s = _micro(answer.tokens)
    divisor = gpus if most else answer.gpus_used
    kept, mean = latencies_of(case, found, answer)
    tpot_ms = mean.tpot_ms
    return Plan(
        schema=1,
        status=cast(Status, answer.status),
        experiment=experiment.name,
        mode=mode,
        inputs=inputs_of(case),
        profile=case.model.profile.name,
        provenance=provenance_of(case),
        objective=Objective(
            experiment.objective, in_units(answer.value, objective.per_unit), "max" if most else "min"
        ),
        pools=pools,
        ttft_ms=mean.ttft_ms,
        tpot_ms=tpot_ms,
        request_latency_ms=mean.request_latency_ms,
        concurrency=sum(pool.concurrency for pool in pools if pool.role != "prefill") if pools else None,
        tokens_per_s=tokens_per_s,
        tokens_per_s_per_gpu=None if tokens_per_s is None or not divisor else tokens_per_s / divisor,
        tokens_per_s_per_user=1000 / tpot_ms if tpot_ms else None,
        gpus_used=answer.gpus_used,
        gpus_budget=gpus,
        certificate=_certificate(
            answer, objective.per_unit, recomputed(case, pools) if pools else None, total_ms
        ),
        requests_per_s=_micro(answer.requests),
        cost_per_hour=cost_per_hour(experiment.fleet, pools) if pools else None,
        counted=_counted(case, kept),
        likely=likely(case.model.profile, pools, mean.ttft_ms, tpot_ms, tokens_per_s),
        left_out=case.left_out
        | {experiment.fleet.every[number].label: why for number, why in found.left_out.items()},
    )


def _counted(case: Case, kept: Latencies) -> Counted | None:
    """The latencies that the bounds are on; None where they are the plan's own, or there is no plan."""
    sla, profile = case.experiment.sla, case.model.profile
    if counts_plainly(sla, profile) or kept.tpot_ms is None:
        return None
    margin = default_margin(sla, profile)
    return Counted(sla.confidence, *kept, sla.ttft_percentile, sla.tpot_percentile, sla.arrivals, margin)


def inputs_of(case: Case) -> dict[str, Any]:
    """The experiment as understood, as plain values that load again."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(case.experiment))
    if not case.experiment.serving.backends:
        del plain["serving"]["backends"]
    work = case.experiment.workload
    if work.isl:
        plain["workload"] = {"isl": work.isl, "osl": work.osl, "prefix": work.prefix}
    elif not work.classes:
        plain["workload"]["reduce_to"] = work.reduce_to
    plain["sla"] = {
        key: value for key, value in plain["sla"].items() if key in BOUNDS or value not in (None, "closed")
    }
    return {key: value for key, value in plain.items() if key not in _OPTIONAL or value}


def _micro(value: int | None) -> float | None:
    return in_units(value, MICRO)


def _pool(case: Case, found: Candidates, point: int, workers: int) -> PoolPlan:
    """``workers`` workers at one of the solver's points."""
    number, at = int(found.curve[point]), int(found.index[point])
    curve, owner = found.curves[number], found.owner[number]
    batch, chunk_tokens = int(curve.batch[at]), int(curve.chunk_tokens[at])
    spent = breakdown(owner.model, curve.role, curve.layout, batch, chunk_tokens)
    pool = pool_of(owner.model, curve, at, workers, sources_of(spent.shares))
    fleet = case.experiment.fleet
    return replace(pool, pool=fleet.pools[owner.pool].label) if fleet.pools else pool


def pool_of(model: ServingModel, curve: Curve, at: int, workers: int, sources: Sources) -> PoolPlan:
    """``workers`` workers of ``curve``, running at its operating point ``at``."""
    layout, quant, memory, tables = curve.layout, curve.quant, curve.memory, model.tables
    return PoolPlan(
        role=curve.role,
        system=tables.system,
        backend=tables.backend,
        backend_version=tables.version,
        tp=layout.tp,
        pp=layout.pp,
        dp=layout.dp,
        cp=layout.cp,
        moe_tp=layout.moe_tp,
        moe_ep=layout.moe_ep,
        gpus_per_worker=layout.gpus,
        workers=workers,
        batch=int(curve.batch[at]),
        chunk_tokens=int(curve.chunk_tokens[at]) if curve.role == "agg" else None,
        quant=QuantPlan(quant.gemm, quant.moe, quant.kvcache, quant.fmha, quant.comm),
        step_ms=float(curve.step_ms[at]),
        requests_per_s=float(curve.requests_per_s[at]) * curve.efficiency,
        memory_gib=MemoryGib(
            weights=float(memory.weights[at]) / GIB,
            kv=float(memory.kv[at]) / GIB,
            activations=float(memory.activations[at]) / GIB,
            other=float(memory.other[at]) / GIB,
            limit=float(memory.limit[at]) / GIB,
        ),
        sources=sources,
        estimated=regime_of(model, curve.role, layout).estimated,
    )


def _certificate(answer: Answer, per_unit: int, again: float | None, total_ms: float) -> Certificate:
    statistics = answer.statistics
    return Certificate(
        engine=answer.engine,
        bound=in_units(answer.bound, per_unit),
        gap=answer.gap,
        recomputed=again,
        worker_types=statistics.worker_types,
        points=statistics.points_considered,
        rows=statistics.rows,
        solve_ms=statistics.solve_ms,
        total_ms=total_ms,
        checked_by=answer.checked_by,
    )


def provenance_of(case: Case) -> Provenance:
    """The tables that were read for a case, and where their rows come from."""
    used: dict[tuple[str, str, str], dict[str, tuple[str, ...]]] = {}
    for each in case.models:
        tables = each.model.tables
        for family in sorted(tables.opened):
            sources = tuple(f"{source.backend} {source.version}" for source in tables.sources(family))
            used.setdefault((tables.system, tables.backend, tables.version), {})[family] = sources
        used.setdefault((tables.system, tables.backend, tables.version), {})
    return Provenance(
        aicfg=__version__,
        tables=tuple(TablesUsed(*names, sources) for names, sources in used.items()),
        model=case.model.architecture.source,
    )
