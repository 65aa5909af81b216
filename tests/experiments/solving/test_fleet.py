"""Fleets of several pools: one search over all of them, each with its own system."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.ask.loader import load
from aicfg.experiments.reports.plan import report_text
from aicfg.experiments.solving.assemble import ask, candidates
from aicfg.experiments.solving.prepare import prepare
from aicfg.model_specs.errors import InputError
from aicfg.solver.points import Ask, IntArray, Points, Role

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000, "tpot_ms": 40},
    "fleet": {
        "pools": [
            {"system": "h100", "gpus": 6, "price_per_gpu_hour": 2.5},
            {"system": "h200_sxm", "gpus": 4, "price_per_gpu_hour": 3.75},
        ]
    },
    "serving": {
        "mode": "disagg",
        "search": {"agg": {"max_batch": 64}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 64}},
    },
}


def pairs(points: Points, asked: Ask) -> Iterator[tuple[int, IntArray]]:
    """Each prefill point within the bounds, with the decode points it can hand to."""
    fits = points.memory_bytes <= points.memory_limit_bytes
    first = np.flatnonzero(fits & (points.role == Role.PREFILL) & (points.ttft_ns <= (asked.ttft_ns or 0)))
    last = np.flatnonzero(fits & (points.role == Role.DECODE) & (points.tpot_ns <= (asked.tpot_ns or 0)))
    for p in first:
        yield int(p), last[points.group[last] == points.group[p]]


def counts(points: Points, asked: Ask, p: int, q: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Every count of workers of ``p``, with the most workers of each of ``q`` beside them."""
    budget = np.array([pool.gpus for pool in asked.pools])
    for x in range(1, int(budget[points.pool[p]] // points.gpus[p]) + 1):
        taken = np.where(points.pool[q] == points.pool[p], x * points.gpus[p], 0)
        yield x, (budget[points.pool[q]] - taken) // points.gpus[q]


def test_the_best_of_all_pairs_of_two_systems() -> None:
    """The plan is what an enumeration of all pairs of points and all counts finds."""
    case = prepare(load(BASE)[0])
    found = candidates(case)
    points, asked = found.points, ask(case, found, "disagg", None)
    best = max(
        int(np.minimum(x * points.request_rate[p], y * points.request_rate[q]).max())
        for p, q in pairs(points, asked)
        for x, y in counts(points, asked, p, q)
    )
    plan = solve(BASE, engine="both")
    assert plan.objective.value == pytest.approx(best * 200 / 1e6, rel=1e-12)
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-6)
    assert plan.requests_per_s == pytest.approx(best / 1e6, rel=1e-12)


def test_prefill_hands_over_to_another_system() -> None:
    """Pools of both systems are named in the plan, and so are the tables of both; it costs what both cost."""
    plan = solve(BASE)
    assert [(pool.role, pool.system, pool.pool) for pool in plan.pools] == [
        ("prefill", "h100_sxm", "h100"),
        ("decode", "h200_sxm", "h200_sxm"),
    ]
    assert [each.system for each in plan.provenance.tables] == ["h100_sxm", "h200_sxm"]
    assert all(each.sources for each in plan.provenance.tables)
    prefill, decode = plan.pools
    assert plan.cost_per_hour == prefill.gpus * 2.5 + decode.gpus * 3.75
    assert plan.gpus_budget == 10
    assert plan.inputs["fleet"]["pools"][0]["system"] == "h100_sxm"
    text = report_text(plan)
    assert "on 6 × h100_sxm + 4 × h200_sxm with vllm" in text
    assert f"cost      {plan.cost_per_hour:g} per hour" in text


def test_what_was_understood_is_solved_again() -> None:
    """The inputs of a plan with pools, a load and constraints are an experiment with the same plan."""
    mapping = {**BASE, "load": {"requests_per_s": 2}, "objective": "gpus", "constraints": ["gpus <= 9"]}
    plan = solve(mapping)
    again = solve(plan.inputs)
    assert (again.pools, again.inputs) == (plan.pools, plan.inputs)


def test_one_pool_is_the_fleet_of_one_system() -> None:
    """A single pool gives the plan of the short form."""
    pooled = solve({**BASE, "fleet": {"pools": [{"system": "h100_sxm", "gpus": 8}]}})
    plain = solve({**BASE, "fleet": {"system": "h100_sxm", "gpus": 8}})
    assert tuple(replace(pool, pool=None) for pool in pooled.pools) == plain.pools
    assert pooled.objective == plain.objective
    assert {pool.pool for pool in pooled.pools} == {"h100_sxm"}
    assert plain.inputs["fleet"] == {"system": "h100_sxm", "gpus": 8}
    assert not {"load", "constraints"} & set(plain.inputs)


def test_pools_never_share_a_worker_type() -> None:
    """A worker type lies in one pool, is no larger than it, and prefill and decode of both share a group."""
    case = prepare(load(BASE)[0])
    points = candidates(case).points
    for number in np.unique(points.worker_type):
        assert len(set(points.pool[points.worker_type == number])) == 1
    assert [points.gpus[points.pool == j].max() for j in (0, 1)] == [4, 4]
    assert set(points.group.tolist()) == {0}


def test_a_pool_without_tables_is_left_out() -> None:
    """What lacks tables does not keep the others from serving; the plan and the report say why."""
    pools = [{"system": "l4", "gpus": 8}, {"system": "h100_sxm", "gpus": 8}]
    plan = solve({**BASE, "fleet": {"pools": pools}})
    assert {pool.system for pool in plan.pools} == {"h100_sxm"}
    assert list(plan.left_out) == ["l4"]
    assert "no tables for system 'l4'" in plan.left_out["l4"]
    assert "left out  l4: serving: no tables" in report_text(plan)


def test_a_pool_too_small_for_the_model_is_left_out() -> None:
    """A pool on which no worker fits is left out, with the reason."""
    pools = [{"system": "l40s", "gpus": 1, "name": "lone"}, {"system": "h100_sxm", "gpus": 8}]
    plan = solve({**BASE, "fleet": {"pools": pools}})
    assert {pool.pool for pool in plan.pools} == {"h100_sxm"}
    assert "GiB" in plan.left_out["lone"]


def test_no_pool_can_serve() -> None:
    """Where no pool has tables, each one's reason is given."""
    with pytest.raises(InputError, match=r"no tables for system 'l4'.*; serving: no tables for system 'a30'"):
        solve({**BASE, "fleet": {"pools": [{"system": "l4", "gpus": 8}, {"system": "a30", "gpus": 8}]}})


def test_smaller_nodes_hold_smaller_workers() -> None:
    """With nodes of four GPUs tensor parallelism stays within four."""
    fleet = {"system": "h100_sxm", "gpus": 8, "gpus_per_node": 4}
    case = prepare(load({**BASE, "fleet": fleet})[0])
    found = candidates(case)
    assert found.points.degrees["tp"].max() == 4
    assert ask(case, found, "disagg", None).pools[0].gpus_per_node == 4


def test_a_fleet_too_small_names_its_pools() -> None:
    """Each pool's GPUs are a constraint of their own, and the change that is needed makes a plan exist."""
    pools = [{"system": "h100_sxm", "gpus": 2, "name": "spot"}, {"system": "h200_sxm", "gpus": 2}]
    mapping = {**BASE, "sla": {"ttft_ms": 400, "tpot_ms": 7}, "fleet": {"pools": pools}}
    mapping["serving"] = {**BASE["serving"], "mode": "agg"}
    plan = solve(mapping)
    assert plan.explanation is not None
    change = {each.constraint: each for each in plan.explanation.relaxations}["fleet.pools[1].gpus"]
    assert change.needed is not None
    assert change.plan is not None
    assert "fleet.pools[1].gpus 2 cannot hold together" in plan.explanation.text
    pools[1]["gpus"] = int(change.needed)
    assert solve(mapping).objective == change.plan.objective


def test_an_estimate_is_of_one_system(run: Callable[..., Any], write: Callable[..., Path]) -> None:
    """A single configuration has one system: pools are refused."""
    text = "model: Qwen/Qwen3-32B\nworkload: {isl: 1000, osl: 100}\n"
    path = write(text + "fleet: {pools: [{system: h100_sxm, gpus: 8}]}\n")
    code, _, err = run("estimate", path, "--role", "agg", "--tp", "4")
    assert code == 2
    assert "fleet.pools: an estimate is of one system" in err


@pytest.mark.parametrize(
    ("fleet", "workers"),
    [
        ({"system": "gb200", "gpus": 72}, 4),
        ({"system": "gb200", "gpus": 144}, 8),
        ({"system": "gb200", "gpus": 144, "gpus_per_node": 144}, 9),
    ],
)
def test_a_worker_lies_within_the_gpus_that_nvlink_joins(fleet: dict[str, Any], workers: int) -> None:
    """Of a rack of 72 four workers of 16 GPUs take 64: the rest is too few, and no worker crosses racks."""
    search = {"agg": {"gpus_per_worker": [16], "tp": [4], "batch": [16]}}
    serving = {"backend": "trtllm", "mode": "agg", "search": search}
    plan = solve({**BASE, "fleet": fleet, "serving": serving})
    assert sum(pool.workers for pool in plan.pools) == workers
