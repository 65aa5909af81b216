"""One given configuration, without a search: what it does, what it takes, and where its time goes.

``Estimate`` is exactly what ``aicfg estimate --json`` prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from aicfg.experiments.ask.loader import Source, load
from aicfg.experiments.plans.likely import likely
from aicfg.experiments.plans.plan import Likely, PoolPlan, Provenance
from aicfg.experiments.plans.shares import Step, sources_of, steps_of
from aicfg.experiments.solving.compose import inputs_of, pool_of, provenance_of
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.hardware.breakdown import breakdown
from aicfg.hardware.curve import Role
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker type at one operating point, and how many of them."""

    role: Role
    batch: int = 1
    """Requests of an attention-data-parallel rank and pipeline stage."""
    chunk_tokens: int | None = None
    """Prompt tokens a step of an aggregated worker; None: the whole prompt's."""
    workers: int = 1
    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    moe_tp: int | None = None
    """None: what moe_ep leaves of the GPUs of a stage."""
    moe_ep: int | None = None
    """None: what moe_tp leaves of them; 1 where neither is given."""

    def layout(self, architecture: Architecture) -> Layout:
        """How the worker spreads the model, with the experts' degrees filled in."""
        moe_tp, moe_ep = self.moe_tp or 1, self.moe_ep or 1
        if architecture.moe is not None:
            ranks = self.tp * self.dp * self.cp
            moe_ep = self.moe_ep or (max(1, ranks // self.moe_tp) if self.moe_tp else 1)
            moe_tp = self.moe_tp or max(1, ranks // moe_ep)
        return Layout(self.tp, self.pp, self.dp, self.cp, moe_tp, moe_ep)


@dataclass(frozen=True)
class PoolEstimate:
    """What one pool does by itself."""

    pool: PoolPlan
    fits: bool
    """Whether its memory is within the limit."""
    ttft_ms: float | None
    tpot_ms: float | None
    steps: tuple[Step, ...]
    """Where its time goes."""


@dataclass(frozen=True)
class Estimate:
    """One given configuration. What does not apply (the TPOT of prefill workers alone) is ``None``."""

    schema: int
    experiment: str
    mode: Literal["agg", "disagg", "prefill", "decode"]
    inputs: dict[str, Any]
    profile: str
    provenance: Provenance
    pools: tuple[PoolEstimate, ...]
    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None
    concurrency: int
    requests_per_s: float
    tokens_per_s: float | None
    tokens_per_s_per_gpu: float | None
    """Divided by the GPUs that the configuration uses."""
    tokens_per_s_per_user: float | None
    gpus_used: int
    likely: Likely | None = None
    """Error bars; None under a profile that was never compared with measured runs of this engine."""

    def to_json(self, *, indent: int | None = None) -> str:
        """The estimate as JSON text; ``indent`` spaces make it pretty, ``None`` keeps it on one line."""
        compact = msgspec.json.encode(self)
        return (compact if indent is None else msgspec.json.format(compact, indent=indent)).decode()


def estimate(source: Source, *workers: Worker) -> Estimate:
    """What ``workers`` do together under the workload of one experiment; see ``estimate_of``.

    Parameters
    ----------
    source
        Path of a YAML file, a mapping with the same keys, or an ``Experiment``; how many GPUs its fleet has
        does not matter.
    workers
        Aggregated workers; or prefill workers, decode workers, or both.

    Raises
    ------
    InputError
        For anything wrong with the experiment or a worker.
    """
    experiments = load(source)
    if len(experiments) > 1:
        raise InputError(f"{len(experiments)} experiments: an estimate takes one")
    return estimate_of(prepare(experiments[0]), workers)


def estimate_of(case: Case, workers: Sequence[Worker]) -> Estimate:
    """What ``workers`` do together under the experiment's workload.

    Raises
    ------
    InputError
        For a layout that the model cannot have, or an operation that was not measured.
    """
    _check_roles(workers)
    if case.experiment.fleet.pools:
        raise InputError("fleet.pools: an estimate is of one system; give fleet: {system: …, gpus: …}")
    if len(case.models) > 1:
        raise InputError("serving: an estimate is of one engine, and of one format for each component")
    pools, tokens = zip(*(_pool(case, worker) for worker in workers), strict=True)
    ttft_ms = max((pool.ttft_ms for pool in pools if pool.ttft_ms is not None), default=None)
    tpot_ms = max((pool.tpot_ms for pool in pools if pool.tpot_ms is not None), default=None)
    osl, gpus = case.experiment.workload.osl, sum(each.pool.gpus for each in pools)
    requests_per_s, tokens_per_s = _rates(pools, tokens, osl)
    return Estimate(
        schema=1,
        experiment=case.experiment.name,
        mode="disagg" if len({worker.role for worker in workers}) > 1 else workers[0].role,
        inputs=inputs_of(case),
        profile=case.model.profile.name,
        provenance=provenance_of(case),
        pools=pools,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
        request_latency_ms=None if ttft_ms is None or tpot_ms is None else ttft_ms + (osl - 1) * tpot_ms,
        concurrency=sum(
            each.pool.concurrency for each in pools if len(pools) == 1 or each.tpot_ms is not None
        ),
        requests_per_s=requests_per_s,
        tokens_per_s=tokens_per_s,
        tokens_per_s_per_gpu=None if tokens_per_s is None else tokens_per_s / gpus,
        tokens_per_s_per_user=1000 / tpot_ms if tpot_ms else None,
        gpus_used=gpus,
        likely=likely(case.model.profile, [e.pool for e in pools], ttft_ms, tpot_ms, tokens_per_s),
    )


def _check_roles(workers: Sequence[Worker]) -> None:
    """One worker type a role, and no aggregated workers beside the others."""
    roles = [worker.role for worker in workers]
    if not roles or len(set(roles)) < len(roles) or ("agg" in roles and len(roles) > 1):
        given = ", ".join(roles) or "none"
        raise InputError(f"workers: got {given}; expected one of agg, prefill, decode, or prefill and decode")


def _pool(case: Case, worker: Worker) -> tuple[PoolEstimate, float]:
    """What a pool does by itself, and the output tokens/s of one of its workers."""
    model, layout = case.model, worker.layout(case.model.architecture)
    if reason := illegal(model.architecture, layout, model.graph(worker.role, layout)):
        raise InputError(f"{worker.role} {layout}: {reason}")
    chunk = (worker.chunk_tokens or model.workload.isl) if worker.role == "agg" else None
    chunks = None if chunk is None else np.array([chunk])
    try:
        curve = model.curve(worker.role, layout, np.array([worker.batch]), chunks)
    except MissingDataError as error:
        raise InputError(f"{worker.role} {layout}: {error}") from None
    spent = breakdown(model, worker.role, layout, worker.batch, chunk)
    pool = PoolEstimate(
        pool=pool_of(model, curve, 0, worker.workers, sources_of(spent.shares)),
        fits=bool(curve.memory.fits[0]),
        ttft_ms=None if worker.role == "decode" else float(curve.ttft_ms[0]),
        tpot_ms=None if worker.role == "prefill" else float(curve.tpot_ms[0]),
        steps=steps_of(spent),
    )
    return pool, float(curve.tokens_per_s[0])


def _rates(pools: Sequence[PoolEstimate], tokens: Sequence[float], osl: int) -> tuple[float, float | None]:
    """Requests/s of all pools together, and output tokens/s unless they only prefill."""
    plans = [each.pool for each in pools]
    by_role = {plan.role: plan.workers * plan.requests_per_s for plan in plans}
    if "agg" in by_role:
        return by_role["agg"], sum(plan.workers * each for plan, each in zip(plans, tokens, strict=True))
    requests = min(by_role.values())
    return requests, requests * osl if "decode" in by_role else None
