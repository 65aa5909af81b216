"""The solver's answers as outcomes: a plan in a few figures, for tables of many."""

from collections.abc import Sequence

from aicfg.experiments.plans.tradeoffs import Outcome, PoolOutcome
from aicfg.experiments.solving.assemble import MICRO, NS_PER_MS, Candidates
from aicfg.experiments.solving.counted import Latencies, counts_plainly, worst
from aicfg.experiments.solving.prepare import Case
from aicfg.solver.answer import Answer
from aicfg.solver.objectives import STAGES


def latencies_of(case: Case, found: Candidates, answer: Answer) -> tuple[Latencies, Latencies]:
    """The worst latencies of an answer as the agreement counts them, and as they are."""
    times = (answer.ttft_ns, answer.tpot_ns, answer.request_latency_ns)
    kept = Latencies(*(in_units(each, NS_PER_MS) for each in times))
    if counts_plainly(case.experiment.sla, case.model.profile) or not answer.points:
        return kept, kept
    used = ((found.curves[found.curve[p]], int(found.index[p])) for p in answer.points)
    return kept, worst(used, case.experiment.workload.osl - 1)


def outcome_of(case: Case, found: Candidates, answer: Answer) -> Outcome:
    """The figures of an answer to what ``case`` asks."""
    budget = case.experiment.fleet.budget
    tokens = in_units(answer.tokens, MICRO)
    _, mean = latencies_of(case, found, answer)
    return Outcome(
        status=answer.status,
        objective=answer.objective,
        objective_value=in_units(answer.value, STAGES[answer.objective].per_unit),
        mode=answer.mode if answer.points else None,
        tokens_per_s=tokens,
        tokens_per_s_per_gpu=None if tokens is None else tokens / budget,
        tokens_per_s_per_user=1000 / mean.tpot_ms if mean.tpot_ms else None,
        ttft_ms=mean.ttft_ms,
        tpot_ms=mean.tpot_ms,
        request_latency_ms=mean.request_latency_ms,
        gpus_used=answer.gpus_used,
        gpus_budget=budget,
        pools=pool_outcomes(case, found, answer.points, answer.workers),
    )


def in_units(value: int | None, per_unit: float) -> float | None:
    """The solver's whole number in the plan's unit."""
    return None if value is None else value / per_unit


def pool_outcomes(
    case: Case, found: Candidates, points: Sequence[int], workers: Sequence[int]
) -> tuple[PoolOutcome, ...]:
    """The plan with ``workers`` workers at each of the solver's ``points``."""
    return tuple(_pool(case, found, p, n) for p, n in zip(points, workers, strict=True))


def _pool(case: Case, found: Candidates, point: int, workers: int) -> PoolOutcome:
    curve, owner = found.curves[found.curve[point]], found.owner[found.curve[point]]
    fleet, at = case.experiment.fleet, found.index[point]
    return PoolOutcome(
        curve.role,
        str(curve.layout),
        workers,
        workers * curve.layout.gpus,
        int(curve.batch[at]),
        fleet.pools[owner.pool].label if len(fleet.pools) > 1 else "",
        int(curve.chunk_tokens[at]) if curve.role == "agg" else None,
        owner.model.tables.backend if len(case.experiment.serving.engines) > 1 else "",
    )
