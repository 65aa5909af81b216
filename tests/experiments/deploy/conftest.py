"""Fixtures of the generator's tests: the validator, and a folder of everything rendered once."""

import importlib.util
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "deploy"
DEPLOY = ROOT / "experiments" / "deploy"
Findings = list[dict[str, Any]]


@pytest.fixture(scope="session")
def validator() -> ModuleType:
    """``validate_artifacts.py``: the project's own checker, written apart from the generator."""
    spec = importlib.util.spec_from_file_location("validate_artifacts", DATA / "validate_artifacts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["validate_artifacts"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def validate(validator: ModuleType) -> Callable[..., tuple[Findings, dict[str, Any]]]:
    """Runs it over a folder: what it finds, and the GPUs that it counts."""
    flags: dict[str, Any] = {}
    schemas: dict[str, Any] = {}

    def of(
        folder: Path, *, total: int, planned: int, sglang: str = "0.5.14"
    ) -> tuple[Findings, dict[str, Any]]:
        asked = Namespace(
            flags_dir=DEPLOY / "flags",
            crd_dir=DEPLOY / "checks" / "crd",
            vllm="0.24.0",
            sglang=sglang,
            trtllm="1.3.0rc",
            dynamo="1.3.1",
            dgd_crd="1.3.0",
            gpus_per_node=8,
            total_gpus=total,
            plan_gpus=planned,
        )
        report = validator.Report(folder.resolve())
        checker = validator.Checker.__new__(validator.Checker)
        checker.a, checker.rep = asked, report
        if sglang not in flags:
            flags[sglang] = validator.Flags(asked.flags_dir, "0.24.0", sglang, "1.3.0rc", "1.3.1")
        checker.flags = flags[sglang]
        if not schemas:
            schemas["1.3.0"] = validator.Schemas(asked.crd_dir, "1.3.0")
        checker.schemas = schemas["1.3.0"]
        checker.k8s_gpus, checker.script_gpus, checker.launched = {}, {}, {}
        checker.run(folder.resolve())
        return report.items, {"pods": checker.k8s_gpus, "scripts": checker.script_gpus}

    return of
