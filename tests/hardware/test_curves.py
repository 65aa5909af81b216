"""Whole curves: what must hold on any layout."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.profile import load_profile
from aicfg.hardware.search import SearchSpace, curves, every_budget, whole_prompts
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import NO_DRAFTS, Speculative, Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture

CASES = [
    ("Qwen/Qwen3-32B", "h100_sxm", "vllm", Layout(tp=4)),
    ("meta-llama/Meta-Llama-3.1-8B", "h200_sxm", "sglang", Layout(tp=2, pp=2)),
    ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "trtllm", Layout(dp=4, moe_ep=4)),
    ("mistralai/Mixtral-8x7B-v0.1", "h100_sxm", "vllm", Layout(tp=4, moe_tp=4)),
    ("deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang", Layout(tp=8, moe_ep=8)),
    ("openai/gpt-oss-120b", "h100_sxm", "sglang", Layout(tp=2, moe_tp=2)),
]
case = st.sampled_from(CASES)
profile = st.sampled_from(["aicfg", "aiconfigurator-0.12"])


@cache
def serving(
    model: str, system: str, backend: str, name: str, isl: int = 2000, drafts: Speculative = NO_DRAFTS
) -> ServingModel:
    """A model as served."""
    arch, gpu, tables = load_architecture(model), load_system(system), open_tables(system, backend)
    quant = fitting_quant(arch, infer(arch), gpu, tables, DataMode.SILICON)
    return ServingModel(arch, quant, Workload(isl, 300), gpu, tables, load_profile(name), speculative=drafts)


@given(case, profile, st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_memory_grows_with_the_batch(case: tuple[str, str, str, Layout], name: str, batch: int) -> None:
    """One more request never takes less, and what fits stays a prefix of the batches."""
    *words, layout = case
    for role in ("prefill", "decode"):
        use = serving(*words, name).memory(role, layout, np.arange(batch, batch + 2))
        assert use.total[1] > use.total[0]
        assert use.fits[0] or not use.fits[1]


@given(case, profile, st.sampled_from([256, 512, 1024, 2048]))
@settings(max_examples=30, deadline=None)
def test_latency_grows_with_the_prompt(case: tuple[str, str, str, Layout], name: str, isl: int) -> None:
    """Twice the prompt takes longer to prefill, and decodes no faster."""
    *words, layout = case
    short, long = (serving(*words, name, isl=length) for length in (isl, 2 * isl))
    one = np.array([1])
    assert long.curve("prefill", layout, one).step_ms > short.curve("prefill", layout, one).step_ms
    assert long.curve("decode", layout, one).step_ms >= 0.99 * short.curve("decode", layout, one).step_ms


@given(case, profile, st.lists(st.integers(1, 256), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_curve_is_its_points(case: tuple[str, str, str, Layout], name: str, batches: list[int]) -> None:
    """Pricing many batches at once changes none of them."""
    *words, layout = case
    model = serving(*words, name)
    together = model.curve("decode", layout, np.array(batches))
    alone = [model.curve("decode", layout, np.array([batch])).tpot_ms[0] for batch in batches]
    assert together.tpot_ms == pytest.approx(alone, rel=1e-9)


def test_drafts_speed_decoding_up_by_what_is_kept() -> None:
    """With every draft kept at no cost but its own, two tokens a step take less than two steps."""
    words, layout = ("deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang", "aicfg"), Layout(tp=8, moe_ep=8)
    batch = np.array([1, 64])
    plain = serving(*words).curve("decode", layout, batch).tpot_ms
    drafted = serving(*words, drafts=Speculative(1, 1.0)).curve("decode", layout, batch).tpot_ms
    wasted = serving(*words, drafts=Speculative(1, 0.0)).curve("decode", layout, batch).tpot_ms
    assert (drafted < plain).all()
    assert (wasted > plain).all()
    assert wasted == pytest.approx(2 * drafted)


def test_every_legal_layout_is_searched_or_has_its_reason() -> None:
    """29 layouts of a generic mixture on vLLM and one stage; those left out say why."""
    model = serving("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "vllm", "aiconfigurator-0.12")
    found, skipped = curves(model, "decode", SearchSpace(pp=(1,), gpus=(1, 2, 4, 8, 16)), 16)
    assert len(found) + len(skipped) >= 29
    assert all(each.reason for each in skipped)
    assert {curve.layout.gpus for curve in found} <= {1, 2, 4, 8, 16}


def test_whole_prompts_are_multiples_of_the_prompt() -> None:
    """Up to 8,192 tokens or twice the prompt, and both of those."""
    search = load_profile("aicfg").search
    assert whole_prompts(search, 4000) == (4000, 8000)
    assert whole_prompts(search, 3000) == (3000, 6000)
    assert whole_prompts(search, 100)[:3] == (100, 200, 512)
    assert whole_prompts(search, 20_000) == (20_000, 40_000)


def test_every_budget_is_a_step_or_whole_prompts() -> None:
    """Multiples of 512 tokens up to 8,192, beside what holds whole prompts."""
    search = load_profile("aicfg").search
    steps = set(range(512, 8193, 512))
    for isl in (100, 4000, 20_000):
        assert set(every_budget(search, isl)) == steps | set(whole_prompts(search, isl))
