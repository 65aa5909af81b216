"""Alternatives: the best plans of other structures, in order, and no more than there are."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from instances import AGG, AGG_POINTS, INSTANCES, MICRO
from large import fleet as large_fleet
from synthetic import fleet, small

from aicfg.solver.alternatives import alternatives, types_of
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve


def ranked(points: Points, ask: Ask) -> list[tuple]:
    """By brute force: the best score (without the canonical order) of each set of types, best first."""
    best: dict[frozenset[int], tuple] = {}
    for score, plan in oracle.scored(points, ask):
        types = frozenset(int(points.worker_type[p]) for p in plan)
        best[types] = min(best.get(types, score), score)
    return sorted(score[:-1] for score in best.values())


def check(points: Points, ask: Ask) -> int:
    """Five alternatives are the second to sixth best structure; returns how many there were."""
    answer = solve(points, ask)
    if answer.value is None:
        return 0
    found = alternatives(points, ask, answer, 5)
    expected = ranked(points, ask)
    plans = [dict(zip(each.answer.points, each.answer.workers, strict=True)) for each in found]
    assert [oracle.score(points, ask, plan)[:-1] for plan in plans] == expected[1:6]
    sets = [types_of(points, each.answer) for each in found] + [types_of(points, answer)]
    assert len(set(sets)) == len(sets)
    return len(found)


@pytest.mark.parametrize("seed", range(40))
def test_with_one_type_a_role(seed):
    """Agg and disagg, one pool and two."""
    check(*small(seed, ("agg", "disagg")[seed % 2], pools=1 + seed // 2 % 2))


@pytest.mark.parametrize("seed", range(54))
def test_of_fleets(seed):
    """Mixed, several types, objectives, loads, nodes and user constraints."""
    check(*fleet(seed))


def test_what_is_given_up():
    """8 x 30 tokens/s, then 2 x 100 tokens/s: a sixth less, and the types that differ."""
    (only,) = alternatives(AGG_POINTS, AGG, solve(AGG_POINTS, AGG))
    assert (only.answer.value, only.gives_up) == (200 * MICRO, 40 / 240)
    assert only.differs == (frozenset({1}), frozenset({0}))


def test_without_a_plan_there_are_none():
    """An infeasible ask has no alternatives."""
    (instance,) = (each for each in INSTANCES if each.name == "agg past ttft_sla")
    assert alternatives(instance.points, instance.ask, solve(instance.points, instance.ask)) == ()


def test_layers_keep_large_programs_small():
    """Of 120 layouts a role a few a size are left, however many sets are excluded so far."""
    points, ask = large_fleet((64,), "disagg", layouts=120, batches=64)
    first = solve(points, ask)
    second = solve(points, replace(ask, excluded=(types_of(points, first),)))
    assert second.statistics.points_in_program < 40
    assert second.value is not None and first.value is not None and second.value <= first.value
    assert np.isin(second.points, first.points).sum() < 2
