"""The fourteen experiments of the mission: a sane plan each, or why there is none beside one that fits."""

import json
from pathlib import Path

import pytest

from aicfg.experiments.cli import main

from .conftest import MISSION

PEERS = {
    "qwen3-32b-agg": 454.3,
    "qwen3-32b-disagg": 576.6,
    "qwen3-235b-agg": 361.2,
    "qwen3-235b-disagg": 546.5,
    "kimi-k2-agg": 104.8,
    "kimi-k2-disagg": 151.8,
    "llama-405b-agg": 77.3,
    "deepseek-v3-agg": 123.1,
    "deepseek-v3-disagg": 423.1,
}
"""Tokens/s/GPU of AIConfigurator 0.12.0, measured; the others do not run in it."""
INFEASIBLE = "glm-4.7-disagg"


def _solved(path: Path, capsys: pytest.CaptureFixture[str], profile: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    assert main(["exp", "--yaml-path", str(path), "--profile", profile, "--json"]) == code
    (plan,) = json.loads(capsys.readouterr().out)
    return dict(plan)


def test_there_are_fourteen_and_a_variant() -> None:
    """Seven models, two modes."""
    assert len(list(MISSION.glob("*.yaml"))) == 15


@pytest.mark.parametrize("path", sorted(MISSION.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_sane_plan(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Proven optimal, within agreement, memory and GPUs; at least the peer's under its profile."""
    if path.stem == INFEASIBLE:
        return
    plan = _solved(path, capsys, "aiconfigurator-0.12")
    assert plan["status"] == "optimal"
    sla = plan["inputs"]["sla"]
    assert plan["ttft_ms"] <= sla["ttft_ms"]
    assert plan["tpot_ms"] <= sla["tpot_ms"]
    assert 0 < plan["gpus_used"] <= plan["gpus_budget"]
    assert plan["certificate"]["recomputed"] == pytest.approx(plan["tokens_per_s"], rel=1e-6)
    for pool in plan["pools"]:
        memory = dict(pool["memory_gib"])
        limit = memory.pop("limit")
        assert sum(memory.values()) <= limit * (1 + 1e-9)
    assert plan["tokens_per_s_per_gpu"] >= PEERS.get(path.stem, 1.0) * (1 - 5e-4)


def test_where_nothing_fits_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Four H100 cannot hold a copy of GLM-4.7: proven, in GiB; the variant on 16 GPUs is above."""
    plan = _solved(MISSION / f"{INFEASIBLE}.yaml", capsys, "aicfg", code=3)
    assert "A GPU can hold" in plan["explanation"]["text"]
    assert (MISSION / f"{INFEASIBLE}-16.yaml").exists()
