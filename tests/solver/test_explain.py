"""Explanations of infeasibility, each claim against brute force."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from instances import DISAGG, MS, PAIR, prefill
from synthetic import make_points, small

from aicfg.solver.explain import MEMORY, Explanation, Relaxation, explain, relaxed
from aicfg.solver.names import pool_names
from aicfg.solver.points import Ask, Points, Pool

FREE = 10**15


def infeasible(seed: int, mode: str) -> tuple[Points, Ask] | None:
    """A random instance made tight, if it has no plan."""
    points, ask = small(seed, mode, pools=1 + seed // 2 % 2)
    tight = {name: None if (bound := getattr(ask, name)) is None else max(bound // 2, 1)
             for name in ("ttft_ns", "tpot_ns", "request_latency_ns")}  # fmt: skip
    pools = tuple(replace(pool, gpus=max(pool.gpus // 3, 1)) for pool in ask.pools)
    ask = replace(ask, pools=pools, **tight)
    return (points, ask) if oracle.best(points, ask) is None else None


CASES = [
    (f"{mode} {seed}", *case)
    for seed in range(80)
    for mode in ("agg", "disagg")
    if (case := infeasible(seed, mode)) is not None
]


def names(ask: Ask) -> list[str]:
    """The hard constraints of ``ask``."""
    bounds = [name for name in ("ttft", "tpot", "request_latency") if getattr(ask, f"{name}_ns") is not None]
    return [*bounds, MEMORY, *(f"gpus({name})" for name in pool_names(ask))]


def has_plan(points: Points, ask: Ask) -> bool:
    """By brute force, with one worker a point (a plan exists exactly if one of these does)."""
    pools = tuple(replace(pool, gpus=min(pool.gpus, 10)) for pool in ask.pools)
    return oracle.best(points, replace(ask, pools=pools)) is not None


def without(points: Points, ask: Ask, dropped: list[str]) -> tuple[Points, Ask]:
    """The case with ``dropped`` set so loosely that they bind nothing."""
    loose = (Relaxation(name, 0, 10 if name.startswith("gpus") else FREE) for name in dropped)
    return relaxed(points, ask, tuple(loose))


@pytest.mark.parametrize(("name", "points", "ask"), CASES, ids=[case[0] for case in CASES])
def test_every_claim(name, points, ask):
    """Relaxations suffice, one unit less does not; what cannot help alone does not; conflicts are small."""
    found = explain(points, ask)
    assert [each.constraint for each in found.relaxations] + list(found.not_alone) != []
    check_alone(points, ask, found)
    check_conflicts(points, ask, found)
    if found.combined:
        assert found.combined_plan is not None and found.combined_plan.status == "optimal"
        assert has_plan(*relaxed(points, ask, found.combined))
        for i, each in enumerate(found.combined):
            less = (*found.combined[:i], replace(each, needed=each.needed - 1), *found.combined[i + 1 :])
            assert not has_plan(*relaxed(points, ask, less))


def check_alone(points: Points, ask: Ask, found: Explanation) -> None:
    """One constraint at a time."""
    for each in found.relaxations:
        assert each.plan is not None and each.plan.status == "optimal"
        assert has_plan(*relaxed(points, ask, (each,)))
        assert not has_plan(*relaxed(points, ask, (replace(each, needed=each.needed - 1),)))
    for name in found.not_alone:
        assert not has_plan(*without(points, ask, [name]))
    assert {each.constraint for each in found.relaxations} | set(found.not_alone) == set(names(ask))


def check_conflicts(points: Points, ask: Ask, found: Explanation) -> None:
    """Each set has no plan, each proper subset of it has one."""
    for conflict in found.conflicts:
        others = [name for name in names(ask) if name not in conflict]
        assert not has_plan(*without(points, ask, others))
        for name in conflict:
            assert has_plan(*without(points, ask, [*others, name]))


def test_a_bound_below_the_fastest_prefill():
    """In figures: TTFT 50 ms asked, 100 ms needed, and the plan that comes with it."""
    found = explain(PAIR, replace(DISAGG, ttft_ns=50 * MS, tpot_ns=20 * MS))
    assert found.conflicts == (("ttft",),)
    (only,) = found.relaxations
    assert (only.constraint, only.asked, only.needed) == ("ttft", 50 * MS, 100 * MS)
    assert only.plan is not None and only.plan.value == 100_000_000
    assert set(found.not_alone) == {"tpot", "memory", "gpus(h100_sxm)"}


def test_a_budget_too_small():
    """Two GPUs for a pair that takes three."""
    found = explain(PAIR, replace(DISAGG, pools=(Pool("h100_sxm", 2, 8),)))
    assert [(each.constraint, each.asked, each.needed) for each in found.relaxations] == [
        ("gpus(h100_sxm)", 2, 3)
    ]
    assert found.conflicts == (("gpus(h100_sxm)",),)


def test_memory_is_told_as_the_limit_of_the_worker():
    """The worker that exceeds its limit by the least names the figures."""
    points = replace(PAIR, memory_bytes=PAIR.memory_bytes + np.array([0, 0, 4, 6]))
    found = explain(points, DISAGG)
    assert [(each.constraint, each.asked, each.needed) for each in found.relaxations] == [("memory", 9, 12)]


def test_no_pair_at_all():
    """Without a decode worker no bound is to blame."""
    found = explain(make_points([prefill(0, 1, 1, 3)]), DISAGG)
    assert (found.relaxations, found.conflicts, found.combined, found.combined_plan) == ((), (), (), None)


def test_the_nearest_combination_is_the_nearest():
    """The largest relative change of the combination is the smallest that any pair of points needs."""
    ask = replace(DISAGG, request_latency_ns=95 * MS, pools=(Pool("h100_sxm", 2, 8),))
    found = explain(PAIR, ask)
    # the fastest pair needs 190 ms (x 2) and 3 GPUs (x 1.5); every other one is slower
    assert {each.constraint: each.needed for each in found.combined} == {
        "request_latency": 190 * MS, "gpus(h100_sxm)": 3,
    }  # fmt: skip
