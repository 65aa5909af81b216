"""Explanations of infeasibility, each claim against brute force."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from instances import DISAGG, MS, PAIR, prefill
from synthetic import fleet, make_points, small

from aicfg.solver.axes import axes
from aicfg.solver.explain import MEMORY, Explanation, Relaxation, explain, relaxed
from aicfg.solver.names import pool_names
from aicfg.solver.points import Ask, Points, Pool
from aicfg.solver.solve import solve

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
    for seed in range(50)
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


def exists(points: Points, ask: Ask) -> bool:
    """By brute force where the pools are small, else by the solver (which brute force judges elsewhere)."""
    if sum(pool.gpus for pool in ask.pools) <= 12:
        return oracle.best(points, ask) is not None
    return solve(points, ask).value is not None


FLEETS = [seed for seed in range(0, 270, 5) if (case := fleet(seed)) and oracle.best(*case) is None]


@pytest.mark.parametrize("seed", FLEETS)
def test_every_claim_about_fleets(seed):
    """Loads, user constraints, nodes, mixed: each relaxation suffices, one step less does not; and so on."""
    points, ask = fleet(seed)
    found, by_name = explain(points, ask), {axis.name: axis for axis in axes(points, ask, memory=True)}
    for each in found.relaxations:
        less = replace(each, needed=each.needed - by_name[each.constraint].looser)
        assert each.plan is not None and each.plan.status == "optimal"
        assert exists(*relaxed(points, ask, (each,))) and not exists(*relaxed(points, ask, (less,)))
    for name in found.not_alone:
        axis = by_name[name]
        assert not exists(*axis.apply(points, ask, axis.loosest))
    for conflict in found.conflicts:
        check_conflict(points, ask, by_name, conflict)
    if found.combined:
        assert exists(*relaxed(points, ask, found.combined))
        for i, each in enumerate(found.combined):
            less = replace(each, needed=each.needed - by_name[each.constraint].looser)
            others = (*found.combined[:i], less, *found.combined[i + 1 :])
            assert not exists(*relaxed(points, ask, others))


def check_conflict(points: Points, ask: Ask, by_name: dict, conflict: tuple[str, ...]) -> None:
    """With the others at their loosest the set has no plan; without any one of it there is a plan."""

    def held(names: tuple[str, ...]) -> bool:
        case = points, ask
        for name, axis in by_name.items():
            if name not in names:
                case = axis.apply(*case, axis.loosest)
        return exists(*case)

    assert not held(conflict)
    for name in conflict:
        assert held(tuple(other for other in conflict if other != name))


def test_weights_move_the_dear_bound_least():
    """40 requests/s on 8 GPUs: the dearer the GPUs, the fewer of them, and the more of the load gives way."""
    ask = replace(DISAGG, load=40_000_000, pools=(Pool("h100_sxm", 8, 8),))
    plain, dear = explain(PAIR, ask), explain(PAIR, ask, weights={"gpus": 100.0})
    gpus = [{each.constraint: each.needed for each in found.combined} for found in (plain, dear)]
    assert gpus[0].get("gpus(h100_sxm)", 8) > gpus[1].get("gpus(h100_sxm)", 8)
    assert gpus[0].get("load", 40_000_000) > gpus[1]["load"]


def test_user_constraints_are_told_as_they_must_read():
    """Two workers of decode at most do not serve the load; three do, and the text says so."""
    ask = replace(
        DISAGG, load=20_000_000, constraints=("decode.workers <= 2",), pools=(Pool("h100_sxm", 16, 8),)
    )
    found = explain(PAIR, ask)
    (user,) = (each for each in found.relaxations if each.constraint == "user(1)")
    assert (user.asked, user.needed, user.text) == (2, 3, "decode.workers <= 3")
    assert found.conflicts == (("load", "user(1)"),)


def test_a_choice_that_cannot_be_relaxed_is_dropped():
    """A pool that has no decode workers: only without the constraint is there a plan."""
    ask = replace(DISAGG, constraints=("decode.batch == 5",))
    found = explain(PAIR, ask)
    assert [(each.constraint, each.text) for each in found.relaxations] == [
        ("user(1)", "without: decode.batch == 5")
    ]
