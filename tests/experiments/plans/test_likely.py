"""Error bars of plans and estimates."""

from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.predictions.estimate import Worker, estimate
from aicfg.hardware.intervals import METRICS, Mode, Regime
from aicfg.hardware.profile import load_profile

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-8B",
    "workload": {"isl": 1000, "osl": 200},
    "sla": {"ttft_ms": 3000, "tpot_ms": 60},
    "fleet": {"system": "h100_sxm", "gpus": 4},
    "serving": {"backend": "vllm", "search": {"decode": {"max_batch": 16}, "agg": {"max_batch": 16}}},
}


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_plans_carry_the_ends_of_their_intervals(mode: Mode) -> None:
    """Prediction times the factors of the profile, of the engine and mode that serve."""
    plan = solve({**BASE, "serving": {**BASE["serving"], "mode": mode}})
    known = load_profile("aicfg").intervals
    assert known is not None
    assert plan.likely is not None
    assert plan.likely.share == 0.8
    for metric in METRICS:
        low, high = known.interval(Regime(mode, "vllm", estimated=False), metric, 0.8)
        value = getattr(plan, metric)
        assert getattr(plan.likely, metric) == pytest.approx((low * value, high * value))


def test_estimates_widen_the_interval() -> None:
    """A worker with an operation that no table has says so, and has the interval of its regime."""
    asked = {
        **BASE,
        "model": "openai/gpt-oss-120b",
        "serving": {"backend": "trtllm", "data_mode": "hybrid"},
    }
    known = load_profile("aicfg").intervals
    assert known is not None
    for worker, estimated in (
        (Worker(role="agg", tp=2, moe_ep=2), False),
        (Worker(role="agg", tp=2, moe_tp=2), True),
    ):
        found = estimate(asked, worker)
        assert found.pools[0].pool.estimated == estimated
        assert found.likely is not None and found.tpot_ms is not None
        low, high = known.interval(Regime("agg", "trtllm", estimated), "tpot_ms", 0.8)
        assert found.likely.tpot_ms == pytest.approx((low * found.tpot_ms, high * found.tpot_ms))


def test_a_profile_without_error_bars_promises_none() -> None:
    """The peer's profile was not compared with measured runs."""
    assert solve({**BASE, "profile": "aiconfigurator-0.12"}).likely is None


def test_prefill_workers_alone_have_no_tpot() -> None:
    """What does not apply has no interval."""
    found = estimate(BASE, Worker(role="prefill", tp=2)).likely
    assert found is not None
    assert found.tpot_ms is None
    assert found.ttft_ms is not None
    assert found.ttft_ms[0] < found.ttft_ms[1]
