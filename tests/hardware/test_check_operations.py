"""Single operations under the profile ``aiconfigurator-0.12`` against figures executed by that tool.

Every row of kind ``op`` of ``tests/data/check_values*.csv`` is one test; its case is
``system/backend/family words name=value …``. Tolerances are those of the design's ``check_values.md``.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from module_cases import MODULES, Described, formats, numbers

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.operations import (
    AllReduce,
    AllToAll,
    Attention,
    Collective,
    Elementwise,
    Embedding,
    Experts,
    Gemm,
    LatentAttention,
    LatentModule,
    PointToPoint,
)
from aicfg.model_specs.quantization import Quant

DATA = sorted((Path(__file__).parents[1] / "data").glob("check_values*.csv"))
PROFILE = "aiconfigurator-0.12"


@cache
def pricing(system: str, backend: str, quant: Quant) -> Pricing:
    """Prices of single operations."""
    return Pricing(load_system(system), open_tables(system, backend), quant, load_profile(PROFILE))


def operation_ms(case: str) -> float:
    """The latency of one call."""
    system, backend, text = case.split("/", 2)
    family, *words = text.split()
    op, quant = DESCRIBED[family](words, text)
    return float(pricing(system, backend, quant).total((op,), load(text))[0])


def load(text: str) -> StepLoad:
    """Tokens, a prompt, or decoding requests."""
    at, one = numbers(text), np.ones(1)
    tokens = one * at.get("tokens", at.get("m", 1))
    if "s" not in at:
        return StepLoad(tokens, tokens)
    if "gen_" in text:
        return StepLoad(one, one, decoding=Decoding(one * at["b"], one * at["s"], one))
    return StepLoad(one, one, prompts=Prompts(one * at["b"], one * at["s"], one * at.get("prefix", 0)))


def gemm(words: list[str], text: str) -> Described:
    """``gemm fp8_static(low_precision_input) m= n= k=``."""
    at = numbers(text)
    op = Gemm("op", at["n"], at["k"], input_low_precision="low_precision" in words[0])
    return op, Quant(gemm=words[0].split("(")[0])


def attention(_: list[str], text: str) -> Described:
    """``ctx_attn fmha= kv= n= nkv= hd= b= s= prefix=`` or ``gen_attn kv= n= nkv= hd= b= s=``."""
    at, named = numbers(text), formats(text)
    quant = Quant(fmha=named.get("fmha", "bfloat16"), kvcache=named["kv"])
    return Attention("op", at["n"], at["nkv"], at["hd"]), quant


def experts(words: list[str], text: str) -> Described:
    """``moe dtype model h= inter= topk= E= moe_tp= moe_ep= dist= tokens=``."""
    at = numbers(text)
    shape = (at["h"], at["inter"], at["topk"], at["E"], at["moe_tp"], at["moe_ep"])
    return Experts("op", *shape, dp=1, skew=formats(text)["dist"]), Quant(moe=words[0])


def latent_module(_: list[str], text: str) -> Described:
    """``mla_ctx_module fmha= kv= gemm= heads= b= s=``."""
    named = formats(text)
    quant = Quant(gemm=named["gemm"], fmha=named.get("fmha", "bfloat16"), kvcache=named["kv"])
    return LatentModule("op", numbers(text)["heads"], 128), quant


def latent_attention(_: list[str], text: str) -> Described:
    """``ctx_mla fmha= kv= heads= b= s=``."""
    named = formats(text)
    quant = Quant(fmha=named.get("fmha", "bfloat16"), kvcache=named["kv"])
    return LatentAttention("op", numbers(text)["heads"]), quant


def all_to_all(words: list[str], text: str) -> Described:
    """``moe_a2a transport stage ep= tokens=`` of DeepSeek-V3's shape."""
    transport, stage = words[:2]
    phase = "prefill" if transport.endswith("ht") else "decode"
    assert stage in ("dispatch", "combine")
    op = AllToAll("op", transport, stage, phase, 7168, 8, 256, numbers(text)["ep"])  # type: ignore[arg-type]
    return op, Quant(moe="fp8_block")


def collective(words: list[str], text: str) -> Described:
    """``nccl kind gpus= elems/token= tokens=``."""
    at = numbers(text)
    return Collective("op", words[0], at["token"], at["gpus"]), Quant()  # type: ignore[arg-type]


DESCRIBED = {
    "gemm": gemm,
    "ctx_attn": attention,
    "gen_attn": attention,
    "moe": experts,
    "mla_ctx_module": latent_module,
    "mla_gen_module": latent_module,
    "ctx_mla": latent_attention,
    "gen_mla": latent_attention,
    **MODULES,
    "moe_a2a": all_to_all,
    "nccl": collective,
    "custom_allreduce": lambda _, t: (AllReduce("op", numbers(t)["h"], numbers(t)["tp"]), Quant()),
    "elementwise": lambda _, t: (Elementwise("op", 2 * numbers(t)["h"], 2 * numbers(t)["h"]), Quant()),
    "embedding": lambda _, t: (Embedding("op", numbers(t)["h"], 0), Quant()),
    "p2p": lambda _, t: (PointToPoint("op", numbers(t)["h"], numbers(t)["pp"] - 1), Quant()),
}
"""The operation and the formats that each family's words and numbers name."""

EXACT = ("moe", "moe_a2a", "nccl", "custom_allreduce", "elementwise", "mla_ctx_module", "mla_gen_module")
"""Families whose rules leave no choice of neighbours."""


def relative_tolerance(case: str) -> float:
    """The deviation that a parity implementation may have."""
    at, family = numbers(case), case.split("/", 2)[2].split()[0]
    on_grid = family == "gemm" and at["n"] == at["k"] == 4096 and at["m"] in (1, 64, 8192)
    return 1e-6 if on_grid or family in EXACT else 1e-3


def rows() -> list[tuple[str, float]]:
    """Case and latency of the single operations, in the file's order."""
    read = [r for path in DATA for r in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    return [(r["case"], float(r["value"])) for r in read if r["kind"] == "op"]


@pytest.mark.parametrize(("case", "latency_ms"), rows(), ids=[case for case, _ in rows()])
def test_operation(case: str, latency_ms: float) -> None:
    """One call takes what the tool says."""
    assert operation_ms(case) == pytest.approx(latency_ms, rel=relative_tolerance(case))
