"""Experts of a layout that an engine was not measured in, lent by another engine."""

import numpy as np
import pytest

from aicfg.hardware.expert_lenders import lent_by_engines
from aicfg.hardware.expert_tables import ExpertShape
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.siblings import other_engines
from aicfg.hardware.tables.store import MissingDataError, open_tables
from aicfg.model_specs.operations import Experts
from aicfg.model_specs.quantization import Quant

FORMAT = "w4a8_mxfp4_mxfp8"
QUANT = Quant(gemm="bfloat16", moe=FORMAT, kvcache="bfloat16", fmha="bfloat16", comm="half")
TOKENS = np.array([1.0, 8.0, 64.0, 1024.0])


def pricing(profile: str = "aicfg", mode: DataMode = DataMode.HYBRID) -> Pricing:
    """TensorRT-LLM on a B200, which measured gpt-oss' experts whole or in expert-parallel groups alone."""
    tables = open_tables("b200_sxm", "trtllm")
    return Pricing(load_system("b200_sxm"), tables, QUANT, load_profile(profile), mode)


def shape(moe_tp: int, moe_ep: int = 1) -> ExpertShape:
    """gpt-oss-120b."""
    return ExpertShape(2880, 2880, 4, 128, moe_tp, moe_ep, "power_law_1.2", True, 128)


def operation(moe_tp: int) -> Experts:
    """Its experts, split ``moe_tp`` ways."""
    return Experts(
        "experts", hidden=2880, inner=2880, topk=4, experts=128, moe_tp=moe_tp, moe_ep=1, dp=1, gated=True,
        skew="power_law_1.2",
    )  # fmt: skip


def sglang_ms(moe_tp: int) -> np.ndarray:
    """What SGLang measured at the same tokens."""
    grid = open_tables("b200_sxm", "sglang").grid("moe", (FORMAT, "power_law_1.2", 4, 128, 2880, 2880))
    curve = grid.values[list(grid.axes[0]).index(moe_tp), list(grid.axes[1]).index(1)]
    return np.array([curve[list(grid.axes[2]).index(tokens)] for tokens in TOKENS])


def test_the_same_layout_on_another_engine_answers() -> None:
    """Split over two GPUs: SGLang's time, at the pace that the engines keep where both were measured."""
    lent = lent_by_engines(pricing(), shape(2), FORMAT)(TOKENS)
    assert lent == pytest.approx(sglang_ms(2), rel=0.15)
    assert lent == pytest.approx(lent[0] / sglang_ms(2)[0] * sglang_ms(2), rel=1e-6)


def test_it_is_an_estimate_and_no_measurement() -> None:
    """Where only measured tables count, the layout is missing; where estimates do, it is called one."""
    load = StepLoad(TOKENS, TOKENS)
    with pytest.raises(MissingDataError):
        pricing(mode=DataMode.SILICON).price(operation(2), load)
    recording = pricing().recording()
    ms = recording.price(operation(2), load)
    assert recording.ledger is not None
    (entry,) = recording.ledger.entries
    assert entry.by_source[Source.ESTIMATED] == pytest.approx(ms)


def test_the_peers_profile_borrows_from_shapes() -> None:
    """That tool estimates from other shapes, three times as long here."""
    load = StepLoad(TOKENS, TOKENS)
    ours, theirs = (pricing(name).price(operation(2), load) for name in ("aicfg", "aiconfigurator-0.12"))
    assert (theirs[2] / ours[2]) > 2.0


def test_what_nobody_measured_is_missing() -> None:
    """A degree that no engine has, and a shape that none has."""
    with pytest.raises(MissingDataError, match=r"no other engine on b200_sxm measured"):
        lent_by_engines(pricing(), shape(3), FORMAT)


def test_other_engines_are_those_of_the_same_system() -> None:
    """All engines but the own, on the same GPU."""
    others = list(other_engines(open_tables("h100_sxm", "vllm")))
    assert {(each.system, each.backend) for each in others} == {
        ("h100_sxm", "sglang"),
        ("h100_sxm", "trtllm"),
    }


def test_kernels_for_few_tokens_are_the_other_engines() -> None:
    """GB300 has no table of TensorRT-LLM's low-latency kernels; SGLang runs them too: its time, up to 128."""
    quant = Quant(gemm="nvfp4", moe="nvfp4", kvcache="fp8", fmha="fp8", comm="half")
    system, tables = load_system("gb300"), open_tables("gb300", "trtllm")
    ours, theirs = (
        Pricing(system, tables, quant, load_profile(name)) for name in ("aicfg", "aiconfigurator-0.12")
    )
    op = Experts("experts", 7168, 2048, 8, 256, 1, 4, dp=1, skew="power_law_1.2")
    tokens = np.array([8.0, 64.0, 256.0])
    lent, own = (each.price(op, StepLoad(tokens, tokens)) for each in (ours, theirs))
    grid = open_tables("gb300", "sglang").grid("moe", ("nvfp4", "power_law_1.2", 8, 256, 7168, 2048))
    curve = grid.values[list(grid.axes[0]).index(1), list(grid.axes[1]).index(4)]
    at = [list(grid.axes[2]).index(each) for each in tokens]
    assert lent[:2] == pytest.approx(np.minimum(curve[at], own)[:2])
    assert (lent[:2] < own[:2]).all() and lent[2] == own[2]
