"""The solver's answer into a plan: integers back to the figures of the curves they came from."""

from typing import Any, cast

import msgspec

from aicfg import __version__
from aicfg.experiments.assemble import MICRO, NS_PER_MS, Candidates, Mode
from aicfg.experiments.plan import (
    Certificate,
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
from aicfg.experiments.prepare import Case
from aicfg.experiments.recompute import recomputed_tokens_per_s
from aicfg.experiments.shares import sources_of
from aicfg.hardware.breakdown import breakdown
from aicfg.hardware.curves import Curve
from aicfg.solver.answer import Answer

GIB = 2**30


def plan_of(case: Case, mode: Mode, found: Candidates, answer: Answer, total_ms: float) -> Plan:
    """The plan that ``answer`` stands for; without one, a plan without pools."""
    pools = tuple(
        _pool(case, found.curves[found.curve[point]], int(found.index[point]), workers)
        for point, workers in zip(answer.points, answer.workers, strict=True)
    )
    recomputed = recomputed_tokens_per_s(case.experiment, pools) if pools else None
    gpus = case.experiment.fleet.gpus
    value = None if answer.value is None else answer.value / MICRO
    tpot_ms = _ms(answer.tpot_ns)
    return Plan(
        schema=1,
        status=cast(Status, answer.status),
        experiment=case.experiment.name,
        mode=mode,
        inputs=inputs_of(case),
        profile=case.model.profile.name,
        provenance=provenance_of(case),
        objective=Objective(case.experiment.objective, value, "max"),
        pools=pools,
        ttft_ms=_ms(answer.ttft_ns),
        tpot_ms=tpot_ms,
        request_latency_ms=_ms(answer.request_latency_ns),
        concurrency=sum(pool.concurrency for pool in pools if pool.role != "prefill") if pools else None,
        tokens_per_s=value,
        tokens_per_s_per_gpu=None if value is None else value / gpus,
        tokens_per_s_per_user=1000 / tpot_ms if tpot_ms else None,
        gpus_used=answer.gpus_used,
        gpus_budget=gpus,
        certificate=_certificate(answer, recomputed, total_ms),
    )


def inputs_of(case: Case) -> dict[str, Any]:
    """The experiment as understood, as plain values that load again."""
    plain: dict[str, Any] = msgspec.to_builtins(case.experiment)
    return plain


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / NS_PER_MS


def _pool(case: Case, curve: Curve, at: int, workers: int) -> PoolPlan:
    batch, chunk_tokens = int(curve.batch[at]), int(curve.chunk_tokens[at])
    spent = breakdown(case.model, curve.role, curve.layout, batch, chunk_tokens)
    return pool_of(case, curve, at, workers, sources_of(spent.shares))


def pool_of(case: Case, curve: Curve, at: int, workers: int, sources: Sources) -> PoolPlan:
    """``workers`` workers of ``curve``, running at its operating point ``at``."""
    layout, quant, memory, tables = curve.layout, curve.quant, curve.memory, case.model.tables
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
    )


def _certificate(answer: Answer, recomputed: float | None, total_ms: float) -> Certificate:
    statistics = answer.statistics
    return Certificate(
        engine=answer.engine,
        bound=None if answer.bound is None else answer.bound / MICRO,
        gap=answer.gap,
        recomputed=recomputed,
        worker_types=statistics.worker_types,
        points=statistics.points_considered,
        rows=statistics.rows,
        solve_ms=statistics.solve_ms,
        total_ms=total_ms,
        checked_by=answer.checked_by,
    )


def provenance_of(case: Case) -> Provenance:
    """The tables that were read for a case, and where their rows come from."""
    tables = case.model.tables
    sources = {
        family: tuple(f"{source.backend} {source.version}" for source in tables.sources(family))
        for family in sorted(tables.opened)
    }
    return Provenance(
        aicfg=__version__,
        tables=(TablesUsed(tables.system, tables.backend, tables.version, sources),),
        model=case.model.architecture.source,
    )
