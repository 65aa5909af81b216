"""The data modes: what each allows, and how they order."""

import csv
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicfg.hardware.attention_tables import context_roofline, generation_roofline
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.groups import Ring
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing, UnpricedError
from aicfg.hardware.profile import load_profile
from aicfg.hardware.roofline import GemmRoofline
from aicfg.hardware.system import load_system, system_names
from aicfg.hardware.tables.store import Key, no_tables, open_tables
from aicfg.hardware.workload import Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Elementwise,
    Embedding,
    Gemm,
    Operation,
    PointToPoint,
)
from aicfg.model_specs.quantization import Quant, element_bytes, flops_class
from aicfg.model_specs.resolve import load_architecture

PROFILE = "aiconfigurator-0.12"
VALUES = Path(__file__).parents[1] / "data" / "mode_values.csv"
WITHOUT_TABLES = ("a100_pcie", "a30", "h100_pcie", "l4")
DENSE = ("Qwen/Qwen3-32B", "Qwen/Qwen3-8B", "meta-llama/Meta-Llama-3.1-70B")
MEASURED = (("h200_sxm", "vllm"), ("h100_sxm", "sglang"), ("b200_sxm", "trtllm"), ("l40s", "vllm"))
FAMILIES = ("gemm", "context_attention", "generation_attention", "custom_allreduce")

FASTER_THAN_LIGHT = {
    # Percent of a table's points. The GPUs' L2 caches (96 and 128 MB) hold the operands of nine in ten of
    # them: they were timed in a loop over data that never left the cache.
    ("l40s", "vllm", "gemm"): 5.4,
    ("l40s", "vllm", "context_attention"): 2.4,
    ("l40s", "vllm", "generation_attention"): 8.7,
    ("l40s", "sglang", "gemm"): 6.7,
    ("l40s", "sglang", "context_attention"): 7.7,
    ("l40s", "sglang", "generation_attention"): 17.4,
    ("l40s", "trtllm", "gemm"): 9.1,
    ("l40s", "trtllm", "generation_attention"): 8.7,
    ("rtx_pro_6000_server", "vllm", "gemm"): 2.0,
    ("rtx_pro_6000_server", "vllm", "generation_attention"): 4.6,
    ("rtx_pro_6000_server", "sglang", "gemm"): 1.5,
    ("rtx_pro_6000_server", "sglang", "context_attention"): 3.2,
    ("rtx_pro_6000_server", "sglang", "generation_attention"): 11.1,
    ("rtx_pro_6000_server", "trtllm", "gemm"): 2.4,
    ("rtx_pro_6000_server", "trtllm", "generation_attention"): 7.3,
    # Caches of up to 4 GB read at up to 1.7 times the memory's bandwidth: the rows are wrong.
    ("a100_sxm", "trtllm", "generation_attention"): 7.1,
    # The two largest messages over 8 GPUs, by 3 and 4 %: switches that add up need less traffic than a ring.
    ("h100_sxm", "vllm", "custom_allreduce"): 1.5,
    ("h100_sxm", "sglang", "custom_allreduce"): 1.5,
    ("h100_sxm", "trtllm", "custom_allreduce"): 1.5,
    ("h200_sxm", "vllm", "custom_allreduce"): 2.9,
    ("h200_sxm", "sglang", "custom_allreduce"): 2.9,
    ("h200_sxm", "trtllm", "custom_allreduce"): 2.9,
}
"""Faults of the shipped tables where they are more than one point in a hundred."""


@cache
def pricing(system: str, backend: str, quant: Quant, mode: DataMode) -> Pricing:
    """Prices of single operations."""
    tables = no_tables(system, backend) if system in WITHOUT_TABLES else open_tables(system, backend)
    return Pricing(load_system(system), tables, quant, load_profile(PROFILE), mode)


@cache
def serving(model: str, system: str, backend: str, mode: DataMode) -> ServingModel:
    """A model in bfloat16, with or without tables."""
    prices = pricing(system, backend, Quant(), mode)
    architecture, workload = load_architecture(model), Workload(3000, 500)
    return ServingModel(
        architecture, Quant(), workload, load_system(system), prices.tables, prices.profile, mode
    )


def operation_ms(mode: str, case: str) -> float:
    """The latency of one call that a case describes."""
    system, backend, text = case.split("/", 2)
    family, *words = text.split()
    at = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)(?![\d.])", text)}
    one, quant = np.ones(1), Quant()
    tokens = one * at.get("tokens", at.get("m", 1))
    load = StepLoad(tokens, tokens)
    if family == "gemm":
        quant, op = Quant(gemm=words[0]), Gemm("op", at["n"], at["k"])
    elif family == "custom_allreduce":
        op: Operation = AllReduce("op", at["h"], at["tp"])
    elif family == "p2p":
        op = PointToPoint("op", at["h"])
    elif family == "elementwise":
        op = Elementwise("op", 2 * at["h"], 2 * at["h"])
    else:
        op = Attention("op", at["n"], at["nkv"], at["hd"], at["w"])
        batch, length = one * at["b"], one * at["s"]
        prompts = Prompts(batch, length, one * at["prefix"]) if family == "ctx_attn" else None
        load = StepLoad(one, one, prompts, None if prompts else Decoding(batch, length, one))
    return float(pricing(system, backend, quant, DataMode(mode)).total((op,), load)[0])


def recorded() -> list[tuple[str, str, float]]:
    """What the peer answers: its 0.12.0 was run at random points, with the tables of all its versions.

    Left out: int8 products on l40s, where it takes the first format in the file's order (block-scaled fp8,
    timed with its host overhead) and aicfg the plain fp8 kernel.
    """
    with VALUES.open(encoding="utf-8", newline="") as file:
        return [(row["mode"], row["case"], float(row["value"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("mode", "case", "value"), recorded(), ids=lambda part: str(part))
def test_modes_agree_with_the_peer(mode: str, case: str, value: float) -> None:
    """Estimates and speeds of light are those of the peer."""
    assert operation_ms(mode, case) == pytest.approx(value, rel=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    model=st.sampled_from(DENSE),
    where=st.sampled_from(MEASURED),
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2]),
    role=st.sampled_from(["prefill", "decode", "agg"]),
    batch=st.integers(1, 200),
)
def test_hybrid_is_silicon_where_tables_suffice(
    model: str, where: tuple[str, str], tp: int, pp: int, role: str, batch: int
) -> None:
    """Nothing is estimated while there are measured points."""
    sizes, chunks = np.array([batch]), np.array([4096])
    ms = [
        serving(model, *where, mode).curve(role, Layout(tp, pp), sizes, chunks).step_ms  # type: ignore[arg-type]
        for mode in (DataMode.SILICON, DataMode.HYBRID)
    ]
    assert ms[0].tolist() == ms[1].tolist()


@settings(deadline=None, max_examples=40)
@given(
    model=st.sampled_from(DENSE),
    where=st.sampled_from(MEASURED[:3]),
    tp=st.sampled_from([1, 2, 4, 8]),
    role=st.sampled_from(["prefill", "decode", "agg"]),
    batch=st.integers(1, 200),
)
def test_no_step_is_faster_than_light(
    model: str, where: tuple[str, str], tp: int, role: str, batch: int
) -> None:
    """A step's measured time is at least its time at the speed of light."""
    sizes, chunks = np.array([batch]), np.array([4096])
    light, measured = (
        serving(model, *where, mode).curve(role, Layout(tp), sizes, chunks).step_ms[0]  # type: ignore[arg-type]
        for mode in (DataMode.SOL, DataMode.SILICON)
    )
    assert 0.0 < light <= measured


def light_of(prices: Pricing, family: str, key: Key, mesh: list[np.ndarray]) -> np.ndarray:
    """Speed of light on a grid of one table."""
    system = prices.system
    if family == "gemm":
        n, k, m = mesh
        peak = system.peak_flops(flops_class("gemm", str(key[0])))
        width = element_bytes("gemm", str(key[0]))
        return GemmRoofline(width, peak, system.memory_bandwidth_bytes_per_s)(m, n, k)
    if family == "custom_allreduce":
        ring, (ranks, elements) = Ring(system, 2.0, 2.0), mesh
        return np.array([ring(elements[0], int(group)) for group in ranks[:, 0]])
    roofline = context_roofline if family == "context_attention" else generation_roofline
    return roofline(prices, key)(*mesh)


@pytest.mark.parametrize(
    ("system", "backend", "family"),
    [
        (system, backend, family)
        for system in system_names()
        for backend in load_system(system).default_versions
        for family in FAMILIES
    ],
)
def test_measured_points_obey_the_speed_of_light(system: str, backend: str, family: str) -> None:
    """At least 99 % of each table's points are slower than light; the tables with more faults are listed."""
    prices = pricing(system, backend, Quant(), DataMode.SOL)
    points = faults = 0
    for key in prices.tables.keys(family):
        grid = prices.tables.grid(family, key)
        mesh = np.meshgrid(*(axis.astype(float) for axis in grid.axes), indexing="ij", sparse=True)
        points += int((~np.isnan(grid.values)).sum())
        faults += int((light_of(prices, family, key, mesh) > grid.values * (1 + 1e-6)).sum())
    percent = 100.0 * faults / points
    listed = FASTER_THAN_LIGHT.get((system, backend, family))
    assert percent == pytest.approx(listed, abs=0.051) if listed else percent <= 1.0


@pytest.mark.parametrize("system", WITHOUT_TABLES)
@pytest.mark.parametrize("role", ["prefill", "decode", "agg"])
def test_a_system_without_tables_works_at_the_speed_of_light(system: str, role: str) -> None:
    """Systems that nobody measured have curves in the mode that needs no measurement."""
    model = serving("Qwen/Qwen3-8B", system, "vllm", DataMode.SOL)
    curve = model.curve(role, Layout(tp=2), np.arange(1, 9), np.full(8, 3000))  # type: ignore[arg-type]
    assert (curve.step_ms > 0.0).all() and (np.diff(curve.step_ms) >= 0.0).all()


@pytest.mark.parametrize("mode", [DataMode.SILICON, DataMode.HYBRID, DataMode.EMPIRICAL])
def test_without_tables_the_other_modes_say_what_is_missing(mode: DataMode) -> None:
    """The error names the operation, the table and what would fill the gap."""
    load = StepLoad(np.ones(1), np.ones(1))
    with pytest.raises(UnpricedError, match=r"^qkv: .*(gemm|product).* l4.*\(to fill the gap: "):
        pricing("l4", "vllm", Quant(), mode).price(Gemm("qkv", 4096, 4096), load)


def test_silicon_refuses_what_hybrid_estimates() -> None:
    """A head size that nobody measured is an error with its key, and an estimate in the hybrid mode."""
    one = np.ones(1)
    load = StepLoad(one, one, decoding=Decoding(8 * one, 2000 * one, one))
    op = Attention("attention", 32, 8, 80)
    with pytest.raises(UnpricedError, match=r"^attention: .*generation_attention.*\('bfloat16', 8, 80, 0\)"):
        pricing("h200_sxm", "vllm", Quant(), DataMode.SILICON).price(op, load)
    near = [
        float(pricing("h200_sxm", "vllm", Quant(), DataMode.HYBRID).price(each, load)[0])
        for each in (Attention("a", 32, 8, 64), op, Attention("a", 32, 8, 128))
    ]
    assert near[0] < near[1] < near[2]


def test_static_scales_without_measured_passes_cost_as_dynamic_ones() -> None:
    """Nothing is taken off where no scaling pass was measured."""
    load = StepLoad(np.array([64.0]), np.ones(1))
    op = Gemm("down", 4096, 4096, input_low_precision=True)
    tables = open_tables("h100_sxm", "sglang")
    tables.entries = {"gemm": tables.entries["gemm"]}  # type: ignore[index]
    system, profile = load_system("h100_sxm"), load_profile(PROFILE)
    static, dynamic = (
        Pricing(system, tables, Quant(gemm=dtype), profile, DataMode.HYBRID).price(op, load)
        for dtype in ("fp8_static", "fp8")
    )
    assert static.tolist() == dynamic.tolist()


def test_plain_passes_are_light_at_the_speed_of_light() -> None:
    """No constant and no efficiency is left in the mode SOL."""
    load = StepLoad(np.array([1000.0]), np.ones(1))
    op = Embedding("embedding", 4096, 0)
    light = pricing("h200_sxm", "vllm", Quant(), DataMode.SOL).price(op, load)[0]
    assert light == pytest.approx(2 * 1000 * 4096 / 4.8e12 * 1e3)
