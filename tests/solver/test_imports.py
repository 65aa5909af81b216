"""What a solve imports is what a user waits for."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("pandas", "pyomo", "ortools", "matplotlib", "pyarrow", "rich", "yaml", "msgspec")


def test_solving_with_highs_imports_nothing_heavy():
    """A process that solves on the default engine has numpy and highspy, and none of the heavy packages."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import aicfg.solver.solve, aicfg.solver.explain
assert "highspy" not in sys.modules
from instances import DISAGG, PAIR
assert aicfg.solver.solve.solve(PAIR, DISAGG).status == "optimal"
print(sorted(set(sys.modules) & set({HEAVY!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
