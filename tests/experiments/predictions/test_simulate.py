"""aicfg simulate: plans of every kind under load, from files and from Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments.api import solve
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.predictions.simulate import Run, simulate_plan
from aicfg.model_specs.errors import InputError

ASKED: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 2000, "tpot_ms": 30},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {
        "backend": "vllm",
        "mode": "agg",
        "search": {"agg": {"max_batch": 32}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 64}},
    },
}


def plan(mode: str) -> Plan:
    """The best plan of one mode."""
    return solve({**ASKED, "serving": {**ASKED["serving"], "mode": mode}})


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_throughput_is_what_the_plan_says(mode: str) -> None:
    """A closed loop with the plan's requests in flight: its throughput and TPOT, within a tenth."""
    best = plan(mode)
    simulation, ttft, tpot = simulate_plan(best, Run())
    assert simulation.tokens_per_s == pytest.approx(best.tokens_per_s, rel=0.12)
    assert simulation.tpot_ms.mean == pytest.approx(best.tpot_ms, rel=0.1)
    assert simulation.concurrency == pytest.approx(best.concurrency, rel=0.1)
    assert len(ttft) == len(tpot) == simulation.requests


def test_percentiles_are_in_order() -> None:
    """P50, P90, P99 rise; the same seed gives the same figures, another one others."""
    best = plan("agg")
    one, other, third = (simulate_plan(best, Run(seed=seed))[0] for seed in (1, 1, 2))
    assert one == other and one != third
    assert one.ttft_ms.p50 <= one.ttft_ms.p90 <= one.ttft_ms.p99


def test_half_the_load_waits_less() -> None:
    """Poisson arrivals at half of what the plan can serve: the rate asked for, shorter waits."""
    best = plan("agg")
    assert best.requests_per_s is not None
    full, half = (
        simulate_plan(best, Run("poisson", 800, share * best.requests_per_s))[0] for share in (0.95, 0.5)
    )
    assert half.requests_per_s == pytest.approx(0.5 * best.requests_per_s, rel=0.15)
    assert half.ttft_ms.p99 < full.ttft_ms.p99 and half.tpot_ms.mean < full.tpot_ms.mean


def test_the_opening_burst_counts_where_asked() -> None:
    """All prompts at once wait long: the mean rises."""
    best = plan("agg")
    steady, whole = (simulate_plan(best, Run(opening=opening))[0] for opening in (False, True))
    assert whole.ttft_ms.p99 > 1.5 * steady.ttft_ms.p99


def test_mixed_plans() -> None:
    """Aggregated workers beside prefill and decode workers add up."""
    best = plan("mixed")
    simulation, _, _ = simulate_plan(best, Run())
    assert simulation.tokens_per_s == pytest.approx(best.tokens_per_s, rel=0.15)


def test_a_plan_file_and_an_experiment_give_the_same(run: Callable[..., Any], tmp_path: Path) -> None:
    """``aicfg solve --json`` and the experiment that it was made from."""
    (tmp_path / "ask.json").write_text(json.dumps({**ASKED, "name": "ask"}))
    (tmp_path / "plan.json").write_text(solve(tmp_path / "ask.json").to_json())
    outs = [run("simulate", tmp_path / name, "--json") for name in ("ask.json", "plan.json")]
    assert outs[0] == outs[1] and outs[0].code == 0
    found = json.loads(outs[0].out)
    assert found["schema"] == 1 and set(found["ttft_ms"]) == {"mean", "p50", "p90", "p99"}


def test_the_report(run: Callable[..., Any], tmp_path: Path) -> None:
    """A table beside the plan's figures, and both distributions; a picture where asked for."""
    (tmp_path / "plan.json").write_text(plan("agg").to_json())
    code, out, err = run("simulate", tmp_path / "plan.json", "--png", tmp_path / "curves.png")
    assert (code, err) == (0, "")
    assert "TTFT ms" in out and "plan's error" in out and "multiple of the median" in out
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    _, out, _ = run("simulate", tmp_path / "plan.json", "--arrivals", "poisson", "--rate", 2)
    assert "Poisson arrivals" in out and "plan's error" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rate", 3), "--rate: clients ask anew when they have their answer; add --arrivals poisson"),
        (("--requests", 0), "--requests 0: expected a number from 1 to 1e+06"),
        (("--spread", 2), "--spread 2: expected a number from 0 to 0.99"),
        (("--png", "a.jpg"), "a.jpg"),
    ],
)
def test_what_cannot_be_simulated(
    run: Callable[..., Any], tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    """One line says what is wrong."""
    (tmp_path / "plan.json").write_text(plan("agg").to_json())
    code, _, err = run("simulate", tmp_path / "plan.json", *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1


def test_a_plan_without_pools(run: Callable[..., Any], tmp_path: Path) -> None:
    """An infeasible plan has nothing to simulate; a file that is not there is named."""
    infeasible = solve({**ASKED, "sla": {"tpot_ms": 0.01}})
    with pytest.raises(InputError, match=r"has no pools \(infeasible\)"):
        simulate_plan(infeasible, Run())
    assert "no.json: cannot be read" in run("simulate", tmp_path / "no.json").err


def test_from_python() -> None:
    """``aicfg.simulate`` gives what the command does."""
    best = plan("agg")
    assert aicfg.simulate(best, requests=400, seed=3) == simulate_plan(best, Run(requests=400, seed=3))[0]
