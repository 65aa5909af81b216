"""aicfg tables doctor: what it finds in shipped tables and in the user's own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aicfg.hardware.tables.store import DATA


def test_a_line_for_each_table(run: Callable[..., Any]) -> None:
    """Rows, implausible rows and their share, by rule; the total at the end."""
    code, out, err = run("tables", "doctor", "--system", "h200", "--backend", "sglang", "--family", "mla_bmm")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith("are implausible and have an estimate.")


def test_the_worst_rows_of_a_family(run: Callable[..., Any]) -> None:
    """As JSON: where, what was measured, the estimate, and the rule."""
    words = ("--system", "b200_sxm", "--backend", "vllm", "--family", "gemm", "--json")
    (table,) = json.loads(run("tables", "doctor", *words)[1])
    worst = table["examples"][0]
    assert worst["key"] == ["fp8_block"] and worst["at"].keys() == {"n", "k", "m"}
    assert worst["measured"] / worst["estimate"] > 20
    assert sum(table["by_rule"].values()) == table["implausible"] > 0.1 * table["rows"]


def test_tables_of_ones_own(run: Callable[..., Any], tmp_path: Path) -> None:
    """A folder's tables are examined beside the shipped ones, which are no part of the answer."""
    shutil.copytree(DATA / "a100_sxm" / "vllm", tmp_path / "a100_sxm" / "vllm")
    code, out, _ = run("tables", "doctor", tmp_path, "--json")
    assert code == 0
    assert {(table["system"], table["backend"]) for table in json.loads(out)} == {("a100_sxm", "vllm")}


def test_unknown_names(run: Callable[..., Any]) -> None:
    """What there is no table of is refused in one line, with the nearest name."""
    code, _, err = run("tables", "doctor", "--system", "h100_sxn")
    assert code == 2
    assert err == "aicfg: error: no tables for system 'h100_sxn'; did you mean 'h100_sxm'?\n"
    code, _, err = run("tables", "doctor", "--family", "gem")
    assert code == 2 and "did you mean 'gemm'?" in err
