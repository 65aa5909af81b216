"""Rows have AIConfigurator's columns in its order, and figures that belong together."""

import json
import math
from pathlib import Path

import pytest

from aicfg.experiments.peer.answers.outcome import Solved, Wanted, solve_request
from aicfg.experiments.peer.forms.rows import AGG_COLUMNS, DISAGG_COLUMNS, OWN_COLUMNS, columns, rows
from aicfg.experiments.peer.requests.request import Entry, request_of
from aicfg.experiments.peer.requests.translate import Settings

PEERS = json.loads((Path(__file__).parent / "columns.json").read_text(encoding="utf-8"))
"""The header of AIConfigurator 0.12.0's CSV files."""


@pytest.fixture(scope="module", params=["agg", "disagg"])
def solved(request: pytest.FixtureRequest) -> Solved:
    """One experiment in either mode."""
    keys = {
        "serving_mode": request.param,
        "model_path": "Qwen/Qwen3-32B-FP8",
        "system_name": "h100_sxm",
        "backend_name": "vllm",
        "total_gpus": 12,
        "isl": 2000,
        "osl": 200,
    }
    entries = [Entry(key, value, (key,)) for key, value in keys.items()]
    return solve_request(request_of(request.param, entries, str), Settings(), Wanted())


def test_columns_are_the_peers() -> None:
    """All of them, in order; ours come after."""
    assert list(AGG_COLUMNS) == PEERS["agg"]
    assert list(DISAGG_COLUMNS) == PEERS["disagg"]
    assert columns("agg") == AGG_COLUMNS + OWN_COLUMNS


def test_figures_belong_together(solved: Solved) -> None:
    """Rates, latencies, GPUs and the ranking key follow from one another."""
    for row, each in zip(rows(solved, solved.top), solved.top, strict=True):
        assert row["request_latency"] == pytest.approx(row["ttft"] + row["tpot"] * (row["osl"] - 1), abs=0.2)
        assert row["tokens/s/gpu"] == pytest.approx(row["tokens/s"] / row["num_total_gpus"], abs=0.01)
        assert row["tokens/s/user"] == pytest.approx(1000 / row["tpot"], rel=1e-3)
        assert row["tokens/s/gpu_cluster"] == pytest.approx(
            row["tokens/s/gpu"] * each.replicas * row["num_total_gpus"] / 12, rel=1e-3
        )
        assert each.replicas * row["num_total_gpus"] <= 12
        assert math.gcd(*(pool.workers for pool in each.pools)) == 1
        assert row["sla_met"]


def test_ranking_and_gaps(solved: Solved) -> None:
    """The best comes first with no gap; layouts that decode differ from row to row."""
    found = rows(solved, solved.top)
    rates = [row["tokens/s/gpu_cluster"] for row in found]
    assert rates == sorted(rates, reverse=True)
    assert found[0]["optimality_gap"] == 0.0
    assert all(row["optimality_gap"] >= 0 for row in found)
    name = "parallel" if solved.request.mode == "agg" else "(d)parallel"
    assert len({row[name] for row in found}) == len(found) == 5


def test_binding_constraint(solved: Solved) -> None:
    """A plan just under the bound on the time per token is bound by it."""
    row = rows(solved, solved.top)[0]
    assert row["binding_constraint"] in ("tpot", "ttft", "memory", "gpus", "max_batch")
    if row["tpot_slack"] < 0.3:
        assert row["binding_constraint"] == "tpot"


def test_the_chosen_plan_is_on_the_frontier(solved: Solved) -> None:
    """Some plan of the frontier has its throughput and is no slower."""
    best = solved.top[0]
    match = [each for each in solved.frontier if each.tpot_ms <= best.tpot_ms + 1e-9]
    assert max(map(solved.cluster_rate, match)) == pytest.approx(solved.best_rate, rel=1e-6)
