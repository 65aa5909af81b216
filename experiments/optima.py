"""Best plans of many variants of an experiment, sharing what does not change between them.

Latency curves depend neither on the bounds nor on the budget, so they are computed once at the largest fleet.
Loosening a bound only adds plans, and the order of plans does not depend on the bounds; hence

reuse
    The best plan under looser bounds is the best under tighter ones that it holds; none stays none.
skip
    A mode whose best under looser bounds is worse than the other mode's plan need not be solved.

Both are exact: an outcome is that of ``aicfg solve``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from aicfg.experiments.assemble import MICRO, NS_PER_MS, Candidates, Mode, ask, candidates, modes
from aicfg.experiments.budgets import gpus_of, with_gpus
from aicfg.experiments.prepare import Case, prepare
from aicfg.experiments.schema import Experiment
from aicfg.model_specs.errors import InputError
from aicfg.solver.answer import Answer, Holds
from aicfg.solver.errors import NodePackingError, UnsupportedAskError
from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import STAGES
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.solve import solve
from aicfg.solver.within import within

BOUNDS = ("ttft_ns", "tpot_ns", "request_latency_ns")


@dataclass(frozen=True)
class PoolOutcome:
    """Equal workers of a best plan."""

    role: str
    layout: str
    workers: int
    gpus: int
    """Of all of them."""
    batch: int
    pool: str = ""
    """Name of the fleet's pool, where there are several."""

    def __str__(self) -> str:
        where = f" on {self.pool}" if self.pool else ""
        return f"{self.workers:,} × {self.layout} {self.role}{where} (batch {self.batch})"


@dataclass(frozen=True)
class Outcome:
    """The best plan of a variant in a few figures, named as those of ``Plan``; ``None`` without a plan."""

    status: str
    objective: str
    objective_value: float | None
    mode: str | None
    tokens_per_s: float | None
    tokens_per_s_per_gpu: float | None
    tokens_per_s_per_user: float | None
    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None
    gpus_used: int | None
    gpus_budget: int
    pools: tuple[PoolOutcome, ...]

    @property
    def words(self) -> str:
        """The pools in a few words."""
        return " + ".join(map(str, self.pools))


class Optima:
    """Best plans of experiments, each solved when asked for."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self._largest: dict[bytes, Experiment] = {}
        self._family: dict[bytes, Family] = {}
        for each in experiments:
            known = self._largest.setdefault(family_key(each), each)
            most = tuple(map(max, gpus_of(known.fleet), gpus_of(each.fleet)))
            fleet = with_gpus(known.fleet, most)
            self._largest[family_key(each)] = msgspec.structs.replace(known, fleet=fleet)

    def outcome(self, experiment: Experiment) -> Outcome:
        """The best plan of one of the experiments."""
        return self.family(experiment).outcome(experiment)

    def family(self, experiment: Experiment) -> "Family":
        """What the experiment shares with those that differ in bounds and budget alone."""
        key = family_key(experiment)
        if key not in self._family:
            self._family[key] = Family(prepare(self._largest[key]))
        return self._family[key]


def family_key(experiment: Experiment) -> bytes:
    """Equal for experiments that differ in their bounds and their number of GPUs alone."""
    fleet = with_gpus(experiment.fleet, [1] * len(gpus_of(experiment.fleet)))
    return msgspec.json.encode(msgspec.structs.replace(experiment, sla=experiment.sla.unbounded, fleet=fleet))


def loosest_first(experiment: Experiment) -> tuple[float, ...]:
    """Sorts experiments of a family so that looser ones, whose plans may do for others, come early."""
    sla = experiment.sla
    bounds = (sla.ttft_ms, sla.request_latency_ms, sla.tpot_ms)
    return (-sum(gpus_of(experiment.fleet)), *(float("-inf") if each is None else -each for each in bounds))


class Family:
    """Best plans over the curves of one case, whose budget is the largest that will be asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.found: Candidates = candidates(case)
        largest = {mode: self._ask(case, mode) for mode in modes(case)}
        self._best = {mode: _Mode(self.found, each) for mode, each in largest.items()}
        names = [pool.name for pool in next(iter(largest.values())).pools]
        self._pool_names = names if len(names) > 1 else [""]

    def outcome(self, experiment: Experiment) -> Outcome:
        """The best plan of an experiment of the family."""
        mode, answer = self.best(self.asks(experiment))
        return self._outcome(answer, mode, sum(gpus_of(experiment.fleet)))

    def case_of(self, experiment: Experiment) -> Case:
        """The case of an experiment of the family."""
        understood = self.case.experiment
        fleet = with_gpus(understood.fleet, gpus_of(experiment.fleet))
        whole = msgspec.structs.replace(understood, sla=experiment.sla, fleet=fleet)
        return replace(self.case, experiment=whole)

    def asks(self, experiment: Experiment) -> dict[Mode, Ask]:
        """What an experiment of the family asks for in each mode."""
        case = self.case_of(experiment)
        return {mode: self._ask(case, mode) for mode in modes(case)}

    def best(self, asks: dict[Mode, Ask]) -> tuple[Mode, Answer]:
        """The mode whose plan is the best, and the plan; of equal ones, or where none has any, the first."""
        limits = {mode: self._best[mode].limit(each) for mode, each in asks.items()}
        answers: dict[Mode, Answer] = {}
        for mode in sorted(asks, key=lambda mode: -limits[mode]):
            if not any(limits[mode] < _worth(each) for each in answers.values()):
                answers[mode] = self._best[mode].answer(asks[mode])
        ordered = [mode for mode in asks if mode in answers]
        mode = min(ordered, key=lambda mode: _rank(answers[mode]))
        return mode, answers[mode]

    def _ask(self, case: Case, mode: Mode) -> Ask:
        return ask(case, self.found, mode, None)

    def _outcome(self, answer: Answer, mode: Mode, budget: int) -> Outcome:
        tokens = None if answer.tokens is None else answer.tokens / MICRO
        tpot = _ms(answer.tpot_ns)
        return Outcome(
            status=answer.status,
            objective=answer.objective,
            objective_value=None
            if answer.value is None
            else answer.value / STAGES[answer.objective].per_unit,
            mode=mode if answer.points else None,
            tokens_per_s=tokens,
            tokens_per_s_per_gpu=None if tokens is None else tokens / budget,
            tokens_per_s_per_user=1000 / tpot if tpot else None,
            ttft_ms=_ms(answer.ttft_ns),
            tpot_ms=tpot,
            request_latency_ms=_ms(answer.request_latency_ns),
            gpus_used=answer.gpus_used,
            gpus_budget=budget,
            pools=self._pools(answer),
        )

    def gpus_in(self, pool: int, answer: Answer) -> int:
        """GPUs that an answer uses of one of the fleet's pools."""
        points = self.found.points
        used = zip(answer.points, answer.workers, strict=True)
        return sum(n * int(points.gpus[p]) for p, n in used if points.pool[p] == pool)

    def words(self, answer: Answer) -> str:
        """The pools of an answer in a few words."""
        return " + ".join(map(str, self._pools(answer)))

    def _pools(self, answer: Answer) -> tuple[PoolOutcome, ...]:
        return tuple(self._pool(p, n) for p, n in zip(answer.points, answer.workers, strict=True))

    def _pool(self, point: int, workers: int) -> PoolOutcome:
        curve = self.found.curves[self.found.curve[point]]
        batch = int(curve.batch[self.found.index[point]])
        pool = self._pool_names[int(self.found.points.pool[point])]
        return PoolOutcome(curve.role, str(curve.layout), workers, workers * curve.layout.gpus, batch, pool)


class _Mode:
    """Answers of one mode, remembered with what they answer."""

    def __init__(self, found: Candidates, largest: Ask) -> None:
        loosest = replace(largest, ttft_ns=None, tpot_ns=None, request_latency_ns=None, constraints=())
        self._positions: IntArray = within(found.points, loosest)
        self._points: Points = found.points.take(self._positions)
        self._known: list[tuple[Ask, Answer]] = []

    def limit(self, asked: Ask) -> float:
        """No plan of ``asked`` is worth more."""
        return min(
            (_worth(answer) for ask, answer in self._known if _looser(ask, asked)), default=float("inf")
        )

    def answer(self, asked: Ask) -> Answer:
        """The best plan of ``asked``, in positions of all points."""
        for known, answer in reversed(self._known):
            if _looser(known, asked) and self._stays(answer, asked):
                return self._placed(answer)
        try:
            answer = solve(self._points, asked)
        except (NodePackingError, UnsupportedAskError) as error:
            raise InputError(str(error)) from None
        if answer.holds in (Holds.OPTIMAL, Holds.INFEASIBLE):
            self._known.append((asked, answer))
        return self._placed(answer)

    def _stays(self, answer: Answer, asked: Ask) -> bool:
        """Whether an answer to looser bounds is that to ``asked``: it holds them too, or there is none."""
        if answer.holds is Holds.INFEASIBLE:
            return True
        reached = ((getattr(answer, name), getattr(asked, name)) for name in BOUNDS)
        if any(bound is not None and figure is not None and figure > bound for figure, bound in reached):
            return False
        counts = dict(zip(answer.points, answer.workers, strict=True))
        return not evaluate(self._points, asked, counts).broken

    def _placed(self, answer: Answer) -> Answer:
        return replace(answer, points=tuple(int(self._positions[p]) for p in answer.points))


def _looser(ask: Ask, than: Ask) -> bool:
    """Whether ``ask`` allows every plan that ``than`` allows; both are of one family and mode.

    The user's own constraints may speak of the budget: with any, budgets that differ are not compared.
    """
    if ask.constraints and ask.pools != than.pools:
        return False
    for name in BOUNDS:
        bound, other = getattr(ask, name), getattr(than, name)
        if bound is not None and (other is None or other > bound):
            return False
    return all(a.gpus >= b.gpus for a, b in zip(ask.pools, than.pools, strict=True))


def _rank(answer: Answer) -> tuple[float, ...]:
    """Better plans first, as ``aicfg solve`` orders those of different modes."""
    return (-_worth(answer), answer.gpus_used or 0, answer.ttft_ns or 0, answer.tpot_ns or 0)


def _worth(answer: Answer) -> float:
    """More is better; below any plan without one."""
    if answer.value is None:
        return float("-inf")
    return answer.value if STAGES[answer.objective].maximize else -answer.value


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / NS_PER_MS
