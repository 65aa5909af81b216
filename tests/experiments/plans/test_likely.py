"""Error bars of plans and estimates."""

from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.predictions.estimate import Worker, estimate
from aicfg.hardware.profile import load_profile

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-8B",
    "workload": {"isl": 1000, "osl": 200},
    "sla": {"ttft_ms": 3000, "tpot_ms": 60},
    "fleet": {"system": "h100_sxm", "gpus": 4},
    "serving": {"backend": "vllm", "search": {"decode": {"max_batch": 16}, "agg": {"max_batch": 16}}},
}


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_plans_carry_the_ends_of_their_intervals(mode: str) -> None:
    """Prediction times the factors of the profile, of the engine and mode that serve."""
    plan = solve({**BASE, "serving": {**BASE["serving"], "mode": mode}})
    known = load_profile("aicfg").intervals
    assert known is not None
    assert plan.likely is not None
    assert plan.likely.share == 0.8
    for metric in ("ttft_ms", "tpot_ms", "tokens_per_s"):
        low, high = known.interval(mode, "vllm", metric, 0.8)  # type: ignore[arg-type]
        value = getattr(plan, metric)
        assert getattr(plan.likely, metric) == pytest.approx((low * value, high * value))


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
