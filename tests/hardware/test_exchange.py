"""Collectives that carry tokens to the experts and back, by engine, GPU and layout."""

from collections.abc import Callable

import numpy as np
import pytest

from aicfg.hardware.exchange import steps
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid
from aicfg.model_specs.operations import AllReduce, Collective, ExpertExchange, Operation

Priced = Callable[..., Pricing]


def exchange(tp: int, dp: int, before: bool, context: int = 1, phase: str = "prefill") -> ExpertExchange:
    """One way, of 100 elements a token, over tp·dp·context GPUs."""
    ep = tp * dp * context
    return ExpertExchange("x", 100, 1, ep, dp, before, phase, context)  # type: ignore[arg-type]


def told(operations: tuple[Operation, ...]) -> list[tuple[str, int, float]]:
    """Kind, GPUs and elements a token of each collective."""
    return [
        ("sum" if isinstance(op, AllReduce) else op.kind, op.ranks, op.width)
        for op in operations
        if isinstance(op, AllReduce | Collective)
    ]


GATHER, SCATTER, SUM = "all_gather", "reduce_scatter", "sum"
CASES = [
    ("vllm", 90, exchange(8, 1, True), [(SUM, 8, 100)]),
    ("vllm", 90, exchange(1, 8, True), [(GATHER, 8, 800)]),
    ("vllm", 90, exchange(1, 8, False), [(SCATTER, 8, 800)]),
    ("vllm", 90, exchange(2, 4, True), [(SUM, 8, 100), (GATHER, 8, 400)]),
    ("vllm", 90, exchange(1, 1, True), []),
    ("sglang", 90, exchange(8, 1, False), [(SUM, 8, 100)]),
    ("sglang", 90, exchange(1, 8, False), [(SCATTER, 8, 800)]),
    ("sglang", 90, exchange(2, 4, True), [(SCATTER, 2, 100), (GATHER, 8, 400)]),
    ("sglang", 90, exchange(2, 4, False), [(SCATTER, 8, 400), (GATHER, 2, 100)]),
    ("sglang", 90, exchange(2, 1, True, context=4), [(GATHER, 8, 100)]),
    ("sglang", 90, exchange(2, 1, False, context=4), [(SCATTER, 8, 100)]),
    ("sglang", 90, exchange(2, 1, True, context=4, phase="decode"), []),
    ("sglang", 90, exchange(2, 1, False, context=4, phase="decode"), [(SUM, 8, 100)]),
    ("trtllm", 90, exchange(2, 4, True), [(SUM, 8, 100)]),
    ("trtllm", 90, exchange(1, 8, True), [(GATHER, 8, 800)]),
    ("trtllm", 103, exchange(2, 4, True), [(SUM, 8, 100)]),
    ("trtllm", 100, exchange(2, 4, True), [(GATHER, 8, 200)]),
    ("trtllm", 100, exchange(2, 4, False), [(SCATTER, 8, 400)]),
    ("trtllm", 100, exchange(8, 1, True), [(SUM, 8, 100)]),
]


@pytest.mark.parametrize(("backend", "sm", "op", "wanted"), CASES)
def test_engines_reach_their_experts_by_these_collectives(
    backend: str, sm: int, op: ExpertExchange, wanted: list[tuple[str, int, float]]
) -> None:
    """What runs before and after fp8 experts, by engine, compute capability and layout."""
    assert told(steps(op, backend, sm, "fp8_block")) == wanted


@pytest.mark.parametrize(("moe", "share"), [("bfloat16", 1.0), ("fp8", 0.5), ("nvfp4", 0.28125)])
def test_blackwell_gathers_quantised_activations(moe: str, share: float) -> None:
    """On the way there alone: results come back at 2 bytes."""
    there, back = exchange(1, 8, True), exchange(1, 8, False)
    assert told(steps(there, "trtllm", 100, moe)) == [(GATHER, 8, 800 * share)]
    assert told(steps(back, "trtllm", 100, moe)) == [(SCATTER, 8, 800)]


def test_an_exchange_takes_the_sum_of_its_collectives(priced: Priced) -> None:
    """Each priced from its own table."""
    sizes = np.array([100, 1000])
    grid = Grid((np.array([8]), sizes), np.array([[1.0, 10.0]]))
    tables = {"custom_allreduce": {("half",): grid}, "nccl": {("all_gather", "half"): grid}}
    assert priced(tables).price(
        exchange(2, 4, True), StepLoad(np.array([2.0]), np.array([2.0]))
    ) == pytest.approx([2.0 + 8.0])
