"""Recurrences: which table answers, what stands in without one, and how mixed steps charge them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.step import StepModel
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Grid, Key, open_tables
from aicfg.model_specs.operations import DeltaRule, KimiDelta, StateSpace
from aicfg.model_specs.quantization import Quant

SHAPE = (1024, 2, 128, 4, 128, 4)
SCAN = DeltaRule("scan", "recurrence", *SHAPE)
CONVOLUTION = DeltaRule("convolution", "convolution", *SHAPE)
BANDWIDTH = 4.8e12
Priced = Callable[..., Pricing]


def grid(level_ms: float) -> Grid:
    """Level ms a prompt of 1024 tokens, linear in prompts and tokens."""
    batches, lengths = np.array([1, 2, 4]), np.array([512, 1024, 2048])
    return Grid((batches, lengths), level_ms * batches[:, None] * lengths[None, :] / 1024.0)


def decoded(level_ms: float) -> Grid:
    """Level ms a request, at the only length that is measured."""
    batches = np.array([1, 2, 4, 8])
    return Grid((batches, np.array([1])), level_ms * batches[:, None].astype(float))


def prompts(batch: float, length: float, prefix: float = 0.0) -> StepLoad:
    """One step of equal prompts."""
    each = Prompts(np.array([batch]), np.array([length]), np.array([prefix]))
    return StepLoad(np.array([batch * length]), np.array([batch]), prompts=each)


def decoding(batch: float, *lengths: float) -> StepLoad:
    """One step of requests, averaged over lengths."""
    over = Decoding(np.array([batch]), np.array(lengths), np.full(len(lengths), 1.0 / len(lengths)))
    return StepLoad(np.array([batch]), np.array([batch]), decoding=over)


def tables(**level_ms: float) -> dict[str, dict[Key, Any]]:
    """A table of the delta rule's kernels by name."""
    phases = {name: "generation" if "update" in name else "context" for name in level_ms}
    made = {
        (name, phases[name], *SHAPE): (decoded if phases[name] == "generation" else grid)(level)
        for name, level in level_ms.items()
    }
    return {"gdn": made}


def served(pricing: Pricing) -> Pricing:
    """The same under our own profile."""
    pricing.profile = load_profile("aicfg")
    return pricing


def test_prompts_are_interpolated(priced: Priced) -> None:
    """Over prompts and tokens; a cached prefix costs nothing, for its state is there."""
    pricing = priced(tables(chunk_gated_delta_rule=1.0))
    for prefix in (0.0, 4096.0):
        assert pricing.price(SCAN, prompts(3, 1536, prefix)) == pytest.approx([4.5])


def test_decoding_does_not_depend_on_the_length(priced: Priced) -> None:
    """Nor on how many lengths a growing answer passes through."""
    pricing = priced(tables(fused_sigmoid_gating_delta_rule_update=0.5))
    assert pricing.price(SCAN, decoding(6, 100)) == pytest.approx([3.0])
    assert pricing.price(SCAN, decoding(6, 100, 5000, 10_000)) == pytest.approx([3.0])


def test_beyond_the_batches_the_memory_carries_on(priced: Priced) -> None:
    """A convolution of ten times the batch moves ten times the bytes."""
    pricing = priced(tables(causal_conv1d_update=0.5))
    assert pricing.price(CONVOLUTION, decoding(80, 1)) == pytest.approx([40.0])


def test_an_engines_own_kernel_comes_first(priced: Priced) -> None:
    """vLLM's scan is FlashInfer's where that was measured; what another engine lent fills gaps."""
    both = tables(chunk_gated_delta_rule=1.0, chunk_gated_delta_rule_flashinfer=2.0)
    assert priced(both).price(SCAN, prompts(1, 1024)) == pytest.approx([2.0])


def test_unmeasured_at_the_speed_of_light(priced: Priced) -> None:
    """By the rule `light`: queries, keys, values, outputs, the state in and out, and a state a chunk."""
    state, token = 4 * 128 * 128, 2 * 2 * (2 * 128 + 4 * 128)
    scan = 1024 * token + 2 * 4 * state + 2 * 2 * 16 * state
    pricing = priced({})
    assert pricing.price(SCAN, prompts(1, 1024)) == pytest.approx([scan / BANDWIDTH * 1e3])
    step = 8 * (token + 2 * 4 * state)
    assert pricing.price(SCAN, decoding(8, 100)) == pytest.approx([step / BANDWIDTH * 1e3])
    convolved = 8 * 2 * 6 * (2 * 2 * 128 + 4 * 128)
    assert pricing.price(CONVOLUTION, decoding(8, 100)) == pytest.approx([convolved / BANDWIDTH * 1e3])


def test_unmeasured_as_a_pass_over_memory(priced: Priced) -> None:
    """Under our own: at the bandwidth that passes reach, with a constant; it is said to be a formula."""
    pricing = served(priced({})).recording()
    state, token = 4 * 128 * 128, 2 * 2 * (2 * 128 + 4 * 128)
    moved = 8 * (token + 2 * 4 * state)
    expected = moved / (0.8 * BANDWIDTH) * 1e3 + 0.003
    assert pricing.total((SCAN,), decoding(8, 100)) == pytest.approx([expected])
    assert pricing.ledger is not None
    assert pricing.ledger.entries[0].by_source[Source.FORMULA, 0] == pytest.approx(expected)


def test_estimates_borrow_from_the_nearest_shape(priced: Priced) -> None:
    """Twice the heads take twice the time at the same utilisation, in the modes that may estimate."""
    wider = structs.replace(SCAN, key_heads=4, value_heads=8)
    measured = tables(fused_sigmoid_gating_delta_rule_update=0.5)
    for mode in (DataMode.HYBRID, DataMode.EMPIRICAL):
        pricing = served(priced(measured, mode=mode))
        assert pricing.price(wider, decoding(8, 1)) == pytest.approx([8.0])
    silicon = served(priced(measured))
    assert silicon.price(wider, decoding(8, 1))[0] < 1.0


def test_the_speed_of_light_needs_no_table(priced: Priced) -> None:
    """In the mode sol the tables are not asked."""
    with_table = served(priced(tables(chunk_gated_delta_rule=1.0), mode=DataMode.SOL))
    without = served(priced({}, mode=DataMode.SOL))
    assert with_table.price(SCAN, prompts(1, 512)) == without.price(SCAN, prompts(1, 512))
    assert without.price(SCAN, prompts(1, 512))[0] < 0.1


def test_half_the_state(priced: Priced) -> None:
    """A bfloat16 state moves half the bytes."""
    pricing = served(priced({}, mode=DataMode.SOL))
    half = structs.replace(SCAN, state_element_bytes=2)
    ratio = pricing.price(half, decoding(64, 1)) / pricing.price(SCAN, decoding(64, 1))
    assert 0.5 < ratio[0] < 0.51


@pytest.mark.parametrize(("profile", "apart"), [("aiconfigurator-0.12", False), ("aicfg", True)])
def test_mixed_steps(priced: Priced, profile: str, apart: bool) -> None:
    """Ours: prompts and decoding run different kernels. The peer's: one prompt of all tokens."""
    pricing = priced(tables(chunk_gated_delta_rule=1.0, fused_sigmoid_gating_delta_rule_update=0.5))
    pricing.profile = load_profile(profile)
    step = StepModel((SCAN,), (SCAN,), pricing)
    shared = step.shared_ms(np.array([1024.0]), np.array([1.0]))
    assert shared == pytest.approx([0.0 if apart else 1.0])
    assert step.prompts_ms(2, 1024, 0) == pytest.approx(2.0 if apart else 0.0)
    assert step.decoding_ms(np.array([4.0]), 100.0) == pytest.approx([2.0 if apart else 0.0])


def test_shipped_tables_hold_every_shard_of_qwen() -> None:
    """Qwen3.5-397B on h200_sxm with SGLang: both kernels of both phases are measured at each tp."""
    tables_of = open_tables("h200_sxm", "sglang")
    pricing = Pricing(load_system("h200_sxm"), tables_of, Quant(), load_profile("aicfg")).recording()
    assert pricing.ledger is not None
    for tp in (1, 2, 4, 8):
        for stage in ("convolution", "recurrence"):
            op = DeltaRule("op", stage, 4096, 16 // tp, 128, 64 // tp, 128, 4)  # type: ignore[arg-type]
            for load in (prompts(1, 4096), decoding(64, 1)):
                pricing.total((op,), load)
                entry = pricing.ledger.entries[0]
                assert entry.by_source[Source.MEASURED, 0] == pytest.approx(entry.ms[0])
                assert replace(entry).ms[0] > 0.0


MAMBA = (1024, 128, 4, 16, 64, 4, 128)
INNER, READ_AND_WRITTEN = 16 * 64, 2 * 4 * 128


def test_mamba_moves_its_states(priced: Priced) -> None:
    """Ours: a state in and out for every new token; four passes over a chunk's state in a prompt."""
    op = StateSpace("scan", "recurrence", *MAMBA)
    token, state = 2 * (2 * INNER + READ_AND_WRITTEN + 16), 4 * INNER * 128
    moved = {decoding(8, 100): 8 * (token + 2 * state), prompts(1, 1000): 1000 * token + 8 * 4 * state}
    for load, moved_bytes in moved.items():
        expected = moved_bytes / (0.8 * BANDWIDTH) * 1e3 + 0.003
        assert served(priced({})).price(op, load) == pytest.approx([expected])


def test_mamba_at_the_speed_of_light(priced: Priced) -> None:
    """AIConfigurator's: inputs and outputs alone, every tap of the convolution an input."""
    token = 2 * (2 * INNER + READ_AND_WRITTEN + 16)
    scan, convolution = (
        StateSpace(stage, stage, *MAMBA)  # type: ignore[arg-type]
        for stage in ("recurrence", "convolution")
    )
    pricing = priced({})
    assert pricing.price(scan, prompts(2, 1000)) == pytest.approx([2000 * token / BANDWIDTH * 1e3])
    convolved = 8 * 2 * (INNER + READ_AND_WRITTEN) * 6
    assert pricing.price(convolution, decoding(8, 1)) == pytest.approx([convolved / BANDWIDTH * 1e3])


def test_what_was_measured_of_mambas_decoding(priced: Priced) -> None:
    """AIConfigurator leaves it aside, we do not."""
    measured = {"mamba2": {("causal_conv1d_update", "generation", *MAMBA): decoded(0.5)}}
    op = StateSpace("convolution", "convolution", *MAMBA)
    assert served(priced(measured)).price(op, decoding(4, 1)) == pytest.approx([2.0])
    assert priced(measured).price(op, decoding(4, 1))[0] < 0.01


KIMI = (7168, 12, 128, 4)
KIMI_KEY = (7168, 12, 128, 12, 128, 4)


def kimi(stage: str) -> KimiDelta:
    """One kernel of Kimi delta attention."""
    return KimiDelta("op", stage, *KIMI)  # type: ignore[arg-type]


def test_kimi_moves_float32_states(priced: Priced) -> None:
    """Queries, keys, values, decays and outputs, the state in and out and twice a chunk of 64; fused: all."""
    token, state = 2 * 5 * 12 * 128, 2 * 4 * 12 * 128 * 128
    convolved = 2 * 3 * 12 * 128
    pricing = priced({})
    scan = 1000 * token + 16 * state
    assert pricing.price(kimi("recurrence"), prompts(1, 1000)) == pytest.approx([scan / BANDWIDTH * 1e3])
    fused = 8 * (token + state + convolved * 6)
    assert pricing.price(kimi("fused"), decoding(8, 1)) == pytest.approx([fused / BANDWIDTH * 1e3])
    ours = 8 * (token + state + convolved * 8) / (0.8 * BANDWIDTH) * 1e3 + 0.003
    assert served(priced({})).price(kimi("fused"), decoding(8, 1)) == pytest.approx([ours])


def test_kimis_other_heads(priced: Priced) -> None:
    """By the rule `light` the nearest number of heads answers as it is; ours is a pass over the memory."""
    measured = {"kda": {("fused_kda_decode", "generation", *KIMI_KEY): decoded(0.5)}}
    six = KimiDelta("op", "fused", 7168, 6, 128, 4)
    assert priced(measured).price(six, decoding(4, 1)) == pytest.approx([2.0])
    assert served(priced(measured)).price(six, decoding(4, 1))[0] < 0.1
    narrow = KimiDelta("op", "fused", 2304, 6, 128, 4)
    assert priced(measured).price(narrow, decoding(4, 1))[0] < 0.1


def test_vllms_scan_of_kimi_is_flashkdas(priced: Priced) -> None:
    """Where both were measured; the Triton kernel answers elsewhere."""
    flash = {("flashkda_fwd", "context", *KIMI_KEY): grid(1.0)}
    triton = {("chunk_kda", "context", *KIMI_KEY): grid(2.0)}
    for found, expected in (({**flash, **triton}, 1.0), (triton, 2.0)):
        assert priced({"kda": found}).price(kimi("recurrence"), prompts(1, 1024)) == pytest.approx([expected])
