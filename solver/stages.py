"""The stages of the objective behind the first one, each the program again: which of the best plans it is.

A stage states the program with its own objective and what the earlier ones reached as bounds (family
``reached``, the latency bounds). Latencies are found by bisection (``thresholds``). Left are plans that are
equal in everything weighed. Of them the answer has each size of worker (pool, role, transfer group, GPUs) at
the points that no other dominates, and is the first of these in canonical order.
"""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.errors import EngineImpreciseError
from aicfg.solver.evaluate import evaluate
from aicfg.solver.highs import solve_highs
from aicfg.solver.narrow import worth_keeping
from aicfg.solver.objectives import LATENCIES, PRECISION, STAGES, keeping, stages
from aicfg.solver.order import canonical_order
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.program import Program, state
from aicfg.solver.prune import prune
from aicfg.solver.rows import make_rows
from aicfg.solver.thresholds import Plan, lowest
from aicfg.solver.within import in_time_with_a_partner, is_coupled, within


class OutOfTimeError(Exception):
    """The time limit ended a stage: what is in hand stays."""


@dataclass(frozen=True)
class Clock:
    """The time left of a limit, or no limit."""

    ends: float | None

    @staticmethod
    def of(ask: Ask) -> "Clock":
        """A clock that starts now."""
        return Clock(None if ask.time_limit_s is None else perf_counter() + ask.time_limit_s)

    @property
    def left_s(self) -> float | None:
        """Seconds left."""
        return None if self.ends is None else max(self.ends - perf_counter(), 0.0)


def attempt(points: Points, ask: Ask, clock: Clock) -> Outcome:
    """The program of ``ask`` on HiGHS: filtered, pruned, stated, solved; its plan is checked in integers."""
    found = _without_coupling(points, ask, clock)
    return solve_kept(points, ask, kept_points(points, ask), clock) if found is None else found


def _without_coupling(points: Points, ask: Ask, clock: Clock) -> Outcome | None:
    """What the much smaller program without rows of request latency already proves; None where it does not.

    Each point still meets the latency with its fastest partner. No plan of it, no plan; and its best plan, if
    it is in time, is the best.
    """
    if not is_coupled(ask) or ask.objective == "request_latency":
        return None
    allowed = within(points, ask)
    allowed = allowed[in_time_with_a_partner(points.take(allowed), ask)]
    free = replace(ask, request_latency_ns=None)
    of = points.take(allowed)
    found = solve_kept(of, free, kept_points(of, free), clock)
    if found.counts is None:
        return found
    counts = {int(allowed[p]): n for p, n in found.counts.items()}
    return None if evaluate(points, ask, counts).broken else replace(found, counts=counts)


def kept_points(points: Points, ask: Ask) -> IntArray:
    """Positions of the points that are within the bounds and not pruned."""
    allowed = within(points, ask)
    return allowed[prune(points.take(allowed), ask)]


class Finder:
    """Plans of asks that differ in latency bounds; equal programs are solved once.

    TTFT and TPOT bounds are in a program only through the points that it holds.
    """

    def __init__(self, points: Points, clock: Clock) -> None:
        self.points, self.clock = points, clock
        self.known: dict[tuple[int | None, bytes], Plan | None] = {}

    def __call__(self, ask: Ask) -> Plan | None:
        """A plan of ``ask``, or None when none exists."""
        kept = kept_points(self.points, ask)
        key = (ask.request_latency_ns, kept.tobytes())
        if key not in self.known:
            found = _without_coupling(self.points, ask, self.clock)
            if found is None:
                found = solve_kept(self.points, ask, kept, self.clock)
            self.known[key] = found.counts
        return self.known[key]


def solve_kept(points: Points, ask: Ask, kept: IntArray, clock: Clock) -> Outcome:
    """The program over the points ``kept``, on HiGHS; counts by position in ``points``, checked."""
    outcome = solve_highs(state(points.take(kept), ask), clock.left_s)
    if outcome.ended is Ended.TIME_LIMIT:
        raise OutOfTimeError
    if outcome.counts is None:
        return outcome
    counts = {int(kept[p]): n for p, n in outcome.counts.items()}
    check_plan(points, ask, counts)
    return replace(outcome, counts=counts)


def check_plan(points: Points, ask: Ask, counts: Plan) -> None:
    """The plan holds in exact integers, and keeps what earlier stages reached.

    Raises
    ------
    EngineImpreciseError
        Naming what it breaks.
    """
    found = evaluate(points, ask, counts)
    broken = list(found.broken)
    for bound in ask.reached:
        short = (bound.value - found.figure(bound.quantity)) * (1 if bound.at_least else -1)
        if short > PRECISION * bound.value:
            broken.append(f"reached({bound.quantity})")
    if broken:
        raise EngineImpreciseError(f"a plan of highs breaks {', '.join(broken)}")


def settle(points: Points, ask: Ask, plan: Plan, clock: Clock) -> Plan:
    """The plan that the later stages choose among those as good as ``plan``, which is one of the best.

    ``points`` are within the bounds of ``ask``. When the time is over the stages that are left do not count.
    """
    first, *others = stages(ask)
    asked = keeping(ask, first, evaluate(points, ask, plan).value)
    keep = worth_keeping(points, ask)
    keep[list(plan)] = True
    order = np.flatnonzero(keep)
    order = order[canonical_order(points.take(order))]
    place = {int(p): i for i, p in enumerate(order)}
    ordered = points.take(order)
    plan = {place[p]: n for p, n in plan.items()}
    try:
        for stage in others:
            plan = _stage(ordered, asked, stage, plan, clock)
            asked = keeping(asked, stage, evaluate(ordered, asked, plan).figure(stage))
        plan = _first(ordered, asked, plan, clock)
    except OutOfTimeError:
        pass
    return {int(order[p]): n for p, n in plan.items()}


def _stage(points: Points, ask: Ask, stage: str, plan: Plan, clock: Clock) -> Plan:
    """The best plan of one stage."""
    if stage in LATENCIES:
        return lowest(points, replace(ask, objective="any"), stage, plan, Finder(points, clock))[1]
    if stage == "types" and evaluate(points, ask, plan).worker_types <= fewest_types(ask):
        return plan
    found = attempt(points, replace(ask, objective=stage), clock)
    if found.counts is None:
        raise EngineImpreciseError(f"stage {stage}: highs ended with {found.ended.value}, but a plan exists")
    return found.counts


def fewest_types(ask: Ask) -> int:
    """No plan has fewer worker types."""
    return 2 if ask.mode == "disagg" else 1


def _first(points: Points, ask: Ask, plan: Plan, clock: Clock) -> Plan:
    """The first plan in canonical order: first point as early, with as few workers, as can be; and so on."""
    ask = replace(ask, objective="any")
    kept = within(points, ask)
    kept = kept[prune(points.take(kept), ask)]
    search = _Search(state(points.take(kept), ask), clock)
    place = {int(p): i for i, p in enumerate(kept)}
    if set(plan) <= set(place):
        found = search.first({place[p]: n for p, n in plan.items()})
    else:
        found = search.first(search.solve())
    counts = {int(kept[p]): n for p, n in (found or {}).items()}
    check_plan(points, ask, counts)
    return counts


class _Search:
    """One program whose columns are fixed one after the other."""

    def __init__(self, program: Program, clock: Clock) -> None:
        self.program, self.clock = program, clock
        self.lower, self.upper = program.columns.lower.copy(), program.columns.upper.copy()

    def solve(self, lightest: int | None = None, one_of: range = range(0)) -> Plan | None:
        """A plan; with fewest workers at ``lightest``; with a point of ``one_of`` in use."""
        columns, families = self.program.columns, dict(self.program.families)
        cost = np.zeros(len(self.lower))
        if lightest is not None:
            cost[lightest] = 1.0
        if len(one_of):
            used = self.program.points + np.array(one_of)
            families["earlier"] = make_rows(["all"], [(0 * used, used, 1.0)], lower=1.0)
        changed = replace(columns, lower=self.lower, upper=self.upper, cost=cost)
        objective = STAGES["types"]  # to be minimised, in whole numbers
        outcome = solve_highs(Program(changed, families, self.program.points, objective), self.clock.left_s)
        if outcome.ended is Ended.TIME_LIMIT:
            raise OutOfTimeError
        return outcome.counts

    def first(self, plan: Plan | None) -> Plan | None:
        """The first of all plans, from any one."""
        done = 0
        while plan is not None and (later := [p for p in plan if p >= done]):
            point = min(later)
            while point > done and (found := self.solve(one_of=range(done, point))):
                plan, point = found, min(p for p in found if p >= done)
            self.upper[done:point] = 0.0
            self.lower[self.program.points + point] = 1.0
            if plan[point] > 1:
                plan = self.solve(lightest=point) or plan
            self.lower[point] = self.upper[point] = plan[point]
            done = point + 1
        return plan
