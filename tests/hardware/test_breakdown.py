"""Where the time goes: the lines sum to the steps, and each says what it rests on."""

import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicfg.hardware.breakdown import Breakdown, breakdown
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile, profile_names
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import Speculative, Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import AllReduce, Elementwise, FirstMeasured, Gemm, Overlap
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture

PROFILE = "aiconfigurator-0.12"
MIXED = {
    "Qwen/Qwen3-235B-A22B": Quant("fp8_block", "fp8_block", "fp8", "fp8"),
    "deepseek-ai/DeepSeek-V3": Quant("fp8_block", "fp8_block", "fp8", "bfloat16"),
}
ROLES = ("prefill", "decode", "agg")


@cache
def serving(
    model: str, mode: DataMode = DataMode.SILICON, nextn: int = 0, profile: str = PROFILE
) -> ServingModel:
    """A model on H200."""
    architecture = load_architecture(model)
    return ServingModel(
        architecture,
        Quant() if architecture.moe is None else MIXED[model],
        Workload(3000, 500, 200),
        load_system("h200_sxm"),
        open_tables("h200_sxm", "trtllm"),
        load_profile(profile),
        mode,
        Speculative(nextn, 0.6 * nextn),
    )


def at(model: ServingModel, role: str, layout: Layout, batch: int, chunk: int) -> Breakdown:
    """The breakdown of any role."""
    return breakdown(model, role, layout, batch, chunk if role == "agg" else None)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    model=st.sampled_from(["Qwen/Qwen3-32B", "meta-llama/Meta-Llama-3.1-70B"]),
    mode=st.sampled_from(DataMode),
    nextn=st.sampled_from([0, 1]),
    role=st.sampled_from(ROLES),
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2]),
    batch=st.integers(1, 300),
    chunk=st.sampled_from([1024, 3000, 8192]),
)
def test_lines_sum_to_the_steps_of_the_curve(
    model: str, mode: DataMode, nextn: int, role: str, tp: int, pp: int, batch: int, chunk: int
) -> None:
    """Every line, source and weight adds up to what the curve says at the same point."""
    served, layout = serving(model, mode, nextn), Layout(tp, pp)
    found = at(served, role, layout, batch, chunk)
    curve = served.curve(role, layout, np.array([batch]), np.array([chunk]))  # type: ignore[arg-type]
    for step in found.steps:
        assert sum(line.ms for line in step.lines) == pytest.approx(step.ms)
        for line in step.lines:
            assert sum(line.ms_by_source.values()) == pytest.approx(line.ms)
    assert found.steps[-1].ms == pytest.approx(curve.step_ms[0], abs=0.002)
    if role != "prefill":
        mean = sum(step.ms * step.tpot_weight for step in found.steps)
        assert mean / served.speculative.progress == pytest.approx(curve.tpot_ms[0], abs=0.002)
    if role == "agg":
        assert sum(step.tpot_weight for step in found.steps) == pytest.approx(1.0)
    assert sum(found.shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("model", ["Qwen/Qwen3-32B", *MIXED])
@pytest.mark.parametrize("role", ROLES)
def test_lines_sum_for_every_family_and_profile(model: str, profile: str, role: str) -> None:
    """Experts, latent attention and the mended coefficients leave nothing unaccounted for."""
    served = serving(model, profile=profile)
    layout = Layout(8, moe_tp=1, moe_ep=8) if model in MIXED else Layout(8)
    for step in at(served, role, layout, 24, 4096).steps:
        assert sum(line.ms for line in step.lines) == pytest.approx(step.ms)
        assert 0.0 <= step.tpot_weight <= 1.0


def test_shares_tell_the_data_mode() -> None:
    """At the speed of light nothing else counts; estimates leave room for formulas only."""
    light = at(serving("Qwen/Qwen3-32B", DataMode.SOL), "agg", Layout(4), 16, 3000).shares
    guess = at(serving("Qwen/Qwen3-32B", DataMode.EMPIRICAL), "agg", Layout(4), 16, 3000).shares
    assert set(light) == {Source.LIGHT}
    assert set(guess) == {Source.ESTIMATED, Source.FORMULA}
    assert guess[Source.ESTIMATED] > 0.8


def test_sources_follow_the_grid() -> None:
    """A measured point, one between points and one past them are told apart."""
    pricing = Pricing(
        load_system("h200_sxm"), open_tables("h200_sxm", "vllm"), Quant(), load_profile(PROFILE)
    ).recording()
    rows = np.array([64.0, 100.0, 60000.0])
    pricing.total((Gemm("product", 4096, 4096),), StepLoad(rows, rows))
    elements = np.array([1.0, 1.5, 1e9]) * 2**20
    pricing.total((AllReduce("sum", 1, 8), AllReduce("far", 1, 16)), StepLoad(elements, elements))
    assert pricing.ledger is not None
    product, near, far = (entry.by_source for entry in pricing.ledger.entries)
    for by_source in (product, near):
        assert by_source.argmax(axis=0).tolist() == [
            Source.MEASURED,
            Source.INTERPOLATED,
            Source.EXTRAPOLATED,
        ]
    assert far.argmax(axis=0).tolist() == [Source.EXTRAPOLATED] * 3


def test_compound_operations_count_what_counts() -> None:
    """Of two streams the slower one's sources count; of a computation stated twice the measured one."""
    pricing = Pricing(
        load_system("h200_sxm"), open_tables("h200_sxm", "vllm"), Quant(), load_profile(PROFILE)
    ).recording()
    load = StepLoad(np.array([64.0]), np.ones(1))
    norm, product = Elementwise("norm", 4096, 4096), Gemm("product", 4096, 4096, count=2)
    impossible = AllReduce("impossible", 4096, 3)
    pricing.total((Overlap("both", (norm,), (product,)), FirstMeasured("either", impossible, (norm,))), load)
    assert pricing.ledger is not None
    both, either = pricing.ledger.entries
    assert both.by_source[Source.MEASURED].tolist() == both.ms.tolist()
    assert [part.operation.name for part in both.parts] == ["norm", "product"]
    assert either.by_source[Source.FORMULA].tolist() == either.ms.tolist()
    assert [part.operation.name for part in either.parts] == ["norm"]


def test_a_ledger_changes_no_price() -> None:
    """The recording prices and the plain ones are the same, and the plain ones stay without a ledger."""
    plain = serving("Qwen/Qwen3-32B").pricing
    recording = plain.recording()
    rows = np.arange(1.0, 50.0)
    op = Gemm("product", 5120, 5120)
    load = StepLoad(rows, rows)
    assert recording.price(op, load).tolist() == plain.price(op, load).tolist()
    assert plain.ledger is None


def test_one_point_is_quick() -> None:
    """A dense point takes at most 50 ms once its tables are open."""
    served = serving("Qwen/Qwen3-32B")
    at(served, "agg", Layout(2), 32, 4096)
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        at(served, "agg", Layout(2), 32, 4096)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.050
