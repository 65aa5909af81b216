"""A plan's deployment simulated: how long its requests really wait, step by step.

``Simulation`` is exactly what ``aicfg simulate --json`` prints.
"""

from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from aicfg.experiments.ask.loader import load
from aicfg.experiments.plans.plan import Plan, PoolPlan
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.experiments.solving.recompute import model_of
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.runs import most_requests
from aicfg.hardware.simulation import Engine, Trace, drawn_requests
from aicfg.hardware.simulation import simulate as simulate_rank
from aicfg.hardware.simulation_pairs import DecodeSide, PrefillSide, simulate_pair
from aicfg.hardware.step_costs import LENGTHS, Surface, step_costs
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.layout import Layout

Loop = Literal["closed", "poisson"]
WAVES = 20
"""Requests of each client, unless a number is given."""


@dataclass(frozen=True)
class Run:
    """What a deployment is put under."""

    arrivals: Loop = "closed"
    """Clients that ask anew when their answer ends, or Poisson arrivals."""
    requests: int | None = None
    """Of the whole run; None: twenty for each in flight."""
    requests_per_s: float | None = None
    """Mean rate of Poisson arrivals; None: what the plan can serve."""
    spread: float = 0.1
    """Lengths are drawn evenly around the nominal ones, by this share up and down."""
    opening: bool = False
    """Whether the first requests, which all come at once, count too."""
    seed: int = 0


@dataclass(frozen=True)
class Distribution:
    """Of one latency over the requests, in ms."""

    mean: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Simulation:
    """How a plan's requests fare."""

    schema: int
    experiment: str
    mode: str
    arrivals: Loop
    seed: int
    spread: float
    opening: bool
    requests: int
    """That were counted."""
    concurrency: float
    """Requests in flight on average."""
    requests_per_s: float
    tokens_per_s: float
    tokens_per_s_per_gpu: float
    """Divided by the GPUs that the plan uses."""
    ttft_ms: Distribution
    tpot_ms: Distribution
    plan_ttft_ms: float
    """What the plan says: means."""
    plan_tpot_ms: float
    plan_tokens_per_s: float

    def to_json(self, *, indent: int | None = None) -> str:
        """The simulation as JSON text."""
        compact = msgspec.json.encode(self)
        return (compact if indent is None else msgspec.json.format(compact, indent=indent)).decode()


@dataclass(frozen=True)
class _Part:
    """Equal ranks of which one was simulated, or the pair of roles."""

    trace: Trace
    ranks: int


def simulate(
    plan: Plan,
    *,
    arrivals: Loop = "closed",
    requests: int | None = None,
    requests_per_s: float | None = None,
    spread: float = 0.1,
    opening: bool = False,
    seed: int = 0,
) -> Simulation:
    """How the requests of a plan's deployment fare, simulated step by step; the keywords are those of `Run`.

    Raises
    ------
    InputError
        For a plan without pools.
    """
    return simulate_plan(plan, Run(arrivals, requests, requests_per_s, spread, opening, seed))[0]


def simulate_plan(plan: Plan, asked: Run) -> tuple[Simulation, FloatArray, FloatArray]:
    """Simulates the deployment that a plan describes.

    Returns
    -------
    The figures, and TTFT and TPOT (N,) of the requests that were counted, in ms.

    Raises
    ------
    InputError
        For a plan without pools.
    """
    if not plan.pools:
        raise InputError(f"{plan.experiment}: has no pools ({plan.status}); there is nothing to simulate")
    (experiment,) = load(plan.inputs)
    case, scale = prepare(experiment), 1.0
    if asked.requests_per_s is not None:
        scale = asked.requests_per_s / (plan.requests_per_s or sum(_rate(pool) for pool in plan.pools))
    agg = [pool for pool in plan.pools if pool.role == "agg"]
    parts = [_aggregated(model_of(case, pool), pool, asked, scale) for pool in agg]
    if len(agg) < len(plan.pools):
        parts.append(_disaggregated(case, plan, asked, scale))
    return _together(plan, asked, parts)


def _rate(pool: PoolPlan) -> float:
    return 0.0 if pool.role == "prefill" else pool.workers * pool.requests_per_s


def _layout(pool: PoolPlan) -> Layout:
    return Layout(pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)


def _aggregated(model: ServingModel, pool: PoolPlan, asked: Run, scale: float) -> _Part:
    """One rank of the pool."""
    work, ranks = model.workload, pool.workers * pool.dp * pool.pp
    closed = asked.arrivals == "closed"
    count = max(asked.requests // ranks, 1) if asked.requests else WAVES * pool.batch
    rate = None if closed else scale * pool.workers * pool.requests_per_s / ranks
    requests = drawn_requests(count, work.isl, work.osl, asked.spread, asked.seed, rate, work.prefix)
    return _Part(simulate_rank(engine_of(model, pool), requests, pool.batch if closed else None), ranks)


def engine_of(model: ServingModel, pool: PoolPlan) -> Engine:
    """One rank of an aggregated pool."""
    return engine_at(model, _layout(pool), pool.batch, pool.chunk_tokens or model.workload.isl)


def engine_at(model: ServingModel, layout: Layout, batch: int, chunk: int) -> Engine:
    """One rank of an aggregated worker, as the profile says that its engine schedules."""
    work, backend = model.workload, model.tables.backend
    rule, share = model.profile.aggregated[backend], model.profile.memory.kv_budget[backend].reserved_answer
    engine = Engine(
        costs=step_costs(model, "agg", layout, 2.0 * batch, chunk),
        prompts="beside",
        chunk_tokens=chunk,
        cache_tokens=max(most_requests(model, layout), batch) * (work.isl + share * work.osl),
        reserved_answer=share,
        progress=model.speculative.progress,
    )
    if not isinstance(rule, FlowLaw):  # such a profile says nothing of what is not computing
        return engine
    return replace(
        engine,
        prompts=rule.prompts,
        interference=rule.interference,
        first_token_ms=rule.first_token_ms,
        first_token_steps=rule.first_token_steps,
        prompt=rule.prompt,
    )


def _disaggregated(case: Case, plan: Plan, asked: Run, scale: float) -> _Part:
    """All prefill and decode ranks together; of several types of a role, as many of the first."""
    by_role = {role: [pool for pool in plan.pools if pool.role == role] for role in ("prefill", "decode")}
    giver, taker = (by_role[role][0] for role in ("prefill", "decode"))
    work = case.experiment.workload
    decode = decode_side(model_of(case, taker), taker, _ranks(by_role["decode"]))
    prefill = prefill_side(model_of(case, giver), giver, _ranks(by_role["prefill"]))
    closed, clients = asked.arrivals == "closed", decode.ranks * decode.batch
    served = plan.requests_per_s if len(plan.pools) == 2 and plan.requests_per_s else None
    rate = None if closed else scale * (served or min(sum(map(_rate, each)) for each in by_role.values()))
    requests = drawn_requests(
        asked.requests or WAVES * clients, work.isl, work.osl, asked.spread, asked.seed, rate, work.prefix
    )
    return _Part(simulate_pair(prefill, decode, requests, clients if closed else None), 1)


def _ranks(pools: list[PoolPlan]) -> int:
    return sum(pool.workers * pool.dp * pool.pp for pool in pools)


def prefill_side(model: ServingModel, pool: PoolPlan, ranks: int) -> PrefillSide:
    """The ranks of a pool of prefill workers."""
    layout, work, profile = _layout(pool), model.workload, model.profile
    step, many = model.step("prefill", layout), np.arange(1.0, pool.batch + 1)
    lengths = np.unique(np.linspace(max(work.isl // 2, work.prefix + 1), work.isl, LENGTHS).astype(np.int64))
    times = [
        step.prefill_ms(many, int(isl), work.prefix) * profile.phases.prefill_correction for isl in lengths
    ]
    constant = profile.disaggregated.first_token_ms[model.tables.backend]
    hand_over = model.kv_transfer_ms(layout) + constant
    return PrefillSide(ranks, pool.batch, Surface(many, lengths, np.array(times).T), hand_over)


def decode_side(model: ServingModel, pool: PoolPlan, ranks: int) -> DecodeSide:
    """The ranks of a pool of decode workers."""
    costs = step_costs(model, "decode", _layout(pool), pool.batch, model.workload.isl)
    correction = model.profile.phases.decode_correction
    return DecodeSide(ranks, pool.batch, costs.decode.times(correction), model.speculative.progress)


def _together(plan: Plan, asked: Run, parts: list[_Part]) -> tuple[Simulation, FloatArray, FloatArray]:
    counted = [part.trace if asked.opening else part.trace.steady() for part in parts]
    rates = [part.ranks * _throughput(trace) for part, trace in zip(parts, counted, strict=True)]
    requests_per_s, tokens_per_s = (float(sum(each)) for each in zip(*rates, strict=True))
    ttft = np.concatenate([trace.ttft_ms for trace in counted])
    tpot = np.concatenate([trace.tpot_ms for trace in counted])
    lasting = np.concatenate([trace.end_ms - trace.arrival_ms for trace in counted])
    simulation = Simulation(
        schema=1,
        experiment=plan.experiment,
        mode=str(plan.mode),
        arrivals=asked.arrivals,
        seed=asked.seed,
        spread=asked.spread,
        opening=asked.opening,
        requests=len(ttft),
        concurrency=requests_per_s * float(lasting.mean()) / 1000.0,
        requests_per_s=requests_per_s,
        tokens_per_s=tokens_per_s,
        tokens_per_s_per_gpu=tokens_per_s / (plan.gpus_used or 1),
        ttft_ms=_distribution(ttft),
        tpot_ms=_distribution(tpot),
        plan_ttft_ms=plan.ttft_ms or 0.0,
        plan_tpot_ms=plan.tpot_ms or 0.0,
        plan_tokens_per_s=plan.tokens_per_s or 0.0,
    )
    return simulation, ttft, tpot


def _throughput(trace: Trace) -> FloatArray:
    """Requests/s and tokens/s: what ended while the requests counted arrived."""
    first, last = float(trace.arrival_ms.min()), float(trace.arrival_ms.max())
    seconds = max(last - first, 1e-9) / 1000.0
    return np.array([len(trace.osl) - 1, float(trace.osl.mean() - 1) * (len(trace.osl) - 1)]) / seconds


def _distribution(values: FloatArray) -> Distribution:
    p50, p90, p99 = np.quantile(values, [0.5, 0.9, 0.99]).tolist()
    return Distribution(float(values.mean()), p50, p90, p99)
