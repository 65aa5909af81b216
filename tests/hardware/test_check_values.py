"""The profile ``aiconfigurator-0.12`` against that tool's own figures (``tests/data/check_values*.csv``).

Every row of a whole worker or plan is one test, named by its case and quantity; single operations are in
``test_check_operations``. ``check_values_hybrid.csv`` was written by ``tests/bench/peer_values.py``.
Tolerances are those of the design's ``check_values.md`` for parity.
"""

import csv
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import Speculative, Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture

DATA = sorted((Path(__file__).parents[1] / "data").glob("check_values*.csv"))
PROFILE = "aiconfigurator-0.12"
GIB = 2.0**30


class Row(NamedTuple):
    """One line of the file."""

    kind: str
    case: str
    quantity: str
    unit: str
    value: float


def rows() -> list[Row]:
    """The rows of whole workers and plans, in the file's order (single operations: test_check_operations)."""
    read = [r for path in DATA for r in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    return [
        Row(r["kind"], r["case"], r["quantity"], r["unit"], float(r["value"]))
        for r in read
        if r["kind"] != "op"
    ]


def numbers(case: str) -> dict[str, int]:
    """``m=64 n=4096`` as a mapping."""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)(?![\d.])", case)}


@cache
def serving(
    model: str,
    system: str,
    backend: str,
    isl: int,
    osl: int,
    prefix: int,
    quant: Quant,
    speculative: Speculative,
) -> ServingModel:
    """One model as served."""
    return ServingModel(
        load_architecture(model),
        quant,
        Workload(isl, osl, prefix),
        load_system(system),
        open_tables(system, backend),
        load_profile(PROFILE),
        speculative=speculative,
    )


def described(case: str) -> tuple[ServingModel, dict[str, int]]:
    """The model, workload and engine that an end-to-end case names, and its numbers."""
    _, model, where, *_ = case.split()
    system, backend = where.split("/")
    at = numbers(case)
    named = dict(re.findall(r"(gemm|moe|fmha|kv)=(\w+)", case))
    quant = Quant(named["gemm"], named["moe"], named["kv"], named["fmha"])
    drafted = re.search(r"'nextn': (\d+), 'nextn_accepted': ([\d.]+)", case)
    speculative = Speculative(int(drafted[1]), float(drafted[2])) if drafted else Speculative()
    served = serving(model, system, backend, at["isl"], at["osl"], at.get("prefix", 0), quant, speculative)
    return served, at


def memory_gib(curve: Curve, name: str) -> float:
    """One part of the memory at the curve's only point, in the peer's split."""
    use = curve.memory
    parts = {"weights": use.weights, "activations": use.activations, "kvcache": use.kv, "total": use.total}
    return float(parts[name][0]) / GIB


def aggregated(case: str, quantity: str) -> float:
    """One figure of one aggregated worker."""
    model, at = described(case)
    degrees = re.search(r"tp(\d+)pp(\d+)dp(\d+)etp(\d+)ep(\d+)", case)
    assert degrees
    tp, pp, dp, moe_tp, moe_ep = (int(d) for d in degrees.groups())
    layout = Layout(tp, pp, dp, at.get("cp", 1), moe_tp, moe_ep)
    batch = np.array([at["b"]])
    curve = model.curve("agg", layout, batch, np.array([at["C"]]))
    point = model.aggregated(layout).points(batch.astype(float), np.full_like(batch, at["C"]))
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
    sides = re.findall(r"[PD]\((\d+), (\d+), (\d+), (\d+)\)x(\d+) b=(\d+)", case)
    assert len(sides) == 2
    (p_tp, p_dp, p_etp, p_ep, p_workers, p_batch), (d_tp, d_dp, d_etp, d_ep, d_workers, d_batch) = (
        map(int, side) for side in sides
    )
    prefill = model.curve("prefill", Layout(p_tp, 1, p_dp, 1, p_etp, p_ep), np.array([p_batch]))
    decode = model.curve("decode", Layout(d_tp, 1, d_dp, 1, d_etp, d_ep), np.array([d_batch]))
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
    return (1e-6, 0.0) if row.quantity.startswith("memory_") else (1e-3, 0.0)


COMPUTE = {
    "e2e_agg": lambda row: aggregated(row.case, row.quantity),
    "e2e_disagg": lambda row: disaggregated(row.case, row.quantity),
}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.case} {row.quantity}")
def test_row(row: Row) -> None:
    """The model reproduces one figure."""
    relative, absolute = tolerance(row)
    assert COMPUTE[row.kind](row) == pytest.approx(row.value, rel=relative, abs=absolute)
