"""What-if: the answers of fresh solves, from fewer points."""

from dataclasses import replace

import pytest
from synthetic import fleet, join, realistic, small

from aicfg.solver.points import Ask, Points, Pool, Role
from aicfg.solver.solve import solve
from aicfg.solver.whatif import WhatIf

MS = 1_000_000


def same(points: Points, ask: Ask, whatif: WhatIf) -> None:
    """Status, value, bound, plan and figures are those of a fresh solve."""
    fresh, found = solve(points, ask), whatif.solve(ask)
    alike = {"statistics": fresh.statistics, "engine": fresh.engine, "version": fresh.version}
    assert replace(found, **alike) == fresh


@pytest.mark.parametrize("seed", range(20))
def test_changed_asks_of_one_type(seed):
    """Latency bounds, GPUs, objectives and loads change; the points stay."""
    points, ask = small(seed, ("agg", "disagg")[seed % 2])
    whatif = WhatIf(points)
    (pool,) = ask.pools
    for change in (
        {}, {"ttft_ns": 40 * MS}, {"tpot_ns": 5 * MS}, {"request_latency_ns": 90 * MS},
        {"request_latency_ns": None}, {"pools": (replace(pool, gpus=pool.gpus + 3),)},
        {"objective": "gpus", "load": 4_000_000},
        {"objective": "request_latency"}, {"types_per_role": 2}, {"mode": "mixed"},
    ):  # fmt: skip
        same(points, replace(ask, **change), whatif)


@pytest.mark.parametrize("seed", range(36))
def test_fleets(seed):
    """All families, with the user's constraints: whole points where they ask for it."""
    points, ask = fleet(seed)
    whatif = WhatIf(points)
    same(points, ask, whatif)
    same(points, replace(ask, constraints=(), objective="tokens_per_s"), whatif)


def test_a_reason_is_given():
    """Type-wide filters reuse what is narrowed; batches, counts and comparisons name the constraint."""
    points = join([realistic(Role.PREFILL, 4, 8), realistic(Role.DECODE, 4, 64)])
    ask = Ask((Pool("a", 32, 8),), "disagg", 500, 499)
    whatif = WhatIf(points)
    assert whatif.why_whole(ask) is None
    assert whatif.why_whole(replace(ask, constraints=("decode.tp <= 4",))) is None
    reasons = {
        "decode.batch <= 8": "leaves points out",
        "gpus <= 8": "counts or compares",
        "decode.batch >= prefill.batch": "counts or compares",
    }
    for text, reason in reasons.items():
        asked = replace(ask, constraints=("decode.tp <= 4", text))
        assert str(whatif.why_whole(asked)).startswith("user(2) " + reason)
        same(points, asked, whatif)


def test_it_holds_fewer_points():
    """Of wiggling curves most points are never looked at again."""
    points = join([realistic(Role.PREFILL, 16, 8), realistic(Role.DECODE, 16, 512)])
    ask = Ask((Pool("a", 32, 8),), "disagg", 500, 499, ttft_ns=300 * MS, tpot_ns=20 * MS)
    found = WhatIf(points).solve(ask)
    assert found.engine == "scan"
    assert found.statistics.points_considered < solve(points, ask).statistics.points_considered / 2
