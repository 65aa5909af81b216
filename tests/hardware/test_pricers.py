"""Every kind of operation has a module that prices it, and it is imported when it is needed."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import aicfg.hardware
from aicfg.hardware.pricers import PRICED_IN
from aicfg.hardware.pricing import PRICERS
from aicfg.model_specs.operations import Operation

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
