"""Splits of GPUs between aggregated workers and a pair: the optima of brute force under every bound."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from large import fleet as large_fleet
from synthetic import competing

from aicfg.solver import splitting_ttft
from aicfg.solver.evaluate import evaluate
from aicfg.solver.halving import Halving
from aicfg.solver.pareto import frontier
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.rising import most_tokens, rising
from aicfg.solver.scope import is_splittable
from aicfg.solver.splitting import Splitting, one_pool
from aicfg.solver.splitting_ttft import rising_over_both
from aicfg.solver.within import within


def mixed(seed: int, pools: int = 1) -> tuple[Points, Ask]:
    """A random small instance of all three roles, its TPOT free."""
    points, (_, ask) = competing(seed, pools)
    ask = replace(ask, mode="mixed", tpot_ns=None)
    return points.take(within(points, ask)), ask


@pytest.mark.parametrize("pools", (1, 2))
@pytest.mark.parametrize("seed", range(40))
def test_every_step_is_that_of_brute_force(seed, pools):
    """Tokens/s and TPOT of each step; request latency or not, one pool and two, two transfer groups."""
    points, ask = mixed(seed, pools)
    assert is_splittable(points, ask)
    found = [evaluate(points, ask, plan) for plan in rising(points, ask)]
    assert all(not each.broken for each in found)
    best: dict[int, int] = {}
    for plan in oracle.plans(points, ask):
        tpot = oracle.figure(points, ask, plan, "tpot")
        best[tpot] = max(best.get(tpot, 0), oracle.rates(points, ask, plan)[0])
    steps, reached = [], 0
    for tpot in sorted(best):
        if best[tpot] > reached:
            reached = best[tpot]
            steps.append((reached, tpot))
    assert [(each.tokens, each.tpot_ns) for each in found] == steps


def test_large_fleets_agree_with_the_engine():
    """Two pools, wiggled curves: the steps of halving with HiGHS, to the last digit."""
    points, ask = large_fleet((24, 16), "mixed", layouts=5, batches=12, tpot_ns=None)
    points = points.take(within(points, ask))
    ours = [evaluate(points, ask, plan) for plan in rising(points, ask)]
    theirs = [evaluate(points, ask, plan) for plan in Halving(points, ask, False).plans(False)]
    assert len(ours) > 10
    assert [(each.tokens, each.tpot_ns) for each in ours] == [(each.tokens, each.tpot_ns) for each in theirs]


def test_the_order_of_points_does_not_matter():
    """The optimum over all points is the same whichever comes first."""
    points, ask = mixed(7)
    later = np.flatnonzero(points.role != Role.PREFILL)
    values = set()
    for order in (later, later[::-1]):
        splitting = Splitting(points, ask)
        for p in order:
            splitting.add(int(p))
        values.add(splitting.best())
        assert evaluate(points, ask, splitting.plan()).tokens == splitting.best()
    assert len(values) == 1


@pytest.mark.parametrize("size", (1, 2, 3))
def test_one_pool_against_every_count(size):
    """The highest lower one of both roles over all numbers of decode workers."""
    random = np.random.default_rng(size)
    capacity = np.concatenate(([0], np.cumsum(random.integers(0, 9, 20))))
    expected = [
        max(min(5 * y, int(capacity[gpus - size * y])) for y in range(gpus // size + 1)) for gpus in range(21)
    ]
    assert one_pool(capacity, 5, size).tolist() == expected


@pytest.mark.parametrize("seed", range(30))
def test_the_optimum_alone(seed):
    """Of the fastest points the highest tokens/s, or None, as brute force has it."""
    points, ask = mixed(seed, 1 + seed % 2)
    best = oracle.best(points, ask)
    assert most_tokens(points, ask) == (None if best is None else best[0])


@pytest.mark.parametrize("pools", (1, 2))
@pytest.mark.parametrize("seed", range(40))
def test_corners_over_tpot_and_ttft(seed, pools):
    """Every corner of brute force in tokens/s, TPOT and TTFT, each once, and nothing else."""
    points, ask = mixed(seed, pools)
    free = replace(ask, ttft_ns=None)
    points = competing(seed, pools)[0]
    points = points.take(within(points, free))
    found = [evaluate(points, free, plan) for plan in rising_over_both(points, free) or []]
    assert all(not each.broken for each in found)
    figures = {
        (
            -oracle.rates(points, free, plan)[0],
            oracle.figure(points, free, plan, "tpot"),
            oracle.figure(points, free, plan, "ttft"),
        )
        for plan in oracle.plans(points, free)
    }

    def matched(one: tuple[int, ...]) -> bool:
        return any(each != one and all(a <= b for a, b in zip(each, one, strict=True)) for each in figures)

    corners = {each for each in figures if not matched(each)}
    assert [(each.tpot_ns, each.ttft_ns) for each in found] == sorted((f[1], f[2]) for f in corners)
    assert {(-each.tokens, each.tpot_ns, each.ttft_ns) for each in found} == corners


def test_tables_that_would_be_too_large_are_left_to_others(monkeypatch):
    """Without room for the tables nothing is found here, and the frontier is halved to instead."""
    points, ask = mixed(5)
    corners = frontier(points, ask, ttft=True)
    monkeypatch.setattr(splitting_ttft, "MOST_CELLS", 0)
    assert rising_over_both(points, ask) is None
    halved = frontier(points, ask, ttft=True)
    assert [(c.tokens, c.tpot_ns, c.ttft_ns) for c in halved] == [
        (c.tokens, c.tpot_ns, c.ttft_ns) for c in corners
    ]
