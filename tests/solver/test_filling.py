"""Several worker types in one pool: knapsacks of GPUs, against brute force and the engine."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import oracle
import pytest
from large import fleet as large_fleet
from synthetic import competing

from aicfg.solver.evaluate import evaluate
from aicfg.solver.filling import Filling, added, shared, with_copies
from aicfg.solver.halving import Halving
from aicfg.solver.points import Ask, Points
from aicfg.solver.rising import most_tokens, rising
from aicfg.solver.scope import is_fillable
from aicfg.solver.within import within


def case(seed: int, mode: str, types: int | None) -> tuple[Points, Ask] | None:
    """A random small instance with several types a role, its TPOT free, if this can answer it."""
    points, asks = competing(seed)
    pool = replace(asks[0].pools[0], gpus=min(asks[0].pools[0].gpus, 5 if mode == "mixed" else 6))
    changes = {"mode": mode, "tpot_ns": None, "request_latency_ns": None, "types_per_role": types}
    ask = replace(asks[1], pools=(pool,), **changes)
    of = points.take(within(points, ask))
    of = of.take(np.flatnonzero((of.batch <= 2) & (of.worker_type % 10 < (2 if mode == "mixed" else 3))))
    if types is not None:  # of one transfer group
        of = replace(of, group=np.minimum(of.group, 0))
    return (of, ask) if is_fillable(of, ask) else None


CASES = [
    (seed, mode, types)
    for seed in range(48)
    for mode, types in [(("agg", "disagg", "mixed")[seed % 3], (2, None)[seed // 3 % 2])]
    if case(seed, mode, types) is not None
]


def test_there_are_cases_of_each_kind():
    """All modes, two types and any number."""
    assert {(mode, types) for _, mode, types in CASES} == set(product(("agg", "disagg", "mixed"), (2, None)))


@pytest.mark.parametrize(("seed", "mode", "types"), CASES)
def test_every_step_is_that_of_brute_force(seed, mode, types):
    """Tokens/s and TPOT of each step, by plans that hold; the last one is the optimum."""
    points, ask = case(seed, mode, types)
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
    assert most_tokens(points, ask) == (reached or None)


@pytest.mark.parametrize("types", (2, 3, None))
@pytest.mark.parametrize("mode", ("agg", "disagg", "mixed"))
def test_large_fleets_agree_with_the_engine(mode, types):
    """Wiggled curves of five sizes: the steps of halving with HiGHS, to the last digit."""
    points, ask = large_fleet(
        (72,), mode, layouts=6, batches=24, tpot_ns=None, ttft_ns=None, types_per_role=types
    )
    points = points.take(within(points, ask))
    ours = [evaluate(points, ask, plan) for plan in rising(points, ask)]
    theirs = [evaluate(points, ask, plan) for plan in Halving(points, ask, False).plans(False)]
    assert len(ours) > 5
    assert [(each.tokens, each.tpot_ns) for each in ours] == [(each.tokens, each.tpot_ns) for each in theirs]


@pytest.mark.parametrize("types", (1, 2, None))
@pytest.mark.parametrize("seed", range(10))
def test_a_knapsack_against_all_counts(seed, types):
    """Points allowed in any order: the value on each number of GPUs, and the workers that have it."""
    random = np.random.default_rng(seed)
    sizes, gpus = [1, 2, 3, 5], 11
    filling, rates = Filling(sizes, gpus, types), dict.fromkeys(sizes, 0)
    for point in range(9):
        size, rate = int(random.choice(sizes)), int(random.integers(1, 30))
        assert filling.add(size, rate, point) == (rate > rates[size])
        rates[size] = max(rates[size], rate)
    sets = [s for n in range(len(sizes) if types is None else types) for s in combinations(sizes, n + 1)]
    for h in range(gpus + 1):
        most = max(
            sum(n * rates[s] for s, n in zip(chosen, counts, strict=True))
            for chosen in sets
            for counts in product(*(range(h // s + 1) for s in chosen))
            if sum(n * s for s, n in zip(chosen, counts, strict=True)) <= h
        )
        assert filling.value[h] == most
        plan, by_point = filling.plan(h), {p: (s, r) for s, (r, p) in filling.fastest.items()}
        assert sum(n * by_point[p][1] for p, n in plan.items()) == most
        assert sum(n * by_point[p][0] for p, n in plan.items()) <= h
        assert types is None or len(plan) <= types


def test_sums_and_shares_against_all_splits():
    """max-plus sums, and the lower of two roles, over every split of the GPUs."""
    random = np.random.default_rng(3)
    one, other = (np.concatenate(([0], np.cumsum(random.integers(0, 9, 12)))) for _ in range(2))
    splits = [[(int(one[x]), int(other[h - x])) for x in range(h + 1)] for h in range(13)]
    assert added(one, other).tolist() == [max(a + b for a, b in each) for each in splits]
    assert shared(one, other).tolist() == [max(min(a, b) for a, b in each) for each in splits]
    assert with_copies(one[None, :], 5, 20)[0].tolist() == [
        max(int(one[h - 5 * c]) + 20 * c for c in range(h // 5 + 1)) for h in range(13)
    ]
