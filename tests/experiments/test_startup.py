"""What is imported when: cheap to import, and no heavy package on the default way."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("pandas", "pyomo", "ortools", "matplotlib", "pyarrow", "huggingface_hub", "scipy")
EXAMPLE = Path(__file__).parents[2] / "examples" / "qwen3-32b-h100-vllm.yaml"
RUN = """
import io, sys
from aicfg.experiments.cli import main
out, sys.stdout = sys.stdout, io.StringIO()
assert main({words}) == 0
sys.stdout = out
"""


def modules_after(code: str) -> set[str]:
    """Modules that a fresh interpreter holds after ``code``."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_aicfg_imports_next_to_nothing() -> None:
    """``import aicfg`` loads no other package and not even a module of its own."""
    assert modules_after("import aicfg") - modules_after("") == {"aicfg"}


@pytest.mark.parametrize(
    "words",
    [
        ["solve", str(EXAMPLE), "--json"],
        ["solve", str(EXAMPLE)],
        ["tables", "list"],
        ["support", "--model", "Qwen/Qwen3-32B"],
        ["whatif", str(EXAMPLE), "--relax", "tpot=+20%"],
        ["whatif", str(EXAMPLE), "--sweep", "tpot=10,20"],
        ["price", str(EXAMPLE)],
    ],
)
def test_the_default_way_imports_nothing_heavy(words: list[str]) -> None:
    """Solving with the default engine and listing tables need none of the heavy packages."""
    assert modules_after(RUN.format(words=words)).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "words", [["solve"], ["whatif", "--relax", "tpot=30"], ["whatif", "--sweep", "tpot=10,20"], ["price"]]
)
def test_json_needs_no_rich(words: list[str]) -> None:
    """--json prints without the terminal library."""
    assert "rich" not in modules_after(RUN.format(words=[*words, str(EXAMPLE), "--json"]))


@pytest.mark.parametrize("example", [EXAMPLE, EXAMPLE.with_name("deepseek-v3-h200-trtllm.yaml")])
def test_a_solve_needs_no_masked_arrays(example: Path) -> None:
    """A slow part of numpy stays out (``np.unique`` of values alone, or ``np.isin``, would bring it in)."""
    assert "numpy.ma" not in modules_after(RUN.format(words=["solve", str(example)]))
