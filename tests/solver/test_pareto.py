"""The frontier: complete, and nothing on it is dominated."""

from dataclasses import replace

import oracle
import pytest
from synthetic import fleet, small

from aicfg.solver.pareto import Corner, frontier
from aicfg.solver.points import Ask, Points
from aicfg.solver.solve import solve


def corners(points: Points, ask: Ask, ttft: bool) -> set[tuple[int, ...]]:
    """By brute force: (tokens, TPOT, TTFT where it is an axis) that no plan is at least as good as in all."""
    free = replace(ask, objective="tokens_per_s", tpot_ns=None, ttft_ns=None if ttft else ask.ttft_ns)
    figures = {
        (
            oracle.rates(points, free, plan)[0],
            -oracle.figure(points, free, plan, "tpot"),
            *((-oracle.figure(points, free, plan, "ttft"),) if ttft else ()),
        )
        for plan in oracle.plans(points, free)
    }
    return {
        each
        for each in figures
        if not any(o != each and all(a >= b for a, b in zip(o, each, strict=True)) for o in figures)
    }


def figures_of(found: tuple[Corner, ...], ttft: bool) -> list[tuple[int, ...]]:
    """The axes of each corner."""
    return [(c.tokens, -c.tpot_ns, *((-c.ttft_ns,) if ttft else ())) for c in found]


@pytest.mark.parametrize("ttft", (False, True))
@pytest.mark.parametrize("seed", range(80))
def test_complete_with_one_type(seed, ttft):
    """Agg and disagg, one pool and two, request latency or not: the corners are those of brute force."""
    points, ask = small(seed, ("agg", "disagg")[seed % 2], pools=1 + seed // 2 % 2)
    found = frontier(points, ask, ttft)
    assert len(found) == len(set(figures_of(found, ttft)))
    assert set(figures_of(found, ttft)) == corners(points, ask, ttft)


@pytest.mark.parametrize("ttft", (False, True))
@pytest.mark.parametrize("seed", range(60))
def test_complete_for_fleets(seed, ttft):
    """Mixed, several types, loads, nodes and user constraints: the corners are those of brute force."""
    points, ask = fleet(seed)
    assert set(figures_of(frontier(points, ask, ttft), ttft)) == corners(points, ask, ttft)


@pytest.mark.parametrize("seed", range(0, 60, 2))
def test_the_optimum_is_on_it(seed):
    """The best plan under the SLA is the corner with most tokens/s of those that meet it; corners rise."""
    points, ask = small(seed, ("agg", "disagg")[seed // 2 % 2])
    found, best = frontier(points, ask), solve(points, ask)
    assert [c.tokens for c in found] == sorted({c.tokens for c in found})
    assert [c.tpot_ns for c in found] == sorted({c.tpot_ns for c in found})
    meeting = [c for c in found if c.meets_sla]
    if best.value is None:
        assert not meeting
    else:
        assert meeting[-1].tokens == best.value
        assert (meeting[-1].points, meeting[-1].workers) == (best.points, best.workers) or (
            meeting[-1].gpus_used,
            meeting[-1].ttft_ns,
        ) >= (best.gpus_used, best.ttft_ns)
