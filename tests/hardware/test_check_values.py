"""The profile ``aiconfigurator-0.12`` against figures executed by that tool
(``tests/data/check_values.csv``).

Every row is one test, named by its case and quantity. Rows of families that aicfg does not price yet are
skipped with the reason. Tolerances are those of the design's ``check_values.md`` for a parity implementation.
"""

import csv
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from aicfg.hardware.aggregated import aggregated_points
from aicfg.hardware.curves import Curve, ServingModel
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
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
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture

DATA = Path(__file__).parents[1] / "data" / "check_values.csv"
PROFILE = "aiconfigurator-0.12"
GIB = 2.0**30
DENSE = ("Qwen/Qwen3-32B", "meta-llama/", "nvidia/Llama-3.1")
PRICED = ("gemm", "ctx_attn", "gen_attn", "custom_allreduce", "elementwise", "embedding", "p2p")


class Row(NamedTuple):
    """One line of the file."""

    kind: str
    case: str
    quantity: str
    unit: str
    value: float


def rows() -> list[Row]:
    """All rows, in the file's order."""
    with DATA.open(encoding="utf-8", newline="") as file:
        return [
            Row(r["kind"], r["case"], r["quantity"], r["unit"], float(r["value"]))
            for r in csv.DictReader(file)
        ]


def left_to_later(row: Row) -> str | None:
    """Why a row is not priced yet."""
    if row.kind == "op":
        family = row.case.split("/")[2].split()[0]
        return (
            None if family in PRICED else f"{family} is priced with the mixture-of-experts and MLA families"
        )
    model = row.case.split()[1]
    return None if model.startswith(DENSE) else f"{model} is not a dense model"


@cache
def pricing(system: str, backend: str, quant: Quant) -> Pricing:
    """Prices of single operations."""
    return Pricing(load_system(system), open_tables(system, backend), quant, load_profile(PROFILE))


def numbers(case: str) -> dict[str, int]:
    """``m=64 n=4096`` as a mapping."""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)(?![\d.])", case)}


def operation_ms(case: str) -> float:
    """The latency of one call."""
    system, backend, text = case.split("/", 2)
    family, *words = text.split()
    at, one = numbers(text), np.ones(1)
    tokens = one * at.get("tokens", at.get("m", 1))
    load, quant = StepLoad(tokens, tokens), Quant()
    if family == "gemm":
        quant = Quant(gemm=words[0].split("(")[0])
        op: Operation = Gemm("op", at["n"], at["k"], input_low_precision="low_precision" in words[0])
    elif family == "ctx_attn":
        named = dict(re.findall(r"\b(fmha|kv)=(\w+)", text))
        quant = Quant(fmha=named["fmha"], kvcache=named["kv"])
        op = Attention("op", at["n"], at["nkv"], at["hd"])
        load = StepLoad(one, one, prompts=Prompts(one * at["b"], one * at["s"], one * at["prefix"]))
    elif family == "gen_attn":
        quant = Quant(kvcache=dict(re.findall(r"\b(kv)=(\w+)", text))["kv"])
        op = Attention("op", at["n"], at["nkv"], at["hd"])
        load = StepLoad(one, one, decoding=Decoding(one * at["b"], one * at["s"], one))
    elif family == "custom_allreduce":
        op = AllReduce("op", at["h"], at["tp"])
    elif family == "elementwise":
        op = Elementwise("op", 2 * at["h"], 2 * at["h"])
    elif family == "embedding":
        op = Embedding("op", at["h"], 0)
    else:
        op = PointToPoint("op", at["h"], at["pp"] - 1)
    return float(pricing(system, backend, quant).total((op,), load)[0])


@cache
def serving(
    model: str, system: str, backend: str, isl: int, osl: int, prefix: int, quant: Quant
) -> ServingModel:
    """One model as served."""
    return ServingModel(
        load_architecture(model),
        quant,
        Workload(isl, osl, prefix),
        load_system(system),
        open_tables(system, backend),
        load_profile(PROFILE),
    )


def described(case: str) -> tuple[ServingModel, dict[str, int]]:
    """The model, workload and engine that an end-to-end case names, and its numbers."""
    _, model, where, *_ = case.split()
    system, backend = where.split("/")
    at = numbers(case)
    named = dict(re.findall(r"(gemm|moe|fmha|kv)=(\w+)", case))
    quant = Quant(named["gemm"], named["moe"], named["kv"], named["fmha"])
    return serving(model, system, backend, at["isl"], at["osl"], at.get("prefix", 0), quant), at


def memory_gib(curve: Curve, name: str) -> float:
    """One part of the memory at the curve's only point, in the peer's split."""
    use = curve.memory
    parts = {"weights": use.weights, "activations": use.activations, "kvcache": use.kv, "total": use.total}
    return float(parts[name][0]) / GIB


def aggregated(case: str, quantity: str) -> float:
    """One figure of one aggregated worker."""
    model, at = described(case)
    degrees = re.search(r"tp(\d+)pp(\d+)dp(\d+)", case)
    assert degrees
    layout = Layout(*(int(d) for d in degrees.groups()))
    batch = np.array([at["b"]])
    curve = model.curve("agg", layout, batch, np.array([at["C"]]))
    rule = model.profile.aggregated[model.tables.backend]
    layers = model.architecture.num_layers
    point = aggregated_points(model.step(layout), model.workload, batch.astype(float), at["C"], rule, layers)
    ttft, tpot, tokens = float(curve.ttft_ms[0]), float(curve.tpot_ms[0]), float(curve.tokens_per_s[0])
    later = model.workload.osl - 1
    if quantity.startswith("memory_") and quantity not in ("memory_nccl", "memory_others"):
        return memory_gib(curve, quantity.removeprefix("memory_"))
    engine = model.system.other_memory_bytes * model.profile.memory.other_factor[model.tables.backend]
    figures = {
        "ttft": ttft,
        "tpot": tpot,
        "request_latency": ttft + tpot * later,
        "tokens/s/gpu": tokens / layout.gpus,
        "tokens/s/user": 1000.0 / tpot,
        "seq/s": tokens / later,
        "mix_step": float(point.mixed_ms[0]),
        "genonly_step": float(point.decode_ms[0]),
        "num_mix_steps": float(point.schedule.prompt_steps[0]),
        "num_genonly_steps": float(point.schedule.decode_steps[0]),
        "memory_nccl": model.system.nccl_buffers_bytes(layout.tp) / GIB,
        "memory_others": engine / GIB,
        "oom": float(curve.memory.total[0] >= model.system.memory_bytes),
        "kv_oom": float(not curve.memory.fits[0]),
    }
    return figures[quantity]


def disaggregated(case: str, quantity: str) -> float:
    """One figure of one prefill and one decode worker type, matched."""
    model, _ = described(case)
    sides = re.findall(r"[PD]\((\d+), (\d+), \d+, \d+\)x(\d+) b=(\d+)", case)
    assert len(sides) == 2
    (p_tp, p_dp, p_workers, p_batch), (d_tp, d_dp, d_workers, d_batch) = (map(int, side) for side in sides)
    prefill = model.curve("prefill", Layout(p_tp, 1, p_dp), np.array([p_batch]))
    decode = model.curve("decode", Layout(d_tp, 1, d_dp), np.array([d_batch]))
    p_rate, d_rate = float(prefill.requests_per_s[0]), float(decode.requests_per_s[0])
    rate = min(prefill.efficiency * p_workers * p_rate, decode.efficiency * d_workers * d_rate)
    gpus = p_workers * prefill.layout.gpus + d_workers * decode.layout.gpus
    ttft, tpot = float(prefill.step_ms[0]), float(decode.tpot_ms[0])
    figures = {
        "ttft": ttft,
        "tpot": tpot,
        "request_latency": ttft + tpot * (model.workload.osl - 1),
        "tokens/s/gpu": rate * model.workload.osl / gpus,
        "tokens/s/user": 1000.0 / tpot,
        "seq/s": rate,
        "num_total_gpus": float(gpus),
        "(p)seq/s/worker": p_rate,
        "(d)seq/s/worker": d_rate,
        "(p)memory": memory_gib(prefill, "total"),
        "(d)memory": memory_gib(decode, "total"),
    }
    return figures[quantity]


def tolerance(row: Row) -> tuple[float, float]:
    """Relative and absolute tolerance of a row."""
    if row.kind == "e2e_disagg":
        return 1e-3, 0.0006  # the tool rounds a worker's figures to three decimals
    if row.kind == "e2e_agg":
        return (1e-6, 0.0) if row.quantity.startswith("memory_") else (1e-3, 0.0)
    at = numbers(row.case)
    on_grid = "gemm" in row.case and at.get("n") == at.get("k") == 4096 and at["m"] in (1, 64, 8192)
    return (1e-6 if on_grid or "allreduce" in row.case or "elementwise" in row.case else 1e-3), 0.0


COMPUTE = {"op": lambda row: operation_ms(row.case)} | {
    "e2e_agg": lambda row: aggregated(row.case, row.quantity),
    "e2e_disagg": lambda row: disaggregated(row.case, row.quantity),
}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.case} {row.quantity}")
def test_row(row: Row) -> None:
    """The model reproduces one figure."""
    if reason := left_to_later(row):
        pytest.skip(reason)
    relative, absolute = tolerance(row)
    assert COMPUTE[row.kind](row) == pytest.approx(row.value, rel=relative, abs=absolute)
