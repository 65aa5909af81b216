"""Operations made of others."""

from collections.abc import Callable

import numpy as np
import pytest

from aicfg.hardware.load import StepLoad
from aicfg.hardware.memory_bound import memory_pass_ms
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid
from aicfg.model_specs.operations import Collective, Elementwise, FirstMeasured, Overlap

LOAD = StepLoad(np.array([1024.0, 2048.0]), np.ones(2))
GATHER = Collective("gather", "all_gather", 1.0, 8)
GRID = Grid((np.array([8]), np.array([1024, 2048])), np.array([[0.0, 9.0]]))
Priced = Callable[..., Pricing]


def passes(count: float) -> Elementwise:
    """A pass over 2 elements a token."""
    return Elementwise("pass", 1, 1, count)


@pytest.fixture
def pricing(priced: Priced) -> Pricing:
    """A gather that takes nothing at 1024 tokens and long at 2048."""
    return priced({"nccl": {("all_gather", "half"): GRID}})


def test_of_two_streams_the_slower_counts_in_each_step(pricing: Pricing) -> None:
    """Each stream is the sum of its operations, with their counts."""
    slower, gathered = pricing.price(Overlap("both", (passes(3), passes(1)), (GATHER,)), LOAD)
    assert slower == pytest.approx(4 * float(memory_pass_ms(pricing.system, 4 * 1024)))
    assert gathered == pytest.approx(9.0)


def test_a_measured_whole_comes_before_its_parts(pricing: Pricing, priced: Priced) -> None:
    """The parts' sum stands in where the whole was not measured."""
    op = FirstMeasured("block", GATHER, (passes(2), passes(1)))
    assert pricing.price(op, LOAD)[1] == pytest.approx(9.0)
    parts = 3 * memory_pass_ms(pricing.system, 4 * LOAD.tokens)
    assert priced({}).price(op, LOAD) == pytest.approx(parts)
