"""Every kind of operation has a module that prices it, and it is imported when it is needed."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import aicfg.hardware
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricers import BY_ROWS, PRICED_IN
from aicfg.hardware.pricing import PRICERS, Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.families import operations
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Operation
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture

FOLDER = Path(aicfg.hardware.__file__ or "").parent
DECLARING = {path.stem for path in FOLDER.glob("*.py") if "@prices(" in path.read_text(encoding="utf-8")}


def test_every_operation_is_priced_where_it_is_said() -> None:
    """The modules that declare prices are those of the map, each for the kinds that it is said to have."""
    assert set(PRICED_IN) == set(get_args(Operation))
    assert set(PRICED_IN.values()) == DECLARING
    for module in DECLARING:
        import_module(f"aicfg.hardware.{module}")
    assert {kind: pricer.__module__.rpartition(".")[2] for kind, pricer in PRICERS.items()} == PRICED_IN


def test_a_dense_model_imports_no_table_of_experts() -> None:
    """A dense solve holds the modules of its own operations alone."""
    code = (
        "import sys, aicfg; aicfg.solve({'model': 'Qwen/Qwen3-32B', 'workload': {'isl': 2000, 'osl': 200},"
        "'fleet': {'system': 'h100_sxm', 'gpus': 8}}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held = {name.rpartition(".")[2] for name in done.stdout.split() if name.startswith("aicfg.hardware.")}
    assert {"gemm", "attention", "communication"} <= held
    assert held.isdisjoint({"experts", "exchange", "all_to_all", "latent", "wide_latent", "recurrent"})


@pytest.mark.parametrize(
    ("model", "system", "backend"),
    [
        ("Qwen/Qwen3-32B-FP8", "h100_sxm", "vllm"),
        ("deepseek-ai/DeepSeek-V3", "h200_sxm", "sglang"),
        ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "trtllm"),
    ],
)
def test_some_prices_follow_from_the_rows_alone(model: str, system: str, backend: str) -> None:
    """Of the operations that are said to, the price does not change with whose attention a step computes."""
    architecture, tables = load_architecture(model), open_tables(system, backend)
    quant = fitting_quant(architecture, infer(architecture), load_system(system), tables, DataMode.SILICON)
    layout = Layout(tp=2) if architecture.moe is None else Layout(dp=8, moe_ep=8)
    tokens, one = np.array([8.0, 100.0, 3000.0]), np.ones(3)
    loads = (
        StepLoad(tokens, tokens),
        StepLoad(tokens, tokens, decoding=Decoding(tokens, np.array([700.0]), np.ones(1))),
        StepLoad(tokens, tokens, prompts=Prompts(one, tokens, 50 * one)),
    )
    pricings = [Pricing(load_system(system), tables, quant, load_profile("aicfg")) for _ in loads]
    listed = [*operations(architecture, layout, "prefill"), *operations(architecture, layout, "decode")]
    by_rows = [each for each in listed if isinstance(each, BY_ROWS)]
    assert len({type(each) for each in by_rows}) >= 4
    for operation in by_rows:
        first, *others = (
            pricing.price(operation, load) for pricing, load in zip(pricings, loads, strict=True)
        )
        assert all((first == other).all() for other in others)
