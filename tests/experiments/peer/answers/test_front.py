"""The frontier is exact: it agrees with the solver at every bound, and with counting by hand."""

from dataclasses import replace
from functools import cache
from itertools import product
from typing import cast

import numpy as np
import pytest

from aicfg.experiments.ask.loader import load
from aicfg.experiments.peer.answers.front import Corner, front
from aicfg.experiments.solving.assemble import Candidates, Mode, ask, candidates
from aicfg.experiments.solving.prepare import prepare
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.solve import solve

EXPERIMENT = {
    "model": "Qwen/Qwen3-32B-FP8",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {"backend": "sglang", "search": {"decode": {"max_batch": 96}, "agg": {"max_batch": 96}}},
}


@cache
def case(mode: str) -> tuple[Candidates, Ask]:
    """Operating points of a small experiment."""
    (experiment,) = load({**EXPERIMENT, "serving": {**EXPERIMENT["serving"], "mode": mode}})  # type: ignore[dict-item]
    prepared = prepare(experiment)
    found = candidates(prepared)
    return found, ask(prepared, found, cast(Mode, mode), None)


def value(points: Points, asked: Ask, corner: Corner) -> int:
    """Micro-tokens/s of a plan."""
    rates = [
        int(points.request_rate[point]) * n for point, n in zip(corner.points, corner.workers, strict=True)
    ]
    if asked.mode == "agg":
        return int(points.token_rate[corner.points[0]]) * corner.workers[0]
    return min(rates) * asked.tokens_per_request


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_agrees_with_the_solver(mode: str) -> None:
    """At any bound on the time per token the solver finds the frontier's value and no more."""
    found, asked = case(mode)
    points, corners = found.points, front(found.points, asked)
    tpots = [max(int(points.tpot_ns[point]) for point in corner.points) for corner in corners]
    assert tpots == sorted(tpots)
    values = [value(points, asked, corner) for corner in corners]
    assert values == sorted(set(values))
    for at in np.linspace(0, len(corners) - 1, 12).astype(int):
        assert solve(points, replace(asked, tpot_ns=tpots[at])).value == values[at]
        if at:
            assert solve(points, replace(asked, tpot_ns=tpots[at] - 1)).value == values[at - 1]
    assert solve(points, replace(asked, tpot_ns=tpots[0] - 1)).value is None


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_agrees_with_the_solver_by_request_latency(mode: str) -> None:
    """The same with the latency of a whole request as the measure of speed."""
    found, asked = case(mode)
    points, corners = found.points, front(found.points, asked, by_request=True)
    for corner in corners[:: max(1, len(corners) // 8)]:
        ttft = max(int(points.ttft_ns[point]) for point in corner.points)
        tpot = max(int(points.tpot_ns[point]) for point in corner.points)
        latency = ttft + asked.latency_tokens * tpot
        answer = solve(points, replace(asked, request_latency_ns=latency))
        assert answer.value == value(points, asked, corner)


def test_budget_is_kept() -> None:
    """No plan of the frontier takes more GPUs than there are."""
    for mode in ("agg", "disagg"):
        found, asked = case(mode)
        for corner in front(found.points, asked):
            gpus = found.points.gpus[list(corner.points)]
            assert (gpus * corner.workers).sum() <= asked.pools[0].gpus


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_counting(seed: int) -> None:
    """On random points every number of workers tried one by one gives the same best throughput."""
    found, asked = case("disagg")
    random = np.random.default_rng(seed)
    few = random.choice(len(found.points), 12, replace=False)
    points = found.points.take(np.sort(few))
    gpus = int(random.integers(2, 20))
    narrow = replace(asked, pools=(replace(asked.pools[0], gpus=gpus),), ttft_ns=None)
    best = max((value(points, narrow, corner) for corner in front(points, narrow)), default=0)
    assert best == _by_counting(points, gpus) * narrow.tokens_per_request


def _by_counting(points: Points, gpus: int) -> int:
    fits = points.memory_bytes <= points.memory_limit_bytes
    firsts, nexts = (np.flatnonzero(fits & (points.role == role)) for role in (Role.PREFILL, Role.DECODE))
    best = 0
    for p, d in product(firsts, nexts):
        if points.group[p] != points.group[d]:
            continue
        for y in range(1, gpus // int(points.gpus[d]) + 1):
            x = (gpus - y * int(points.gpus[d])) // int(points.gpus[p])
            best = max(best, min(x * int(points.request_rate[p]), y * int(points.request_rate[d])))
    return best


@pytest.mark.parametrize(("prefill", "decode"), [(1, 8), (8, 1), (2, 2)])
def test_limits_on_workers(prefill: int, decode: int) -> None:
    """With most workers of each role the solver's own constraints give the same best throughput."""
    found, asked = case("disagg")
    corners = front(found.points, asked, most={"prefill": prefill, "decode": decode})
    best = max(value(found.points, asked, corner) for corner in corners)
    narrow = (f"prefill.workers <= {prefill}", f"decode.workers <= {decode}")
    assert solve(found.points, replace(asked, constraints=narrow)).value == best
    for corner in corners:
        assert corner.workers[0] <= prefill
        assert corner.workers[1] <= decode


def test_pools_share_one_budget() -> None:
    """Prefill and decode in pools of their own take no more GPUs together than the first pool has."""
    found, asked = case("disagg")
    alone = front(found.points, asked)
    pools = np.where(found.points.role == Role.DECODE, 1, 0)
    two = replace(
        asked, pools=(asked.pools[0], replace(asked.pools[0], name="other")), constraints=("gpus <= 8",)
    )
    assert front(replace(found.points, pool=pools), two) == alone
    for corner in alone:
        taken = (int(found.points.gpus[p]) * n for p, n in zip(corner.points, corner.workers, strict=True))
        assert sum(taken) <= 8
