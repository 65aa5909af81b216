"""From a request to its result: the proven plan, the best of every other layout, and the frontier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import cast

import numpy as np

from aicfg.experiments.ask.loader import load
from aicfg.experiments.peer.answers.deployments import Deployment, Pool, deployment
from aicfg.experiments.peer.answers.front import front
from aicfg.experiments.peer.answers.own_points import own_points
from aicfg.experiments.peer.requests.replicas import limits
from aicfg.experiments.peer.requests.request import Request
from aicfg.experiments.peer.requests.roles import Formats
from aicfg.experiments.peer.requests.translate import Settings, Translation, narrowed, translate
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.solving.assemble import Candidates, Mode, ask, candidates
from aicfg.experiments.solving.compose import plan_of
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import AicfgError
from aicfg.solver.answer import Answer
from aicfg.solver.points import Ask, Role
from aicfg.solver.solve import solve


@dataclass(frozen=True)
class Wanted:
    """How much is worked out beside the plan."""

    top_n: int = 5
    frontier: bool = True
    strict: bool = False
    """Keep to the agreement on the frontier too."""
    engine: str = "highs"
    time_limit_s: float | None = None
    nearest: bool = False
    """Where nothing is feasible, go on with the nearest plan past the agreement."""


@dataclass(frozen=True)
class Solved:
    """A request that could be put to the solver, and what came of it."""

    request: Request
    translation: Translation
    case: Case
    plan: Plan
    """Of the whole budget: the replica's, repeated, where its size is limited (its bound as well)."""
    top: tuple[Deployment, ...]
    """The plan, then the best with every other layout that decodes; empty when nothing is feasible."""
    frontier: tuple[Deployment, ...]
    """Fastest first."""
    found: Candidates
    answers: tuple[Answer, ...]
    """The solver's answers behind ``top``."""
    violated: str = ""
    """Which bound the plans break, where the nearest ones past the agreement were asked for."""

    @property
    def gpus(self) -> int:
        """GPUs of the budget."""
        return int(self.request.get("total_gpus"))

    @property
    def system(self) -> str:
        """The GPU system, or both."""
        return " + ".join(dict.fromkeys(pool.system for pool in self.case.experiment.fleet.every))

    def cluster_rate(self, each: Deployment) -> float:
        """Output tokens/s of the whole deployment over the GPUs of the budget, idle ones included."""
        return each.tokens_per_s * each.replicas / self.gpus

    def plan_of(self, rank: int) -> Plan:
        """The plan of the whole budget behind one of ``top``, the best at 0."""
        if rank == 0:
            return self.plan
        plan = plan_of(self.case, cast(Mode, self.request.mode), self.found, self.answers[rank], 0.0)
        return repeated(plan, self.gpus)

    @property
    def best_rate(self) -> float:
        """Of the plan; 0 where there is none."""
        return self.cluster_rate(self.top[0]) if self.top else 0.0


def repeated(plan: Plan, gpus: int) -> Plan:
    """The plan of a replica, as often as it fits into a budget of ``gpus``."""
    if gpus == plan.gpus_budget or not plan.gpus_used or plan.tokens_per_s is None:
        return plan
    times = gpus // plan.gpus_used
    tokens_per_s, proof = plan.tokens_per_s * times, plan.certificate
    return replace(
        plan,
        pools=tuple(replace(pool, workers=pool.workers * times) for pool in plan.pools),
        objective=replace(plan.objective, value=tokens_per_s),
        certificate=replace(
            proof,
            bound=None if proof.bound is None else proof.bound * times,
            recomputed=None if proof.recomputed is None else proof.recomputed * times,
        ),
        concurrency=(plan.concurrency or 0) * times,
        tokens_per_s=tokens_per_s,
        tokens_per_s_per_gpu=tokens_per_s / gpus,
        gpus_used=plan.gpus_used * times,
        gpus_budget=gpus,
    )


@dataclass(frozen=True)
class Failed:
    """A request that could not be put to the solver, and why."""

    request: Request
    reason: str


def solve_request(request: Request, settings: Settings, wanted: Wanted) -> Solved:
    """The result of one request.

    Raises
    ------
    InputError
        For what is wrong with it; the message names the experiment.
    """
    translation = translate(request, settings)
    results = [_solved(request, translation, plain, wanted) for plain in translation.experiments]
    best = max(results, key=lambda each: each.best_rate)
    if best.top and any(pool.workers > most for pool, most in _limited(best)):
        narrow = narrowed(request, translation)
        results = [_solved(request, translation, plain, wanted, most=limits(request)) for plain in narrow]
        best = max(results, key=lambda each: each.best_rate)
    return _nearest(best, settings, wanted) if wanted.nearest and not best.top else best


def _limited(solved: Solved) -> Iterator[tuple[Pool, int]]:
    """The best plan's pools whose workers in a replica are limited, with the limit."""
    most = limits(solved.request)
    for pool in solved.top[0].pools:
        if pool.curve.role in most:
            yield pool, most[pool.curve.role]


def _nearest(solved: Solved, settings: Settings, wanted: Wanted) -> Solved:
    """What the smallest change of one latency bound makes possible; ``solved`` where none does."""
    changes = solved.plan.explanation.relaxations if solved.plan.explanation else ()
    bounds = [
        (each.needed / each.asked, each.constraint, each.asked, each.needed)
        for each in changes
        if isinstance(each.asked, float | int)
        and isinstance(each.needed, float | int)
        and each.constraint.startswith("sla.")
    ]
    if not bounds:
        return solved
    _, constraint, asked, needed = min(bounds, key=lambda each: each[0])
    key = constraint.removeprefix("sla.").removesuffix("_ms")
    eased = Request(solved.request.name, {**solved.request.values, key: needed})
    found = solve_request(eased, settings, replace(wanted, nearest=False))
    violated = f"{key} {needed:g} ms instead of {asked:g} ms"
    return replace(found, request=solved.request, violated=violated)


def outcomes(requests: list[Request], settings: Settings, wanted: Wanted) -> Iterator[Solved | Failed]:
    """The result of each request; one that cannot be solved does not keep the others from it."""
    for request in requests:
        try:
            yield solve_request(request, settings, wanted)
        except AicfgError as error:
            yield Failed(request, str(error))


def _solved(
    request: Request,
    translation: Translation,
    plain: dict[str, object],
    wanted: Wanted,
    most: dict[str, int] | None = None,
) -> Solved:
    started = perf_counter()
    (experiment,) = load(plain)
    case, mode = prepare(experiment), cast(Mode, request.mode)
    found = candidates(case)
    asked = ask(case, found, mode, wanted.time_limit_s)
    answer = solve(found.points, asked, wanted.engine)
    plan = plan_of(case, mode, found, answer, 1000 * (perf_counter() - started))
    if plan.status == "infeasible":
        from aicfg.experiments.around.explaining import explanation_of

        plan = replace(plan, mode=None, explanation=explanation_of(case, wanted.engine))
    plan = repeated(plan, int(request.get("total_gpus")))
    answers = tuple(_top(found, asked, answer, wanted))
    return Solved(
        request,
        translation,
        case,
        plan,
        tuple(_spread(request, found, each.points, each.workers) for each in answers),
        tuple(_frontier(request, translation.formats, found, asked, wanted, most)) if wanted.frontier else (),
        found,
        answers,
    )


def _top(found: Candidates, asked: Ask, answer: Answer, wanted: Wanted) -> Iterator[Answer]:
    """The answer, and the solver's answers without the layouts that decode in those before."""
    points = found.points
    left = np.arange(len(points))
    for _ in range(wanted.top_n):
        if not answer.points:
            return
        at = [int(left[point]) for point in answer.points]
        yield replace(answer, points=tuple(at))
        left = left[points.worker_type[left] != points.worker_type[at[-1]]]
        roles = set(points.role[left])
        if not ({Role.AGG} if asked.mode == "agg" else {Role.PREFILL, Role.DECODE}) <= roles:
            return
        answer = solve(points.take(left), asked, wanted.engine)


def _frontier(
    request: Request,
    own: Formats,
    found: Candidates,
    asked: Ask,
    wanted: Wanted,
    most: dict[str, int] | None,
) -> Iterator[Deployment]:
    """The frontier past the bounds on speed, or within them when that is asked for."""
    if not wanted.strict:
        asked = replace(asked, tpot_ns=None, request_latency_ns=None)
    by_request = request.bound("request_latency") is not None
    mine = np.flatnonzero(own_points(request, own, found))
    for corner in front(found.points.take(mine), asked, by_request=by_request, most=most):
        yield _spread(request, found, mine[list(corner.points)].tolist(), corner.workers)


def _spread(request: Request, found: Candidates, points: Sequence[int], workers: Sequence[int]) -> Deployment:
    """A plan, as often as it fits into the whole budget: once, unless the size of a replica is limited."""
    once = deployment(found, points, workers, int(request.get("osl")))
    times = int(request.get("total_gpus")) // (once.gpus * once.replicas)
    return replace(once, replicas=once.replicas * times)
