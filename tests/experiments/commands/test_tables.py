"""aicfg tables: listing and importing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.hardware.tables import importer


def test_engines_of_all_systems(run: Callable[..., Any]) -> None:
    """Without a system there is one line an engine, with version and counts."""
    code, out, err = run("tables", "list")
    assert (code, err) == (0, "")
    row = next(line.split() for line in out.splitlines() if line.startswith("h100_sxm") and " vllm " in line)
    assert row[:3] == ["h100_sxm", "vllm", "0.24.0"]
    assert int(row[5].replace(",", "")) > 100_000


def test_families_of_a_system(run: Callable[..., Any]) -> None:
    """With a system (or its alias) and an engine there is one line a family, with ranges."""
    _, out, _ = run("tables", "list", "--system", "h100", "--backend", "vllm")
    gemm = next(line for line in out.splitlines() if " gemm " in line)
    assert "m 1…" in gemm
    assert not any(line.startswith("sglang") for line in out.splitlines())


def test_listing_as_json(run: Callable[..., Any]) -> None:
    """--json gives every family with its rows, ranges and sources."""
    _, out, _ = run("tables", "list", "--system", "h100_sxm", "--backend", "vllm", "--json")
    families = {row["family"]: row for row in json.loads(out)}
    assert families["gemm"]["ranges"].keys() == {"n", "k", "m"}
    assert families["gemm"]["sources"][0]["backend"] == "vllm"
    assert families["gemm"]["rows"] > 10_000


def test_import_hands_on_what_was_asked(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source, folder and filters reach the importer; system descriptions go beside the tables."""
    asked: list[Any] = []
    monkeypatch.setattr(importer, "import_tables", lambda *words: asked.extend(words))
    out = tmp_path / "tables"
    code, _, err = run("tables", "import", "src", "--out", out, "--system", "h100_sxm", "--backend", "vllm")
    assert code == 0
    assert err == f"aicfg: wrote {out}\n"
    assert asked[:4] == [Path("src"), out, ["h100_sxm"], ["vllm"]]
    assert asked[5] is None


def test_a_folder_that_is_no_table_is_not_replaced(run: Callable[..., Any], tmp_path: Path) -> None:
    """--out with anything else in it is refused before the source is read, and left as it is."""
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, err = run("tables", "import", "src", "--out", tmp_path)
    assert code == 2
    assert "holds 'thesis.txt', which is no table" in err
    assert (tmp_path / "thesis.txt").read_text() == "mine"
