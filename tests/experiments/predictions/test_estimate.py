"""Estimates of given configurations."""

from dataclasses import astuple
from typing import Any

import pytest

import aicfg
from aicfg.experiments.predictions.estimate import Estimate, Worker, estimate
from aicfg.hardware.curve import Role

MAPPING: dict[str, Any] = {
    "name": "given",
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 4000, "osl": 500},
    "sla": {"ttft_ms": 300, "tpot_ms": 10},
    "fleet": {"system": "h100_sxm", "gpus": 32},
}
ROLES: tuple[Role, ...] = ("prefill", "decode")
PREFILL = Worker(role="prefill", tp=4, workers=3)
DECODE = Worker(role="decode", tp=8, batch=50, workers=2)


def test_an_estimate_of_a_plans_workers_is_the_plan() -> None:
    """Given the pools of the best plan, the estimate has its figures, pool by pool."""
    plan = aicfg.solve({**MAPPING, "serving": {"mode": "disagg"}})
    workers = [
        Worker(role=role, batch=pool.batch, workers=pool.workers, tp=pool.tp, pp=pool.pp)
        for role, pool in zip(ROLES, plan.pools, strict=True)
    ]
    found = estimate(MAPPING, *workers)
    assert found.mode == "disagg"
    assert [each.pool for each in found.pools] == list(plan.pools)
    for name in ("ttft_ms", "tpot_ms", "request_latency_ms", "tokens_per_s", "tokens_per_s_per_user"):
        assert getattr(found, name) == pytest.approx(getattr(plan, name), rel=1e-6)
    assert (found.concurrency, found.gpus_used) == (plan.concurrency, plan.gpus_used)


@pytest.mark.parametrize(
    "worker",
    [PREFILL, DECODE, Worker(role="agg", tp=8, batch=16), Worker(role="agg", tp=8)],
    ids=["prefill", "decode", "agg", "agg of one request"],
)
def test_the_parts_of_a_step_add_up(worker: Worker) -> None:
    """The operations of each step add up to it, and each one's sources to the whole of it."""
    (pool,) = estimate(MAPPING, worker).pools
    names = [step.name for step in pool.steps]
    assert names == {"agg": ["mixed", "decode"]}.get(worker.role, [worker.role])
    for step in pool.steps:
        assert sum(part.ms for part in step.parts) == pytest.approx(step.ms, rel=1e-3)
        assert all(sum(astuple(part.sources)) == pytest.approx(1.0) for part in step.parts)
    assert pool.steps[-1].ms == pytest.approx(pool.pool.step_ms, rel=1e-3)


def test_what_does_not_apply_is_none() -> None:
    """Prefill workers alone make no tokens, decode workers alone no first one."""
    prefill, decode = estimate(MAPPING, PREFILL), estimate(MAPPING, DECODE)
    assert (prefill.tpot_ms, prefill.tokens_per_s, prefill.request_latency_ms) == (None, None, None)
    assert prefill.requests_per_s == pytest.approx(3 * prefill.pools[0].pool.requests_per_s)
    assert (decode.ttft_ms, decode.request_latency_ms) == (None, None)
    assert decode.tokens_per_s == pytest.approx(500 * decode.requests_per_s)


def test_a_chunk_is_the_prompt_unless_given() -> None:
    """An aggregated worker prefills a whole prompt a step; a smaller chunk makes smaller steps."""
    whole, half = (estimate(MAPPING, Worker(role="agg", tp=8, chunk_tokens=chunk)) for chunk in (None, 2000))
    assert (whole.pools[0].pool.chunk_tokens, half.pools[0].pool.chunk_tokens) == (4000, 2000)
    assert half.pools[0].steps[0].ms < whole.pools[0].steps[0].ms


def test_what_does_not_fit_is_estimated_all_the_same() -> None:
    """Too large a batch has its figures, and says that it does not fit."""
    (pool,) = estimate(MAPPING, Worker(role="decode", tp=1, batch=400)).pools
    assert not pool.fits
    assert pool.pool.memory_gib.used > pool.pool.memory_gib.limit


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        ({"tp": 4}, (4, 1)),
        ({"tp": 4, "moe_ep": 4}, (1, 4)),
        ({"dp": 4, "moe_tp": 4}, (4, 1)),
        ({"tp": 2, "dp": 4, "moe_ep": 8}, (1, 8)),
    ],
)
def test_the_experts_degrees_fill_each_other_in(given: dict[str, int], layout: tuple[int, int]) -> None:
    """Of moe_tp and moe_ep, what is left out follows from the GPUs of a stage."""
    mapping = {**MAPPING, "model": "mistralai/Mixtral-8x7B-v0.1"}
    (pool,) = estimate(mapping, Worker(role="decode", batch=8, **given)).pools
    assert (pool.pool.moe_tp, pool.pool.moe_ep) == layout


@pytest.mark.parametrize(
    ("workers", "part"),
    [
        ((), "got none; expected one of agg, prefill, decode, or prefill and decode"),
        ((DECODE, DECODE), "got decode, decode; expected one of"),
        ((PREFILL, Worker(role="agg")), "got prefill, agg; expected one of"),
        ((Worker(role="decode", tp=3),), "decode tp3: tp 3 does not divide the intermediate size"),
        ((Worker(role="decode", dp=2),), "decode tp1dp2: a dense model has dp"),
    ],
)
def test_workers_that_cannot_be(workers: tuple[Worker, ...], part: str) -> None:
    """Pairs that do not serve together and layouts that the model cannot have are one clear line."""
    with pytest.raises(aicfg.InputError, match=part) as caught:
        estimate(MAPPING, *workers)
    assert "\n" not in str(caught.value)


def test_what_was_not_measured_is_named() -> None:
    """An operation without a table is named, with what would fill the gap."""
    mapping = {**MAPPING, "model": "Qwen/Qwen3-32B-FP8", "fleet": {"system": "l40s", "gpus": 8}}
    mapping["serving"] = {"backend": "sglang"}
    with pytest.raises(aicfg.InputError, match=r"qkv: table gemm .* no rows .* the data mode hybrid"):
        estimate(mapping, DECODE)
    hybrid = estimate({**mapping, "serving": {"backend": "sglang", "data_mode": "HYBRID"}}, DECODE)
    assert hybrid.pools[0].pool.sources is not None
    assert hybrid.pools[0].pool.sources.estimated > 0.05


def test_drafts_pay_by_what_is_kept_of_them() -> None:
    """A step that verifies a draft takes longer; what is kept of it shortens the time per token."""
    plain = estimate(MAPPING, DECODE)
    tpot = {}
    for accepted in (0.0, 0.9):
        serving = {"speculative": {"nextn": 1, "accepted": accepted}}
        found = estimate({**MAPPING, "serving": serving}, DECODE)
        tpot[accepted] = found.tpot_ms or 0.0
    assert tpot[0.0] > (plain.tpot_ms or 0.0)
    assert tpot[0.9] == pytest.approx(tpot[0.0] / 1.9, rel=1e-3)


def test_json_holds_the_figures() -> None:
    """The JSON is the estimate, field by field."""
    import msgspec

    found = estimate(MAPPING, DECODE)
    assert msgspec.json.decode(found.to_json(indent=2), type=Estimate) == found
    assert found.to_json().count("\n") == 0
