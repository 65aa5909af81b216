"""The house rules that a machine can hold: one-way imports, light start-up, short files and functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("model_specs", "hardware", "solver", "experiments")
WITHIN_EXPERIMENTS = (
    *("progress", "ask", "plans", "solving", "around", "capacity", "api", "predictions", "calibration"),
    *("deploy", "reports", "commands", "peer", "cli"),
)
"""Files and folders of ``experiments/``: each imports only from those before it."""
SOURCES = sorted(path for package in ORDER for path in (ROOT / package).rglob("*.py"))
HEAVY = ("pandas", "pyomo", "ortools", "matplotlib", "pyarrow", "huggingface_hub")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 320, 45


def imports(path: Path) -> list[tuple[str, int]]:
    """Modules that a file imports, with the line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found.append((node.module or "", node.lineno))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """experiments -> solver -> hardware -> model_specs, never back."""
    rank = ORDER.index(path.relative_to(ROOT).parts[0])
    for module, line in imports(path):
        parts = module.split(".")
        if parts[0] == "aicfg" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= rank, f"{path}:{line} imports {module} against the direction"


@pytest.mark.parametrize("name", WITHIN_EXPERIMENTS)
def test_imports_run_one_way_within_experiments(name: str) -> None:
    """Imports within functions count too; a file or folder that is not in the order fails."""
    folder = ROOT / "experiments" / name
    earlier = WITHIN_EXPERIMENTS[: WITHIN_EXPERIMENTS.index(name) + 1]
    for path in folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]:
        for module, line in imports(path):
            parts = module.split(".")
            if parts[:2] == ["aicfg", "experiments"]:
                assert parts[2:3] and parts[2] in earlier, f"{path}:{line} imports {module}"


def test_every_part_of_experiments_is_in_the_order() -> None:
    """Nothing stands beside the order: what is at the top of ``experiments/`` is one of its parts."""
    parts = {path.stem for path in (ROOT / "experiments").glob("*.py")} - {"__init__"}
    parts |= {path.parent.name for path in (ROOT / "experiments").glob("*/__init__.py")}
    assert parts == set(WITHIN_EXPERIMENTS)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").rglob("__init__.py")), ids=lambda path: path.parent.name
)
def test_folders_of_experiments_import_nothing(path: Path) -> None:
    """A folder says what is in it, and importing one of its files imports no other."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert not imports(path)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """One concept a file, one thing a function; public things are documented."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {length} lines"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name} has no docstring"


def test_importing_aicfg_is_light() -> None:
    """``import aicfg`` loads neither numpy nor anything heavier."""
    code = "import sys, aicfg; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {name for name in loaded if name.split(".")[0] in (*HEAVY, "numpy", "highspy", "rich", "yaml")}
