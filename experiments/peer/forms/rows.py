"""Result rows in AIConfigurator's columns: names, order, units and rounding; our own columns follow."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from aicfg.experiments.peer.answers.deployments import Deployment, Pool
from aicfg.experiments.peer.answers.load import Load
from aicfg.experiments.peer.answers.outcome import Solved
from aicfg.experiments.solving.counted import default_margin
from aicfg.hardware.curve import Curve
from aicfg.model_specs.layout import Layout

GIB = 2.0**30

_FORMATS = ("gemm", "kvcache", "fmha", "moe", "comm")
_DEGREES = ("tp", "pp", "dp", "moe_tp", "moe_ep")

AGG_COLUMNS = (
    *("model", "isl", "osl", "prefix", "concurrency", "request_rate", "bs", "global_bs"),
    *("ttft", "tpot", "request_latency", "encoder_latency", "encoder_memory"),
    *("seq/s", "seq/s/gpu", "tokens/s", "tokens/s/gpu", "tokens/s/user", "num_total_gpus"),
    *(*_DEGREES, "cp", "parallel", *_FORMATS, "memory"),
    *("balance_score", "num_ctx_reqs", "num_gen_reqs", "num_tokens", "ctx_tokens", "gen_tokens"),
    *("backend", "version", "system", "power_w", "tokens/s/gpu_cluster"),
)


def _of(role: str, *names: str) -> tuple[str, ...]:
    return tuple(f"({role}){name}" for name in names)


DISAGG_COLUMNS = (
    *("model", "isl", "osl", "prefix", "concurrency", "request_rate"),
    *_of("p", "bs", "global_bs", "workers"),
    *_of("d", "bs", "global_bs", "workers"),
    *("ttft", "tpot", "request_latency", "encoder_latency"),
    *("seq/s", "seq/s/gpu", "tokens/s", "tokens/s/gpu", "tokens/s/user"),
    *("(p)seq/s/worker", "(d)seq/s/worker", "num_total_gpus"),
    *_of("p", *_DEGREES, "cp", "parallel", *_FORMATS, "memory", "backend", "version", "system"),
    *_of("d", *_DEGREES, "parallel", *_FORMATS, "memory", "backend", "version", "system"),
    *_of("e", "workers", "tp", "pp", "bs", "parallel", "memory"),
    *("power_w", "tokens/s/gpu_cluster"),
)
"""The columns of AIConfigurator 0.12.0's frames and CSV files."""

OWN_COLUMNS = ("sla_met", "ttft_slack", "tpot_slack", "binding_constraint", "optimality_gap", "data_source")
"""Appended by aicfg."""

LOAD_COLUMNS = ("replicas_needed", "total_gpus_needed", "load_served_pct")
"""Appended where a load is to be matched."""

_NO_ENCODER = {
    "encoder_latency": 0.0,
    "encoder_memory": 0.0,
    **dict.fromkeys(_of("e", "workers", "tp", "pp", "bs"), 0),
    "(e)parallel": "",
    "(e)memory": 0.0,
}


def columns(mode: str) -> tuple[str, ...]:
    """The columns of a mode's rows."""
    return (AGG_COLUMNS if mode == "agg" else DISAGG_COLUMNS) + OWN_COLUMNS


def rows(solved: Solved, deployments: Iterable[Deployment]) -> list[dict[str, Any]]:
    """One row a deployment: a replica's figures."""
    make = _agg_row if solved.request.mode == "agg" else _disagg_row
    order = columns(solved.request.mode)
    found = []
    for each in deployments:
        row = {**_NO_ENCODER, **_common(solved, each), **make(solved, each), **_own(solved, each)}
        found.append({name: _rounded(row[name]) for name in order})
    return found


def load_rows(
    load: Load | None, ranked: Sequence[tuple[Solved, Deployment]], mode: str
) -> list[dict[str, Any]]:
    """Rows of several engines together, with what each would take for ``load`` where one is given."""
    found = []
    for solved, each in ranked:
        (row,) = rows(solved, [each])
        if load is not None:
            replicas = load.replicas(each)
            served = 100.0 * min(1.0, replicas * each.requests_per_s / load.requests_per_s)
            row |= dict(zip(LOAD_COLUMNS, (replicas, replicas * each.gpus, round(served, 3)), strict=True))
        found.append(row)
    return found


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def parallel(layout: Layout) -> str:
    """A layout as AIConfigurator's columns write it."""
    return f"tp{layout.tp}pp{layout.pp}dp{layout.dp}etp{layout.moe_tp}ep{layout.moe_ep}"


def _common(solved: Solved, each: Deployment) -> dict[str, Any]:
    work, tokens, requests = solved.case.experiment.workload, each.tokens_per_s, each.requests_per_s
    return {
        "model": solved.case.experiment.model,
        "isl": work.isl,
        "osl": work.osl,
        "prefix": work.prefix,
        "concurrency": each.concurrency,
        "request_rate": requests,
        "ttft": each.ttft_ms,
        "tpot": each.tpot_ms,
        "request_latency": each.request_latency_ms,
        "seq/s": requests,
        "seq/s/gpu": requests / each.gpus,
        "tokens/s": tokens,
        "tokens/s/gpu": tokens / each.gpus,
        "tokens/s/user": 1000.0 / each.tpot_ms,
        "num_total_gpus": each.gpus,
        "power_w": 0.0,
        "tokens/s/gpu_cluster": solved.cluster_rate(each),
    }


def _pool(pool: Pool) -> dict[str, Any]:
    layout, quant, tables = pool.curve.layout, pool.curve.quant, pool.model.tables
    return {
        "bs": pool.batch,
        "global_bs": pool.batch * layout.dp,
        **{name: getattr(layout, name) for name in (*_DEGREES, "cp")},
        "parallel": parallel(layout),
        **{name: getattr(quant, name) for name in _FORMATS},
        "memory": float(pool.curve.memory.total[pool.at]) / GIB,
        "backend": tables.backend,
        "version": tables.version,
        "system": tables.system,
    }


def _agg_row(solved: Solved, each: Deployment) -> dict[str, Any]:
    (pool,) = each.pools
    work, chunk = solved.case.experiment.workload, int(pool.curve.chunk_tokens[pool.at])
    prompts = chunk / work.isl
    decoding = max(float(pool.batch) - float(np.ceil(prompts)), 0.0)
    queries = solved.case.model.speculative.queries
    return _pool(pool) | {
        "balance_score": work.isl * pool.batch / chunk / work.osl,
        "num_ctx_reqs": prompts,
        "num_gen_reqs": decoding,
        "num_tokens": chunk + decoding * queries,
        "ctx_tokens": chunk,
        "gen_tokens": decoding * queries,
    }


def _disagg_row(solved: Solved, each: Deployment) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for role, pool in zip(("p", "d"), each.pools, strict=True):
        facts = _pool(pool) | {
            "workers": pool.workers,
            "seq/s/worker": float(pool.curve.requests_per_s[pool.at]),
        }
        row |= {f"({role}){name}": value for name, value in facts.items()}
    return row


def _own(solved: Solved, each: Deployment) -> dict[str, Any]:
    request = solved.request
    bounds = {
        "ttft": (each.ttft_ms, request.bound("ttft")),
        "tpot": (each.tpot_ms, request.bound("tpot")),
        "request_latency": (each.request_latency_ms, request.bound("request_latency")),
    }
    slack = {key: None if bound is None else bound - value for key, (value, bound) in bounds.items()}
    best, rate = solved.plan.certificate.bound, each.tokens_per_s * each.replicas
    work = solved.case.experiment
    return {
        "sla_met": all(left is None or left >= 0 for left in slack.values()),
        "ttft_slack": slack["ttft"],
        "tpot_slack": slack["tpot"],
        "binding_constraint": next(_binding(solved, each, bounds), "gpus"),
        "optimality_gap": None if best is None else max(best - rate, 0.0) / rate,
        "data_source": f"{work.serving.data_mode}, profile {work.profile}",
    }


def _binding(
    solved: Solved, each: Deployment, bounds: dict[str, tuple[float, float | None]]
) -> Iterator[str]:
    """What keeps the workers that decode from the next larger batch; nothing where the GPUs run out first."""
    pool = each.pools[-1]
    after = _next_batch(pool.curve, pool.at)
    if after is None:
        most = solved.case.experiment.serving.search
        listed = getattr(most, pool.curve.role).max_batch or solved.case.model.profile.search
        limit = listed if isinstance(listed, int) else getattr(listed, pool.curve.role).max_batch
        yield "max_batch" if pool.batch >= limit else "memory"
        return
    ttft = max(each.ttft_ms, float(pool.curve.ttft_ms[after]))
    work = solved.case
    tpot = float(pool.curve.tpot_ms[after]) * default_margin(work.experiment.sla, work.model.profile)
    values = {"ttft": ttft, "tpot": tpot, "request_latency": ttft + tpot * (each.osl - 1)}
    yield from (key for key, (_, bound) in bounds.items() if bound is not None and values[key] > bound)


def _next_batch(curve: Curve, at: int) -> int | None:
    """The position of the next larger batch with the same chunk budget."""
    same = np.flatnonzero((curve.chunk_tokens == curve.chunk_tokens[at]) & (curve.batch > curve.batch[at]))
    return int(same[np.argmin(curve.batch[same])]) if len(same) else None
