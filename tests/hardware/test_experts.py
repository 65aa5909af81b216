"""Routed experts on measured and unmeasured shapes, degrees, formats and skews."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.roofline import ExpertsRoofline
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.model_specs.operations import ExpertCompute, Experts

TOKENS = np.array([1, 64, 128, 1024])
TP, EP = np.array([1, 2]), np.array([1, 8])
SHAPE = (8, 64, 1024, 512)
OP = Experts("experts", 1024, 512, 8, 64, 1, 8, dp=1, skew="even")
WIDE = ExpertCompute("experts", "prefill", 1024, 512, 8, 64, 8, dp=1, skew="even")
Priced = Callable[..., Pricing]


def load(*tokens: float) -> StepLoad:
    """Steps of so many tokens."""
    return StepLoad(np.array(tokens), np.array(tokens))


def grid(level: float) -> Grid:
    """The same times at all degrees: ``level`` ms and as much again for every 1024 tokens."""
    times = level * (1.0 + TOKENS / 1024.0)
    return Grid((TP, EP, TOKENS), np.broadcast_to(times, (2, 2, 4)).copy())


def light_grid(shape: tuple[int, int, int, int], width: float, peak: float, slower: float) -> Grid:
    """A fixed multiple of the speed of light on an H200."""
    topk, experts, hidden, inner = shape
    times = np.empty((2, 2, 4))
    for i, tp in enumerate(TP):
        for j, ep in enumerate(EP):
            light = ExpertsRoofline(hidden, inner, topk, experts, tp, ep, True, width, peak, 4.8e12)
            times[i, j] = slower * light(TOKENS)
    return Grid((TP, EP, TOKENS), times)


def moe(**families: dict[Key, Any]) -> dict[str, dict[Key, Any]]:
    """Tables of bfloat16 experts, and others."""
    return {"moe": {("bfloat16", "even", *SHAPE): grid(1.0)}, **families}


def test_tokens_between_measured_ones_are_interpolated(priced: Priced) -> None:
    """A measured count keeps its time; between two it is linear."""
    assert priced(moe()).price(OP, load(64, 96, 1024)) == pytest.approx([1.0625, 1.09375, 2.0])


def test_every_attention_rank_feeds_one_pool(priced: Priced) -> None:
    """With dp 8, a rank's 128 tokens are 1024."""
    pricing = priced(moe())
    assert pricing.price(replace(OP, dp=8), load(128)) == pricing.price(OP, load(1024))


def test_past_the_sweep_the_speed_of_light_carries_on(priced: Priced) -> None:
    """Experts at half the speed of light stay there."""
    pricing = priced({"moe": {("bfloat16", "even", *SHAPE): light_grid(SHAPE, 2.0, 989e12, 2.0)}})
    far = pricing.price(OP, load(100_000))
    light = ExpertsRoofline(1024, 512, 8, 64, 1, 8, True, 2.0, 989e12, 4.8e12)
    assert far == pytest.approx(2.0 * light(np.array([100_000.0])))


def test_degrees_that_were_not_measured_are_a_named_miss(priced: Priced) -> None:
    """Nothing is interpolated between shards."""
    with pytest.raises(MissingDataError, match="moe_tp 1, moe_ep 4"):
        priced(moe()).price(replace(OP, moe_ep=4), load(64))


def test_an_unmeasured_skew_is_answered_by_the_uniform_one(priced: Priced) -> None:
    """And missing where there is none."""
    tables = moe()
    steep = replace(OP, skew="steep")
    with pytest.raises(MissingDataError, match="uniform"):
        priced(tables).price(steep, load(64))
    tables["moe"]["bfloat16", "uniform", *SHAPE] = grid(3.0)
    assert priced(tables).price(steep, load(1024)) == pytest.approx([6.0])


def low_latency() -> dict[str, dict[Key, Any]]:
    """Plain nvfp4 kernels, and faster ones for few tokens."""
    key: Key = ("nvfp4", "even", *SHAPE)
    return {"moe": {key: grid(1.0)}, "moe_low_latency": {key: grid(0.5)}}


def test_few_tokens_in_nvfp4_run_in_low_latency_kernels(priced: Priced) -> None:
    """Up to 128 tokens of all ranks; ungated experts never do."""
    pricing = priced(low_latency(), system="b200_sxm", backend="trtllm", moe="nvfp4")
    assert pricing.price(OP, load(64, 128, 129)) == pytest.approx([0.53125, 0.5625, 1.1259765625])
    assert pricing.price(replace(OP, gated=False), load(64)) == pytest.approx([1.0625])


def test_without_a_low_latency_row_the_plain_kernel_answers(priced: Priced) -> None:
    """A shape that its table lacks is no gap."""
    tables = low_latency()
    tables["moe_low_latency"] = {("nvfp4", "even", 2, 8, 1024, 512): grid(0.5)}
    pricing = priced(tables, system="b200_sxm", backend="trtllm", moe="nvfp4")
    assert pricing.price(OP, load(64)) == pytest.approx([1.0625])


def wide_tables() -> dict[str, dict[Key, Any]]:
    """SGLang's tables of a large group, one a phase."""
    key: Key = ("bfloat16", "even", *SHAPE)
    return moe(wideep_context_moe={key: grid(2.0)}, wideep_generation_moe={key: grid(4.0)})


def test_each_phase_of_a_large_group_has_its_own_kernels(priced: Priced) -> None:
    """Prefill and decode differ, and both see the tokens of all ranks."""
    pricing = priced(wide_tables(), backend="sglang")
    assert pricing.price(replace(WIDE, dp=8), load(128)) == pytest.approx([4.0])
    assert pricing.price(replace(WIDE, phase="decode"), load(1024)) == pytest.approx([8.0])


def test_balanced_experts_see_fewer_tokens_in_prefill(priced: Priced) -> None:
    """Four fifths of all ranks' tokens, rounded down; decoding is as it was."""
    pricing = priced(wide_tables(), backend="sglang")
    balanced = replace(WIDE, balanced=True, dp=2)
    assert pricing.price(balanced, load(101)) == pricing.price(WIDE, load(161))
    decode = replace(balanced, phase="decode")
    assert pricing.price(decode, load(100)) == pricing.price(replace(WIDE, phase="decode"), load(200))


def test_plain_kernels_serve_a_large_group_except_on_sglang(priced: Priced) -> None:
    """vLLM and TensorRT-LLM run the same kernels behind the exchange."""
    for backend in ("vllm", "trtllm"):
        assert priced(moe(), backend=backend).price(WIDE, load(1024)) == pytest.approx([2.0])
    with pytest.raises(MissingDataError, match="wideep_context_moe"):
        priced(moe(), backend="sglang").price(WIDE, load(1024))


def test_replicas_of_experts_have_rows_of_their_own(priced: Priced) -> None:
    """TensorRT-LLM's large groups are measured by expert slots."""
    key: Key = ("cutlass", "bfloat16", "even", *SHAPE)
    tables = moe(wideep_moe={(*key, 64): grid(3.0), (*key, 72): grid(5.0)})
    pricing = priced(tables, backend="trtllm")
    assert pricing.price(WIDE, load(1024)) == pytest.approx([6.0])
    assert pricing.price(replace(WIDE, slots=72), load(1024)) == pytest.approx([10.0])


def test_an_unmeasured_shape_borrows_the_nearest_ones_utilisation(priced: Priced) -> None:
    """In HYBRID, where every shape runs at a third of light, so does any other."""
    keys = [(8, 64, 1024, 512), (8, 128, 2048, 768)]
    tables = {"moe": {("bfloat16", "even", *key): light_grid(key, 2.0, 989e12, 3.0) for key in keys}}
    other = replace(OP, hidden=1536)
    light = ExpertsRoofline(1536, 512, 8, 64, 1, 8, True, 2.0, 989e12, 4.8e12)(np.array([64.0]))
    assert priced(tables, mode=DataMode.HYBRID).price(other, load(64)) == pytest.approx(3.0 * light)
    with pytest.raises(MissingDataError):
        priced(tables).price(other, load(64))


def test_an_unmeasured_format_borrows_with_the_levels_of_both(priced: Priced) -> None:
    """4-bit weights reach 0.07 where bfloat16 reaches 0.53."""
    tables = {"moe": {("bfloat16", "even", *SHAPE): light_grid(SHAPE, 2.0, 989e12, 3.0)}}
    light = ExpertsRoofline(1024, 512, 8, 64, 1, 8, True, 0.5, 989e12, 4.8e12)(np.array([64.0]))
    pricing = priced(tables, mode=DataMode.HYBRID, moe="int4_wo")
    assert pricing.price(OP, load(64)) == pytest.approx(3.0 * light * 0.53 / 0.07)


def test_light_needs_no_table(priced: Priced) -> None:
    """One token chooses 8 experts of 64, of which 8 GPUs hold one each: its weights are all that is read."""
    (light_ms,) = priced({}, mode=DataMode.SOL).price(OP, load(1))
    elements = 2 * 1024 + 3 * 512 + 3 * 1024 * 512
    assert light_ms == pytest.approx(2 * elements / 4.8e12 * 1000.0)


def test_wide_kernels_lend_their_utilisation_to_another_format(priced: Priced) -> None:
    """SGLang's kernels behind DeepEP, measured in bfloat16 at three times the speed of light, so in fp8."""
    measured = light_grid(SHAPE, 2.0, 989.0e12, 3.0)
    families = {"wideep_generation_moe": {("bfloat16", "even", *SHAPE): measured}}
    op, tokens = replace(WIDE, phase="decode"), load(64, 128)
    strict = priced(families, backend="sglang", moe="fp8")
    with pytest.raises(MissingDataError):
        strict.price(op, tokens)
    lending = replace(strict.profile, graph=replace(strict.profile.graph, wide_formats_as_measured=False))
    lent = Pricing(strict.system, strict.tables, strict.quant, lending)
    light = priced({}, backend="sglang", moe="fp8", mode=DataMode.SOL).price(op, tokens)
    assert lent.price(op, tokens) == pytest.approx(3.0 * light, rel=0.02)
    told = lent.recording()
    told.total((op,), tokens)
    assert told.ledger is not None
    (entry,) = told.ledger.entries
    assert entry.by_source[Source.ESTIMATED] == pytest.approx(3.0 * light, rel=0.02)
