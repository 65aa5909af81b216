"""Ways to serve that compete: whatever is asked, the best plan of any of them counts."""

from dataclasses import replace

import oracle
import pytest
from synthetic import competing, fleet
from test_price import check_one

from aicfg.solver.alternatives import alternatives, types_of
from aicfg.solver.axes import axes
from aicfg.solver.explain import explain, relaxed
from aicfg.solver.pareto import frontier
from aicfg.solver.points import Ask, Points
from aicfg.solver.price import prices
from aicfg.solver.solve import solve
from aicfg.solver.ways import solve_ways
from aicfg.solver.whatif import WhatIf

MS = 1_000_000
Ways = tuple[Ask, ...]


def scores(points: Points, asks: Ways) -> list[tuple]:
    """By brute force: the scores of all plans of all ways, without the canonical order."""
    return sorted(score[:-1] for ask in asks for score, _ in oracle.scored(points, ask))


def changed(asks: Ways, **changes: object) -> Ways:
    """The asks with the same changes."""
    return tuple(replace(ask, **changes) for ask in asks)


@pytest.mark.parametrize("seed", range(40))
def test_the_best_way_counts(seed):
    """Value, GPUs and latencies of the best plan are those of brute force over both modes."""
    points, asks = competing(seed, 1 + seed % 2)
    answer, best = solve_ways(points, asks), scores(points, asks)
    if answer.value is None:
        assert (best, answer.status) == ([], "infeasible")
    else:
        figures = (-answer.value, answer.gpus_used, answer.ttft_ns, answer.tpot_ns)
        assert figures == best[0][:4]


@pytest.mark.parametrize("seed", range(30))
def test_what_if_remembers_and_is_right(seed):
    """Bounds and GPUs up and down: what is remembered of looser ones is what a fresh solve finds."""
    points, asks = competing(seed)
    whatif, (pool,) = WhatIf(points), asks[0].pools
    for change in (
        {}, {"ttft_ns": None, "tpot_ns": None}, {"tpot_ns": 7 * MS}, {"tpot_ns": 5 * MS}, {"tpot_ns": 2 * MS},
        {"ttft_ns": 40 * MS, "tpot_ns": 5 * MS}, {"pools": (replace(pool, gpus=pool.gpus - 1),)},
        {"objective": "gpus", "load": 9_000_000}, {"tpot_ns": 6 * MS}, {"request_latency_ns": 60 * MS},
    ):  # fmt: skip
        asked = changed(asks, **change)
        fresh, found = solve_ways(points, asked), whatif.solve(asked)
        if fresh.value is None:
            assert found.status == fresh.status
            continue
        alike = {"statistics": fresh.statistics, "engine": fresh.engine, "version": fresh.version}
        assert replace(found, **alike) == fresh


def test_what_if_does_not_ask_what_it_knows(monkeypatch):
    """Of a hundred bounds above the plan's own latency one is solved."""
    from aicfg.solver import whatif as module

    calls = []
    monkeypatch.setattr(module, "solve", lambda *words: calls.append(words) or solve(*words))
    points, asks = competing(3)
    free = changed(asks, ttft_ns=None, tpot_ns=None, request_latency_ns=None)
    whatif, best = WhatIf(points), solve_ways(points, free)
    assert best.tpot_ns is not None
    for more in range(100, 0, -1):
        assert whatif.solve(changed(free, tpot_ns=best.tpot_ns + more)).value == best.value
    assert len(calls) == 2


@pytest.mark.parametrize("ttft", (False, True))
@pytest.mark.parametrize("seed", range(20))
def test_the_frontier_of_both(seed, ttft):
    """Corners are those of all plans of both modes, and each says of which it is."""
    points, asks = competing(seed)
    free = changed(asks, tpot_ns=None, **({"ttft_ns": None} if ttft else {}))
    axes_of = ("tpot", "ttft") if ttft else ("tpot",)
    figures = {
        (-oracle.rates(points, ask, plan)[0], *(oracle.figure(points, ask, plan, name) for name in axes_of))
        for ask in free
        for plan in oracle.plans(points, ask)
    }
    expected = {
        a
        for a in figures
        if not any(b != a and all(x <= y for x, y in zip(b, a, strict=True)) for b in figures)
    }
    found = frontier(points, asks, ttft)
    assert {(-c.tokens, c.tpot_ns, *((c.ttft_ns,) if ttft else ())) for c in found} == expected
    assert len(found) == len(expected)
    assert all((len(c.points) == 1) == (c.mode == "agg") for c in found)


@pytest.mark.parametrize("seed", range(20))
def test_alternatives_of_both(seed):
    """The best plans of five other structures, whichever mode they are of."""
    points, asks = competing(seed)
    best = solve_ways(points, asks)
    by_types: dict[frozenset[int], tuple] = {}
    for ask in asks:
        for score, plan in oracle.scored(points, ask):
            types = frozenset(int(points.worker_type[p]) for p in plan)
            by_types[types] = min(by_types.get(types, score), score)
    expected = sorted(score[:4] for score in by_types.values())[1:6]
    found = [each.answer for each in alternatives(points, asks, best, 5)]
    assert [(-a.value, a.gpus_used, a.ttft_ns, a.tpot_ns) for a in found] == expected
    assert len({types_of(points, each) for each in found}) == len(found)


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_prices_of_both(seed):
    """The figure over both modes holds and changes where the prices say; the plans there are given."""
    points, asks = competing(seed)
    best = scores(points, asks)
    found = prices(points, asks)
    if not best:
        assert found == ()
        return
    by_name = {axis.name: axis for axis in axes(points, asks)}
    assert [each.constraint for each in found] == list(by_name)
    for each in found:
        check_one(points, asks, by_name[each.constraint], each, -best[0][0])
        for step in (each.looser, each.tighter):
            if step is not None and step.plan is not None:
                assert step.plan.value == step.value
                moved = at(points, asks, by_name[each.constraint], step.bound)
                assert solve_ways(*moved).value == step.value


def at(points: Points, asks: Ways, axis, bound: int) -> tuple[Points, Ways]:
    """Points and asks with one bound moved."""
    applied = [axis.apply(points, ask, bound) for ask in asks]
    return applied[0][0], tuple(ask for _, ask in applied)


TIGHT = [
    (points, tight)
    for seed in range(60)
    for points, asks in [competing(seed)]
    for tight in [changed(asks, ttft_ns=25 * MS, tpot_ns=2 * MS)]
    if not scores(points, tight)
]


@pytest.mark.parametrize("case", range(len(TIGHT)))
def test_explanations_of_both(case):
    """A relaxation gives one of both a plan, one unit less none; conflicts are minimal over both."""
    points, asks = TIGHT[case]
    found = explain(points, asks)

    def exists(*changes) -> bool:
        return any(scores(*_one(relaxed(points, ask, changes))) for ask in asks)

    for each in found.relaxations:
        assert each.plan is not None and each.plan.status == "optimal"
        assert exists(each) and not exists(replace(each, needed=each.needed - 1))
    by_name = {axis.name: axis for axis in axes(points, asks, memory=True)}
    for conflict in found.conflicts:
        assert not _held(points, asks, by_name, conflict)
        for name in conflict:
            assert _held(points, asks, by_name, tuple(other for other in conflict if other != name))
    if found.combined:
        assert exists(*found.combined)
        assert found.combined_plan is not None and found.combined_plan.value is not None


def _one(case: tuple[Points, Ask]) -> tuple[Points, Ways]:
    return case[0], (case[1],)


def _held(points: Points, asks: Ways, by_name: dict, names: tuple[str, ...]) -> bool:
    """Whether one way has a plan when all bounds but ``names`` are at their loosest."""
    for ask in asks:
        case = points, ask
        for name, axis in by_name.items():
            if name not in names:
                case = axis.apply(*case, min(axis.loosest, 12) if name.startswith("gpus") else axis.loosest)
        if oracle.best(*case) is not None:
            return True
    return False


@pytest.mark.parametrize("seed", range(0, 54, 5))
def test_both_engines_say_the_same_around_an_optimum(seed):
    """CP-SAT checks the plan of every relaxation, those of prices, and corners; HiGHS finds alternatives."""
    points, ask = fleet(seed)
    best = solve(points, ask, "both")
    if best.value is None:
        for each in explain(points, ask, "both").relaxations:
            assert each.plan is not None and each.plan.checked_by == ("cpsat",)
        return
    for price in prices(points, ask, best, "both"):
        for step in (price.looser, price.tighter):
            if step is not None and step.plan is not None:
                assert step.plan.value == step.value
    free = replace(ask, objective="tokens_per_s")
    for corner in frontier(points, free)[::2]:
        found = solve(points, replace(free, tpot_ns=corner.tpot_ns), "both")
        assert (found.value, found.checked_by) == (corner.tokens, ("cpsat",))
