"""The scan as an engine: exact by itself, and honest about what it does not cover."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from instances import AGG, AGG_POINTS, DISAGG, PAIR
from synthetic import small

from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.optimum import any_plan, best_figure
from aicfg.solver.pairs import served_by_pairs
from aicfg.solver.points import Role
from aicfg.solver.solve import solve


@pytest.mark.parametrize("objective", ("tokens_per_s", "gpus", "ttft", "tpot", "request_latency"))
@pytest.mark.parametrize("seed", range(12))
def test_it_answers_as_highs_does(seed, objective):
    """Status, value, bound and plan, for every objective; the figure alone, and whether there is a plan."""
    points, ask = small(seed, ("agg", "disagg")[seed % 2], pools=1 + seed // 2 % 2)
    ask = replace(ask, objective=objective, load=None if objective == "tokens_per_s" else 3_000_000)
    answer = solve(points, ask, "scan")
    alike = {"engine": "highs", "version": "", "statistics": answer.statistics}
    assert replace(answer, **alike) == replace(solve(points, ask), **alike)
    assert best_figure(points, ask) == answer.value
    assert (any_plan(points, ask) is None) == (answer.value is None)


@pytest.mark.parametrize("seed", range(30))
def test_pairs_serve_what_brute_force_finds(seed):
    """The most that each pair of points serves, in one pool or two, its request latency bounded or not."""
    points, ask = small(seed, "disagg", pools=1 + seed % 2)
    firsts, nexts = ((points.role == role).nonzero()[0] for role in (Role.PREFILL, Role.DECODE))
    found = served_by_pairs(points, ask, firsts, nexts)
    free = replace(ask, ttft_ns=None, tpot_ns=None)
    points = replace(points, memory_bytes=0 * points.memory_bytes)
    for i, p in enumerate(firsts):
        for j, d in enumerate(nexts):
            pair = points.take(np.array([p, d]))
            plans = [oracle.rates(pair, free, plan)[1] for plan in oracle.plans(pair, free)]
            assert found[i, j] == max(plans, default=0)


@pytest.mark.parametrize(
    "change", ({"types_per_role": 2}, {"mode": "mixed"}, {"constraints": ("gpus <= 4",)})
)
def test_what_it_does_not_cover_is_refused(change):
    """Several types, mixed, totals: one clear line."""
    with pytest.raises(UnsupportedAskError, match="engine scan: exact for one type a role"):
        solve(PAIR, replace(DISAGG, **change), "scan")


def test_filters_are_covered():
    """A constraint on points leaves a plan one point or one pair."""
    answer = solve(AGG_POINTS, replace(AGG, constraints=("agg.tp >= 2",)), "scan")
    assert (answer.engine, answer.points) == ("scan", (2,))
