"""Figures of a plan, worked out by hand."""

from dataclasses import replace

import pytest
from instances import AGG, AGG_POINTS, DISAGG, MS, PAIR

from aicfg.solver.evaluate import evaluate


def test_disagg_figures():
    """3 prefill at 4/s and 2 decode at 8/s serve 12/s, with the latencies of the points in use."""
    found = evaluate(PAIR, DISAGG, {1: 3, 3: 2, 0: 0})
    assert (found.value, found.gpus, found.worker_types) == (120_000_000, (7,), 2)
    assert (found.ttft_ns, found.tpot_ns, found.request_latency_ns) == (300 * MS, 30 * MS, 570 * MS)
    assert found.broken == ()


def test_agg_figures():
    """Two workers of 100 tokens/s."""
    found = evaluate(AGG_POINTS, AGG, {2: 2})
    assert (found.value, found.gpus, found.request_latency_ns) == (200_000_000, (8,), 235 * MS)


@pytest.mark.parametrize(
    ("counts", "change", "broken"),
    (
        ({1: 5, 3: 2}, {}, "gpus(h100_sxm)"),
        ({1: 1, 3: 1}, {"ttft_ns": 299 * MS}, "ttft"),
        ({1: 1, 3: 1}, {"tpot_ns": 29 * MS}, "tpot"),
        ({1: 1, 3: 1}, {"request_latency_ns": 569 * MS}, "request_latency"),
        ({1: 1}, {}, "service(decode)"),
        ({0: 1, 1: 1, 3: 1}, {}, "one_batch(prefill)"),
    ),
)
def test_what_a_plan_breaks_is_named(counts, change, broken):
    """Each constraint by its name."""
    assert evaluate(PAIR, replace(DISAGG, **change), counts).broken == (broken,)


def test_memory_types_and_mode():
    """The remaining constraints."""
    heavy = replace(PAIR, memory_bytes=PAIR.memory_bytes + 2)
    assert evaluate(heavy, DISAGG, {1: 1, 3: 1}).broken == ("memory",)
    assert evaluate(AGG_POINTS, AGG, {0: 1, 2: 1}).broken == ("types_per_role(agg)",)
    assert evaluate(PAIR, AGG, {1: 1}).broken == ("service(agg)", "mode")
