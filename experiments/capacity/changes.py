"""From the plan that runs today: what is kept, added, removed, and what a free reshuffle would gain."""

from aicfg.experiments.capacity.asks import Joined
from aicfg.experiments.capacity.case import CapacityCase
from aicfg.experiments.capacity.compose import capacity_plan
from aicfg.experiments.capacity.recompute import moved, type_of
from aicfg.experiments.plans.capacity_figures import Change, Changes
from aicfg.experiments.plans.plan import Plan, PoolPlan
from aicfg.experiments.plans.words import type_words
from aicfg.solver.capacity_solve import CapacityAnswer
from aicfg.solver.points import Ask

Answered = tuple[Ask, CapacityAnswer]


def changes_of(
    case: CapacityCase, of: Joined, best: Plan, chosen: Answered, free: Answered, fewest: Answered
) -> Changes:
    """The changes that ``best`` makes, beside a plan without a price on them and one with the fewest."""
    current, replan = case.current, case.experiment.replan
    assert current is not None and replan is not None
    types = _types(current.pools, best.pools)
    cost = None if replan.change_cost == "never" else float(replan.change_cost)
    reshuffled = capacity_plan(case, of, *free)
    stays = fewest[1].plan is not None and _count(case, of, fewest) == 0
    return Changes(
        types=types,
        kept=sum(min(each.today, each.workers) for each in types),
        added=sum(max(each.workers - each.today, 0) for each in types),
        removed=sum(max(each.today - each.workers, 0) for each in types),
        change_cost=cost,
        today=_unpaid(fewest) if stays else None,
        free=_unpaid(free),
        free_changes=None if not reshuffled.pools else _moves(current.pools, reshuffled.pools),
    )


def _unpaid(answered: Answered) -> float | None:
    """The objective of an answer whose changes cost nothing."""
    answer = answered[1]
    return None if answer.value is None else answer.value / answer.per_unit


def _count(case: CapacityCase, of: Joined, answered: Answered) -> int:
    assert case.current is not None
    return _moves(case.current.pools, capacity_plan(case, of, *answered).pools)


def _moves(today: tuple[PoolPlan, ...], now: tuple[PoolPlan, ...]) -> int:
    return sum(abs(n) for n in moved(today, now).values())


def _types(today: tuple[PoolPlan, ...], now: tuple[PoolPlan, ...]) -> tuple[Change, ...]:
    """Each type that runs today or in the plan, those of the plan first."""
    found: dict[tuple[object, ...], Change] = {}
    for pools, is_now in ((now, True), (today, False)):
        for pool in pools:
            old = found.get(type_of(pool), Change(type_words(pool), 0, 0))
            more = pool.workers
            found[type_of(pool)] = Change(
                old.words, old.today + (0 if is_now else more), old.workers + (more if is_now else 0)
            )
    return tuple(found.values())
