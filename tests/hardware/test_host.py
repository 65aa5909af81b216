"""What a decode step takes beside its kernels."""

import numpy as np
import pytest

from aicfg.hardware.host import NO_HOST, Stack, host_ms, stack_of
from aicfg.hardware.laws import Host
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.resolve import load_architecture

RULE = Host(us_per_meeting=2.0, us_per_irregular_layer=30.0, us_per_request=5.0, us_per_request_and_layer=0.1)


def test_each_term() -> None:
    """60 layers meet twice, three doublings: 0.72 ms; 20 irregular ones: 0.6; 100 requests: 1.1."""
    found = host_ms(RULE, np.array([0.0, 100.0]), Stack(60.0, 20.0, 8.0))
    assert found == pytest.approx([0.72 + 0.6, 0.72 + 0.6 + 0.5 + 0.6])
    assert host_ms(NO_HOST, np.array([100.0]), Stack(60.0, 20.0, 8.0)) == 0.0


def test_one_rank_waits_for_nobody() -> None:
    """Meetings cost nothing on one GPU, and as much again for each doubling."""
    alone, two, four = (float(host_ms(RULE, np.zeros(1), Stack(50.0, 0.0, n))[0]) for n in (1.0, 2.0, 4.0))
    assert (alone, two) == (0.0, pytest.approx(0.2))
    assert four == pytest.approx(2 * two)


def test_the_stack_of_a_worker() -> None:
    """Layers of the model, of whose attention some is linear; the ranks of tensor parallelism meet."""
    found = stack_of(load_architecture("Qwen/Qwen3.5-397B-A17B"), Layout(tp=4, dp=2, moe_ep=8))
    assert (found.layers, found.irregular, found.ranks) == (60.0, 45.0, 4.0)
    assert found.repeated(3).layers == pytest.approx([60.0] * 3)


def test_ranks_that_exchange_tokens_alone_do_not_meet() -> None:
    """Eight ranks of attention data parallelism, whose exchange has its own price, wait for nothing else."""
    stack = stack_of(load_architecture("Qwen/Qwen3-235B-A22B"), Layout(dp=8, moe_ep=8))
    alone = Host(
        us_per_meeting=2.0, us_per_irregular_layer=0.0, us_per_request=0.0, us_per_request_and_layer=0.0
    )
    assert host_ms(alone, np.array([64.0]), stack) == 0.0
