"""The house rules that a machine can hold: one-way imports, light start-up, short files and functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("model_specs", "hardware", "solver", "experiments")
WITHIN = {
    "experiments": (
        *("progress", "ask", "plans", "solving", "around", "capacity", "api", "predictions", "calibration"),
        *("deploy", "reports", "commands", "peer", "cli"),
    ),
    "experiments/deploy": (
        *(
            "names",
            "command",
            "yaml_text",
            "dialect",
            "release",
            "flag_values",
            "facts",
            "settings",
            "worker",
        ),
        *("deployment", "placement", "record", "servers", "targets", "write", "checks"),
    ),
    "experiments/peer": ("requests", "answers", "forms", "commands", "api", "api_points"),
}
"""Files and folders of a folder, in the order in which they may import each other: only from those before."""
MAX_FILES = 15
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
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """experiments -> solver -> hardware -> model_specs, never back."""
    rank = ORDER.index(path.relative_to(ROOT).parts[0])
    for module, line in imports(path):
        parts = module.split(".")
        if parts[0] == "aicfg" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= rank, f"{path}:{line} imports {module} against the direction"


@pytest.mark.parametrize("folder", WITHIN)
def test_imports_run_one_way_within_a_folder(folder: str) -> None:
    """Each part imports from itself and from those before it alone, within functions too."""
    order, package = WITHIN[folder], ["aicfg", *folder.split("/")]
    for path in (ROOT / folder).rglob("*.py"):
        own = path.relative_to(ROOT / folder).parts[0].removesuffix(".py")
        for module, line in imports(path):
            parts = module.split(".")
            if own in order and parts[: len(package)] == package:
                used = parts[len(package)]
                assert used in order[: order.index(own) + 1], f"{path}:{line} imports {module}"


@pytest.mark.parametrize("folder", WITHIN)
def test_every_part_of_a_folder_is_in_its_order(folder: str) -> None:
    """Nothing stands beside the order."""
    parts = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    parts |= {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    assert parts == set(WITHIN[folder])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").rglob("__init__.py")), ids=lambda path: path.parent.name
)
def test_folders_of_experiments_import_nothing(path: Path) -> None:
    """A folder says what is in it, is no heap, and importing one of its files imports no other."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert not imports(path)
    assert len([*path.parent.glob("*.py")]) - 1 <= MAX_FILES


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
