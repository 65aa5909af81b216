"""Collectives inside and beyond the measured groups."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.operations import AllReduce, Collective, Split

SIZES = np.array([1024, 2048])
GRID = Grid((np.array([2, 8]), SIZES), np.array([[1.0, 2.0], [3.0, 4.0]]))
OP = Collective("gather", "all_gather", 1.0, 8)
Priced = Callable[..., Pricing]


def load(*tokens: float) -> StepLoad:
    """Steps of so many tokens."""
    return StepLoad(np.array(tokens), np.array(tokens))


@pytest.fixture
def pricing(priced: Priced) -> Pricing:
    """A gather measured over 2 and 8 GPUs."""
    return priced({"nccl": {("all_gather", "half"): GRID}})


def test_messages_are_interpolated_and_carried_on_in_proportion(pricing: Pricing) -> None:
    """Linear between sizes; past them, in proportion to the nearest end."""
    assert pricing.price(OP, load(512, 1536, 4096)) == pytest.approx([1.5, 3.5, 8.0])


def test_width_and_share_make_the_message(pricing: Pricing) -> None:
    """Elements are the rank's tokens times a width that may be a fraction."""
    assert pricing.price(replace(OP, width=0.5, split=Split(context=2)), load(4095)) == pytest.approx([3.0])


def test_one_gpu_has_nobody_to_talk_to(pricing: Pricing) -> None:
    """No time, and no table is asked."""
    assert pricing.price(replace(OP, kind="alltoall", ranks=1), load(1024)).tolist() == [0.0]


def test_past_the_largest_group_bandwidth_scales(pricing: Pricing) -> None:
    """16 GPUs in two H200 nodes: 15/16 over 7/8, and 450 against 50 GB/s."""
    wanted = 3.0 * (15 / 16) / (7 / 8) * 9.0
    assert pricing.price(replace(OP, ranks=16), load(1024)) == pytest.approx([wanted])


def test_a_group_in_between_is_a_named_miss(pricing: Pricing) -> None:
    """Nothing is interpolated between group sizes."""
    with pytest.raises(MissingDataError, match=r"all_gather .* over 4 GPUs .*\[2, 8\]"):
        pricing.price(replace(OP, ranks=4), load(1024))


def test_keys_and_values_count_in_their_own_width(priced: Priced) -> None:
    """An fp8 cache moves half of what 2-byte elements would."""
    pricing = priced({"nccl": {("all_gather", "half"): GRID}}, kvcache="fp8")
    assert pricing.price(replace(OP, payload="kvcache"), load(2048)) == pytest.approx([3.0])


def test_intel_gpus_have_a_library_of_their_own(priced: Priced) -> None:
    """oneCCL answers where NCCL has no rows."""
    pricing = priced({"oneccl": {("all_gather", "half"): GRID}}, system="b60")
    assert pricing.price(OP, load(1024)) == pytest.approx([3.0])


def test_the_engines_own_sum_scales_alike(priced: Priced) -> None:
    """Measured past a node it needs no scaling (here: 8 GPUs over two nodes of 4)."""
    pricing = priced({"custom_allreduce": {("half",): GRID}}, system="gb300")
    assert pricing.price(AllReduce("sum", 1, 8), load(1024)) == pytest.approx([3.0])
    assert pricing.price(AllReduce("sum", 1, 16), load(1024)) == pytest.approx([3.0 * (15 / 16) / (7 / 8)])


def test_light_is_a_ring_over_the_slowest_link(priced: Priced) -> None:
    """Each GPU sends (r-1)/r of 2-byte elements once, a sum's twice."""
    pricing = priced({}, mode=DataMode.SOL)
    once = 2 * 1024 * (7 / 8) / 450e9 * 1000.0
    assert pricing.price(OP, load(1024)) == pytest.approx([once])
    assert pricing.price(replace(OP, kind="all_reduce"), load(1024)) == pytest.approx([2 * once])


def test_an_estimate_uses_the_link_as_the_nearest_group_does(priced: Priced) -> None:
    """In HYBRID, 6 GPUs reach the utilisation that 8 reach."""
    pricing = priced({"nccl": {("all_gather", "half"): GRID}}, mode=DataMode.HYBRID)
    assert pricing.price(replace(OP, ranks=6), load(1024)) == pytest.approx([3.0 * (5 / 6) / (7 / 8)])


def test_no_own_all_reduce_crosses_nodes(priced: Priced) -> None:
    """The engine's kernel sums inside a node; over two the library's does, and a ring of hops follows."""
    own = Grid(GRID.axes, GRID.values / 10.0)
    made = priced({"custom_allreduce": {("half",): own}, "nccl": {("all_reduce", "half"): GRID}})
    operations = replace(made.profile.operations, groups_across_nodes="hierarchical")
    pricing = Pricing(made.system, made.tables, made.quant, replace(made.profile, operations=operations))
    assert pricing.price(AllReduce("sum", 1, 8), load(1024)) == pytest.approx([0.3])
    sent_ms = 2.0 * 2.0 * 1024 / 8 * (1 / 2) / made.system.inter_node_bytes_per_s * 1000.0
    wanted = 3.0 + sent_ms + 2.0 * made.system.p2p_latency_ms
    assert pricing.price(AllReduce("sum", 1, 16), load(1024)) == pytest.approx([wanted])
    alone = priced({"custom_allreduce": {("half",): own}})
    bare = Pricing(made.system, alone.tables, made.quant, pricing.profile)
    assert bare.price(AllReduce("sum", 1, 16), load(1024)) == pytest.approx([wanted - 2.7])
