"""From points and a capacity question to a plan with its proof.

Lexicographic: what the ask's objective names, changes of today's workers paid; fewest GPUs (over time:
GPU-hours); fewest worker types; the first of these in canonical order (of one type a role; of several the
lowest sum of their ranks). Where changes have no price but are to be avoided altogether, the fewest
changes come first. A stage is the program again, with what the earlier ones reached as bounds.

proof
    Workers, purchases and changes are whole numbers, so GPUs, cost and changes are multiples of a known unit
    (``Program.lattice``). A bound is raised to the next multiple: where it meets the plan's value the plan is
    the best, also when the engine stopped before its own bound got there. Tokens/s are proven to a relative
    ``TOLERANCE``, like those of several worker types.
"""

from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from aicfg.solver.answer import STATUS, Ended, Holds, Outcome, Statistics, holds
from aicfg.solver.capacity_check import check_capacity
from aicfg.solver.capacity_plan import CapacityPlan, broken, changes, value
from aicfg.solver.capacity_points import capacity_points, within_classes
from aicfg.solver.certify import TOLERANCE
from aicfg.solver.errors import EngineImpreciseError, EnginesDisagree
from aicfg.solver.frame import Frame
from aicfg.solver.objectives import objective_of
from aicfg.solver.order import canonical_weight
from aicfg.solver.points import Ask, Bound, IntArray, Points, Quantity
from aicfg.solver.program import Program, state
from aicfg.solver.stages import Clock
from aicfg.solver.unique import unique
from aicfg.solver.within import of_mode

LEAST_TIME = 1e-9
"""Workers' time below it is none."""


CHECK_S = 60.0
"""Seconds that CP-SAT has to check a plan, where nothing else is asked for."""
NEAR = 1e-5
"""Relative difference of tokens/s that whole parts of time may make in CP-SAT."""
NOTHING = Outcome("highs", "", Ended.PROVEN_INFEASIBLE, None, None)
"""Without a point within the bounds there is no plan, whatever an engine makes of an empty program."""


@dataclass(frozen=True)
class CapacityAnswer:
    """A capacity plan with its proof; ``per_unit`` of ``value`` and ``bound`` make one of the objective."""

    ended: Ended
    engine: str
    version: str
    plan: CapacityPlan | None
    value: int | None
    bound: int | None
    per_unit: int
    statistics: Statistics = field(default_factory=Statistics)
    checked_by: tuple[str, ...] = ()

    @property
    def holds(self) -> Holds:
        """What is in hand."""
        return holds(self.ended, self.plan is not None)

    @property
    def status(self) -> str:
        """``optimal``, ``feasible``, ``infeasible`` or ``unknown``."""
        return STATUS[self.holds]

    @property
    def gap(self) -> float | None:
        """|bound - value| / value; 0.0 at a proven optimum."""
        if self.value is None or self.bound is None:
            return None
        return abs(self.bound - self.value) / abs(self.value) if self.value else 0.0


def solve_capacity(points: Points, ask: Ask, engine: str = "highs") -> CapacityAnswer:
    """The best plan for classes of requests, over time, with spares, offers and today's workers.

    Parameters
    ----------
    engine
        ``highs``, ``pyomo``, ``cpsat`` (the direct formulation), or ``both``: HiGHS, checked by CP-SAT.

    Raises
    ------
    EnginesDisagree, EngineImpreciseError, NodePackingError, InputError, UnsupportedAskError
        As ``solve.solve``.
    """
    started = perf_counter()
    check_capacity(points, ask)
    if engine == "cpsat":
        from aicfg.solver.cpsat_capacity import solve_cpsat_capacity

        return replace(solve_cpsat_capacity(points, ask), statistics=_considered(points, ask))
    kept = capacity_points(points, ask)
    answer = _Search(points, ask, kept, "highs" if engine == "both" else engine).best()
    took = replace(answer.statistics, solve_ms=1e3 * (perf_counter() - started))
    answer = replace(answer, statistics=took)
    if engine != "both":
        return answer
    from aicfg.solver.cpsat_capacity import solve_cpsat_capacity

    limit = CHECK_S if ask.time_limit_s is None else ask.time_limit_s
    other = solve_cpsat_capacity(points, replace(ask, time_limit_s=limit), answer.plan)
    return replace(answer, checked_by=agreed(answer, other, ask))


def agreed(one: CapacityAnswer, other: CapacityAnswer, ask: Ask) -> tuple[str, ...]:
    """The other engine's name where it proved the same; nothing where either proved nothing in time.

    Raises
    ------
    EnginesDisagree
        When a proof of one contradicts a proof or a plan of the other.
    """
    proofs, most = (Holds.OPTIMAL, Holds.INFEASIBLE), objective_of(ask).maximize
    proven = [each for each in (one, other) if each.holds in proofs]
    same = not any(_contradicts(each, one if each is other else other, most) for each in proven)
    if same and len(proven) < 2:
        return ()
    if not same:
        claims = [f"{each.engine} says {each.status} at {each.value}" for each in (one, other)]
        raise EnginesDisagree(", but ".join(claims))
    return (other.engine,)


def _keeping(ask: Ask, quantity: Quantity, reached: int) -> Ask:
    """``ask`` with what a stage reached as a bound."""
    at_least = quantity == "goal" and objective_of(ask).maximize
    return replace(ask, reached=(*ask.reached, Bound(quantity, at_least, reached)))


def _contradicts(proof: CapacityAnswer, other: CapacityAnswer, most: bool) -> bool:
    """Whether ``other`` has a plan that the proof excludes, or proves another value."""
    if other.value is None or proof.value is None:
        return other.plan is not None or (other.holds is Holds.INFEASIBLE and proof.plan is not None)
    near = NEAR * abs(proof.value) if most else 0.0
    better = other.value - proof.value if most else proof.value - other.value
    return better > near or (other.holds is Holds.OPTIMAL and better < -near)


class _Search:
    """The stages of one question."""

    def __init__(self, points: Points, ask: Ask, kept: IntArray, engine: str) -> None:
        self.points, self.ask, self.kept, self.engine = points, ask, kept, engine
        self.of, self.clock = points.take(kept), Clock.of(ask)
        types, first = np.unique(self.of.worker_type, return_index=True)
        weight = canonical_weight(self.of.take(first))
        self.weight = dict(zip(types.tolist(), weight.tolist(), strict=True))
        there = set(types.tolist())
        today = (ask.capacity.current if ask.capacity else None) or {}
        self.gone = sum(n for w, n in today.items() if w not in there)
        """Workers of today that the program does not hold: removed in every plan."""

    def best(self) -> CapacityAnswer:
        """The plan that all stages leave, with the first one's proof."""
        ask, asked = self.ask, self.ask.objective
        assert ask.capacity is not None
        if ask.capacity.current is not None and ask.capacity.change_cost is None:
            fewest = self._stage(ask, "changes")
            if fewest.value is None or fewest.holds is not Holds.OPTIMAL:
                return self._unproven(fewest)
            ask = _keeping(ask, "changes", fewest.value - self._left_out("changes"))
        first = self._stage(ask, asked)
        if first.value is None or first.holds is not Holds.OPTIMAL:
            return first
        answer, ask = first, _keeping(ask, "goal", first.value - self._left_out(asked))
        for stage in ("gpus", "types", "order"):
            later = self._stage(ask, stage) if stage != asked else answer
            if later.plan is None:
                break
            answer, ask = later, _keeping(ask, stage, self._figure(later.plan, stage))
        assert answer.plan is not None
        kept = self._figure(answer.plan, asked)  # to half a unit of the integers: what later stages keep
        return replace(first, plan=answer.plan, value=kept, bound=kept)

    def _unproven(self, fewest: CapacityAnswer) -> CapacityAnswer:
        """What is in hand where the fewest changes are not proven: its objective has no bound yet."""
        unit = state(self.of, self.ask).objective.per_unit
        figure = None if fewest.plan is None else self._figure(fewest.plan, self.ask.objective)
        return replace(fewest, value=figure, bound=None, per_unit=unit)

    def _figure(self, plan: CapacityPlan, objective: str) -> int:
        """The plan's figure of a stage; changes are paid in the one that was asked for."""
        capacity = self.ask.capacity
        assert capacity is not None
        if objective == "types":
            return len(plan.workers)
        if objective == "order":
            return sum(n for w, n in self.weight.items() if w in plan.workers)
        if objective == "changes":
            return sum(abs(n) for n in changes(capacity, plan).values())
        paid = capacity if objective == self.ask.objective else replace(capacity, current=None)
        return value(self.points, replace(self.ask, objective=objective, capacity=paid), plan)

    def _stage(self, ask: Ask, objective: str) -> CapacityAnswer:
        """The best plan of one stage, or what was found of it in time."""
        assert ask.capacity is not None
        staged = replace(ask, objective=objective, capacity=replace(ask.capacity, goal=self.ask.objective))
        frame, program = Frame(self.of, staged), state(self.of, staged)
        outcome = self._run(program) if program.points else NOTHING
        answer = CapacityAnswer(
            outcome.ended, outcome.engine, outcome.version, None, None, None, program.objective.per_unit
        )
        bound = None if outcome.bound is None else outcome.bound + self._left_out(objective)
        outcome = replace(outcome, bound=bound)
        answer = replace(answer, statistics=self._statistics(program), bound=bound)
        if outcome.values is None:
            return answer
        plan = self._plan(frame, outcome.values)
        if faults := broken(self.points, self.ask, plan):
            raise EngineImpreciseError(f"the plan of {outcome.engine} breaks {', '.join(faults)}")
        reached = self._figure(plan, objective)
        bound, ended = _settled(program, outcome, reached)
        return replace(answer, plan=plan, value=reached, bound=bound, ended=ended)

    def _left_out(self, objective: str) -> int:
        """What the workers add to a stage's figure that the program does not hold."""
        capacity = self.ask.capacity
        assert capacity is not None
        if objective == "changes":
            return self.gone
        fee = self.gone * (capacity.change_cost or 0) if objective == self.ask.objective else 0
        return -fee if objective_of(self.ask).maximize else fee * capacity.time_unit

    def _run(self, program: Program) -> Outcome:
        left = self.clock.left_s
        if self.engine == "pyomo":
            from aicfg.solver.pyomo_model import solve_pyomo

            return solve_pyomo(program, left)
        from aicfg.solver.highs import solve_highs

        return solve_highs(program, left)

    def _plan(self, frame: Frame, values: np.ndarray) -> CapacityPlan:
        workers = np.rint(values[frame.workers]).astype(int).reshape(frame.steps, -1)
        used = np.flatnonzero(workers.any(axis=0))
        time = values[frame.n].reshape(frame.steps, -1)
        bought: dict[tuple[int, int], list[int]] = {}
        for column, (j, t, number) in zip(frame.bought, frame.offered, strict=True):
            gpus = round(values[column])
            each = bought.setdefault((j, number), [0] * frame.steps)
            assert self.ask.capacity is not None
            if self.ask.capacity.offers[j][number].committed:
                each[:] = [gpus] * frame.steps
            else:
                each[t] = gpus
        return CapacityPlan(
            {int(frame.types[w]): tuple(workers[:, w].tolist()) for w in used},
            {
                (int(self.kept[p]), int(t)): float(time[t, p])
                for t, p in zip(*np.nonzero(time > LEAST_TIME), strict=True)
            },
            {key: tuple(each) for key, each in bought.items() if any(each)},
        )

    def _statistics(self, program: Program) -> Statistics:
        return replace(
            _considered(self.points, self.ask),
            points_in_program=len(self.kept),
            rows=len(program.row_names),
            columns=len(program.columns.names),
        )


def _considered(points: Points, ask: Ask) -> Statistics:
    """How many points and types the question is about."""
    considered = of_mode(points, ask)
    return Statistics(
        points_considered=len(considered),
        points_allowed=len(within_classes(points, ask)),
        worker_types=len(unique(points.worker_type[considered])),
    )


def _settled(program: Program, outcome: Outcome, reached: int) -> tuple[int | None, Ended]:
    """The bound raised to what values can be, and whether it proves the plan."""
    bound, more = outcome.bound, program.objective.maximize
    if bound is None:
        return None, outcome.ended
    if program.lattice:
        slack = TOLERANCE * abs(bound)
        bound = -int(-(bound - slack) // program.lattice) * program.lattice
    near = TOLERANCE * abs(reached) + 1
    if outcome.ended is Ended.PROVEN_OPTIMAL and abs(bound - reached) > near + program.lattice:
        raise EngineImpreciseError(f"{outcome.engine} claims an optimum of {bound}, its plan has {reached}")
    if abs(bound - reached) <= near or outcome.ended is Ended.PROVEN_OPTIMAL:
        return reached, Ended.PROVEN_OPTIMAL
    return (max(bound, reached) if more else min(bound, reached)), outcome.ended
