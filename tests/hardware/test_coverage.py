"""Which expert groups leave the collectives for an all-to-all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aicfg.hardware.coverage import ExpertLayer, large_ep_transport, transports
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Grid, Key, open_tables
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout

Priced = Callable[..., Pricing]
MadeCurve = Callable[..., Grid]
SHAPE = (7168, 8, 256)
DEEPSEEK = ExpertLayer(7168, 2048, 8, 256, "fp8_block")


@pytest.mark.parametrize(
    ("backend", "layout", "wanted"),
    [
        ("vllm", Layout(tp=8, moe_ep=8), ("deepep_ht", "deepep_ll")),
        ("sglang", Layout(tp=8, moe_ep=8), ("deepep_ht", "deepep_ll")),
        ("trtllm", Layout(dp=8, moe_ep=8), ("trtllm_deepep_ht", "trtllm_deepep_ll")),
        ("trtllm", Layout(tp=8, moe_ep=8), (None, None)),
        ("vllm", Layout(tp=8, moe_tp=8), (None, None)),
        ("sglang", Layout(tp=8, moe_tp=2, moe_ep=4), (None, None)),
        ("sglang", Layout(dp=32, moe_ep=32), ("deepep_ht", "deepep_ll")),
        ("vllm", Layout(), (None, None)),
    ],
)
def test_h200_serves_deepseek_in_these_groups(
    backend: str, layout: Layout, wanted: tuple[str | None, str | None]
) -> None:
    """Performance model §3.4: which layouts leave the collectives."""
    tables, system = open_tables("h200_sxm", backend), load_system("h200_sxm")
    assert transports(tables, system, DEEPSEEK, layout, "agg") == wanted


@pytest.mark.parametrize(
    ("system_name", "backend", "dtype", "wanted"),
    [
        ("gb200", "trtllm", "nvfp4", ("nvlink_one_sided", "nvlink_two_sided")),
        ("gb300", "trtllm", "nvfp4", ("nvlink_one_sided", "nvlink_two_sided")),
        ("gb300", "vllm", "nvfp4", ("nvlink_one_sided", "nvlink_two_sided")),
        ("gb200", "trtllm", "fp8_block", ("nvlink_two_sided", "nvlink_two_sided")),
        ("b200_sxm", "trtllm", "nvfp4", ("trtllm_deepep_ht", "trtllm_deepep_ll")),
        ("b200_sxm", "vllm", "nvfp4", ("deepep_ht", "deepep_ll")),
    ],
)
def test_a_rack_has_an_exchange_of_its_own(
    system_name: str, backend: str, dtype: str, wanted: tuple[str, str]
) -> None:
    """Engines use NVLink in a rack, measured there or on one like it; the peer charges DeepEP."""
    tables, system = open_tables(system_name, backend), load_system(system_name)
    layer, layout = replace(DEEPSEEK, dtype=dtype), Layout(dp=8, moe_ep=8)
    assert transports(tables, system, layer, layout, "decode", Conventions()) == wanted
    deepep = ("trtllm_deepep_ht", "trtllm_deepep_ll") if backend == "trtllm" else ("deepep_ht", "deepep_ll")
    assert transports(tables, system, layer, layout, "decode") == deepep


@pytest.mark.parametrize(
    ("dtype", "layout", "wanted"),
    [
        ("fp8_block", Layout(dp=32, moe_ep=32), ("deepep_ht", "deepep_ll")),
        ("nvfp4", Layout(dp=32, moe_ep=32), (None, "deepep_ll")),
        ("nvfp4", Layout(dp=4, moe_ep=4), (None, None)),
        ("nvfp4", Layout(tp=32, moe_ep=32), (None, None)),
    ],
)
def test_decoding_experts_of_any_format_are_reached(
    dtype: str, layout: Layout, wanted: tuple[str | None, str | None]
) -> None:
    """SGLang's kernels behind DeepEP were measured in fp8; across nodes nvfp4 decodes by it all the same."""
    tables, system = open_tables("gb300", "sglang"), load_system("gb300")
    layer = replace(DEEPSEEK, dtype=dtype)
    assert transports(tables, system, layer, layout, "decode", Conventions()) == wanted
    if dtype != "fp8_block":
        assert transports(tables, system, layer, layout, "decode") == (None, None)
        assert transports(tables, system, layer, layout, "agg", Conventions()) == (None, None)


def covered(curve: MadeCurve, *stages: str, computed: bool = True) -> dict[str, dict[Key, Any]]:
    """DeepEP of SGLang's decoding in one node, with or without its experts' compute."""
    values = {f"{stage}_avg_t_us": curve([8], [1.0]) for stage in stages}
    axes = (np.array([1]), np.array([8]), np.array([8]))
    compute = {("fp8_block", "even", 8, 256, 7168, 2048): Grid(axes, np.ones((1, 1, 1)))}
    return {"deepep_ll": {(1, *SHAPE): values}, "wideep_generation_moe": compute if computed else {}}


def test_a_transport_needs_its_experts_compute(priced: Priced, curve: MadeCurve) -> None:
    """Without measured compute the experts stay on collectives."""
    layout, system = Layout(dp=8, moe_ep=8), load_system("h200_sxm")
    for computed, wanted in ((True, "deepep_ll"), (False, None)):
        tables: Any = priced(
            covered(curve, "dispatch", "combine", computed=computed), backend="sglang"
        ).tables
        assert large_ep_transport(tables, system, DEEPSEEK, layout, "decode") == wanted
        assert large_ep_transport(tables, system, DEEPSEEK, layout, "prefill") is None


def test_a_decode_worker_needs_the_prefill_transport_too(priced: Priced, curve: MadeCurve) -> None:
    """Half a coverage is none; a prefill worker needs its own half alone."""
    tables: Any = priced(covered(curve, "dispatch", "combine"), backend="sglang").tables
    layout, system = Layout(dp=8, moe_ep=8), load_system("h200_sxm")
    for role in ("agg", "decode", "prefill"):
        assert transports(tables, system, DEEPSEEK, layout, role) == (None, None)
    shipped = open_tables("h200_sxm", "sglang")
    assert transports(shipped, system, DEEPSEEK, layout, "prefill") == ("deepep_ht", None)


@pytest.mark.parametrize(
    "layer", [replace(DEEPSEEK, topk=10), replace(DEEPSEEK, experts=60), replace(DEEPSEEK, experts=4)]
)
def test_kernels_route_few_experts_in_even_shares(layer: ExpertLayer) -> None:
    """At most 8 a token, and as many on every GPU."""
    tables, system = open_tables("h200_sxm", "sglang"), load_system("h200_sxm")
    assert large_ep_transport(tables, system, layer, Layout(dp=8, moe_ep=8), "decode") is None
