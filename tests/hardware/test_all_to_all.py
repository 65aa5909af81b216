"""All-to-alls of large expert groups: formats on the wire, measured curves, and what stands in for them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from aicfg.hardware.all_to_all import Wire, budgets, lent_by_racks, wire_dtype
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, open_tables
from aicfg.model_specs.operations import AllToAll, Split

Priced = Callable[..., Pricing]
MadeCurve = Callable[..., Grid]
A2A = AllToAll("a2a", "deepep_ll", "dispatch", "decode", 7168, 8, 256, 8)
SHAPE = (7168, 8, 256)


def load(*tokens: float) -> StepLoad:
    """Steps of so many tokens."""
    return StepLoad(np.array(tokens), np.array(tokens))


@pytest.mark.parametrize(
    ("transport", "moe", "there", "back"),
    [
        ("deepep_ht", "fp8_block", "default", "default"),
        ("trtllm_deepep_ht", "fp8_block", "bfloat16", "bfloat16"),
        ("trtllm_deepep_ht", "nvfp4", "nvfp4", "nvfp4"),
        ("trtllm_deepep_ht", "int4_wo", None, None),
        ("trtllm_deepep_ll", "fp8", "fp8", "fp8"),
        ("trtllm_deepep_ll", "nvfp4", "nvfp4", "fp4"),
        ("nvlink_two_sided", "fp8_block", "fp8", "fp8"),
        ("nvlink_two_sided", "nvfp4", "nvfp4", "fp4"),
    ],
)
def test_each_transport_sends_in_its_own_format(
    transport: str, moe: str, there: str | None, back: str | None
) -> None:
    """By the experts' format, in decoding on Blackwell."""
    sent = [wire_dtype("b200_sxm", transport, stage, "decode", moe) for stage in ("dispatch", "combine")]
    assert sent == [there, back]


def test_formats_that_a_gpu_or_a_phase_lacks() -> None:
    """Hopper sends no 4-bit activations; in prefill results come back whole."""
    assert wire_dtype("h200_sxm", "trtllm_deepep_ll", "dispatch", "decode", "nvfp4") is None
    assert wire_dtype("gb200", "nvlink_two_sided", "combine", "prefill", "nvfp4") == "nvfp4"


def test_an_all_to_all_takes_the_tokens_of_one_rank(priced: Priced, curve: MadeCurve) -> None:
    """Microseconds of its own share of the tokens, in proportion past the measured ones."""
    key: Key = ("deepep_ll", "dispatch", "default", 8, 1, *SHAPE, 0)
    pricing = priced({"moe_a2a": {key: curve([8, 16], [100.0, 300.0])}})
    assert pricing.price(replace(A2A, split=Split(shards=4)), load(48, 128)) == pytest.approx([0.2, 0.6])
    with pytest.raises(MissingDataError, match="deepep_ll combine"):
        pricing.price(replace(A2A, stage="combine"), load(8))


def test_one_node_stands_for_many_where_nobody_measured_them(priced: Priced, curve: MadeCurve) -> None:
    """The group inside a node lends its curve, and the price says that it is an estimate."""
    key: Key = ("deepep_ll", "dispatch", "default", 8, 1, *SHAPE, 0)
    across: Key = ("deepep_ll", "dispatch", "default", 16, 2, *SHAPE, 0)
    tables = {"moe_a2a": {key: curve([8, 16], [100.0, 300.0]), across: curve([8, 16], [500.0, 700.0])}}
    pricing = priced(tables).recording()
    assert pricing.price(replace(A2A, moe_ep=32), load(8)) == pytest.approx([0.1])
    assert pricing.price(replace(A2A, moe_ep=16), load(8)) == pytest.approx([0.5])
    assert pricing.ledger is not None
    lent, own = pricing.ledger.entries
    assert lent.by_source[Source.ESTIMATED] == pytest.approx([0.1])
    assert own.by_source[Source.MEASURED] == pytest.approx([0.5])


def test_the_curve_with_the_engines_multiprocessors_is_taken(priced: Priced, curve: MadeCurve) -> None:
    """20 of them, or the nearest number that was measured."""
    op = replace(A2A, transport="deepep_ht", phase="prefill")
    key: Key = ("deepep_ht", "dispatch", "default", 8, 1, *SHAPE)
    curves = {(*key, 8): curve([8, 16], [9.0, 9.0]), (*key, 24): curve([8, 16], [100.0, 300.0])}
    assert priced({"moe_a2a": curves}).price(op, load(8)) == pytest.approx([0.1])
    curves[*key, 20] = curve([8, 16], [200.0, 300.0])
    assert priced({"moe_a2a": curves}).price(op, load(8)) == pytest.approx([0.2])


def test_sglangs_older_tables_state_the_parts_of_an_exchange(priced: Priced, curve: MadeCurve) -> None:
    """Sending and notifying add up; nodes have 8 GPUs there."""
    sent, told_ = curve([8, 16], [100.0, 200.0]), curve([8, 16], [10.0, 20.0])
    parts = {"dispatch_transmit_us": sent, "dispatch_notify_us": told_}
    low = {"dispatch_avg_t_us": curve([8, 16], [50.0, 60.0])}
    tables: dict[str, dict[Key, Any]] = {
        "deepep_normal": {(2, *SHAPE, 20, 20): parts},
        "deepep_ll": {(1, *SHAPE): low},
    }
    pricing = priced(tables, backend="sglang")
    wide = replace(A2A, transport="deepep_ht", phase="prefill", moe_ep=16)
    assert pricing.price(wide, load(16)) == pytest.approx([0.22])
    assert pricing.price(A2A, load(8)) == pytest.approx([0.05])


def test_racks_combine_low_precision_in_a_kernel_of_its_own(priced: Priced) -> None:
    """Milliseconds, by group and tokens."""
    axes = (np.array([4, 8]), np.array([8, 16]))
    plain, low = (Grid(axes, level * np.array([[1.0, 2.0], [3.0, 4.0]])) for level in (1.0, 10.0))
    head = ("NVLinkTwoSided", "alltoall_combine")
    tables = {
        "trtllm_alltoall": {
            (*head, "nvfp4", "balanced", *SHAPE): plain,
            (head[0], f"{head[1]}_low_precision", "nvfp4", "balanced", *SHAPE): low,
        }
    }
    pricing = priced(tables, system="gb200", backend="trtllm", moe="nvfp4")
    op = replace(A2A, transport="nvlink_two_sided", stage="combine")
    assert pricing.price(op, load(16)) == pytest.approx([40.0])
    assert pricing.price(replace(op, phase="prefill"), load(16)) == pytest.approx([4.0])


def test_light_sends_each_token_once_to_every_other_gpu_of_its_experts(priced: Priced) -> None:
    """At most ep - 1 of them, at the experts' width there and at 2 bytes back."""
    pricing = priced({}, mode=DataMode.SOL, moe="fp8_block")
    there = 64 * 7 * 7168 / 450e9 * 1000.0
    assert pricing.price(A2A, load(64)) == pytest.approx([there])
    assert pricing.price(replace(A2A, stage="combine"), load(64)) == pytest.approx([2 * there])


def test_a_rack_lends_its_exchange() -> None:
    """Kimi's 384 experts on GB300 go over NVLink as DeepSeek's 256 do on GB200."""
    gb200, gb300 = (open_tables(name, "trtllm") for name in ("gb200", "gb300"))
    wire = Wire("nvlink_two_sided", "dispatch", "nvfp4", 8, 2, 7168, 8, 256)
    (tokens, times) = budgets(gb200, wire)[0]
    for tables, experts in ((gb200, 384), (gb300, 256), (gb300, 384)):
        asked = dataclasses.replace(wire, experts=experts)
        assert not budgets(tables, asked)
        lent = lent_by_racks(tables, asked)[0]
        assert (lent[0] == tokens).all() and (lent[1] == times).all()
    assert not lent_by_racks(open_tables("b200_sxm", "trtllm"), wire)
    assert not lent_by_racks(gb200, dataclasses.replace(wire, hidden=6144))
