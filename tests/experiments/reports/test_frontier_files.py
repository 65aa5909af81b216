"""``aicfg solve --frontier``: table, picture, report."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_table_picture_report_and_json(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """All have the same corners; the report shows a plot and marks the one within the SLA."""
    table, picture = tmp_path / "f.csv", tmp_path / "f.png"
    words = ("solve", small, "--frontier", "--alternatives", 2)
    code, out, err = run(*words, "--csv", table, "--png", picture)
    assert code == 0
    assert err.splitlines() == [f"aicfg: wrote {table}", f"aicfg: wrote {picture}"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"f.csv", "f.png", "small.yaml"}
    plain = json.loads(run(*words, "--json").out)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["tpot_ms"]) for row in rows] == [each["tpot_ms"] for each in plain["pareto"]]
    assert [row["chosen"] for row in rows].count("True") == 1
    assert f"of {len(rows)} corners" in out
    assert sum(line.startswith("SLA  ") for line in out.splitlines()) == 1
    assert "x within the SLA" in out
    assert len(plain["alternatives"]) == 2
    assert "what each gives up" in out


def test_ttft_as_an_axis_is_drawn_too(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """Several corners of one speed are points without steps."""
    picture = tmp_path / "f.png"
    code, _, _ = run("solve", small, "--set", "serving.mode=disagg", "--frontier-ttft", "--png", picture)
    assert code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--csv", "f.csv"], "--csv: only of use beside --frontier, --frontier-ttft"),
        (["--frontier", "--png", "f.pdf"], "--png f.pdf: expected a name that ends in .png"),
        (["--frontier", "--csv", "/nonexistent/f.csv"], "/nonexistent/f.csv: cannot be written"),
        (["--alternatives", "0"], "--alternatives: got '0'; expected a whole number from 1 to 100"),
    ],
)
def test_faults_are_one_line(run: Callable[..., Any], small: Path, words: list[str], line: str) -> None:
    """Whatever is wrong is said in one line, with exit code 2."""
    code, out, err = run("solve", small, *words)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


def test_one_file_is_of_one_experiment(
    run: Callable[..., Any], small: Path, write: Callable[..., Path]
) -> None:
    """A table of several experiments is refused before anything is solved."""
    other = write(small.read_text(encoding="utf-8"), "other.yaml")
    code, _, err = run("solve", small, other, "--frontier", "--csv", "f.csv")
    assert code == 2
    assert "--csv: writes the figures of one experiment, 2 are given" in err


def test_alternatives_are_found_whatever_the_engine(run: Callable[..., Any], small: Path) -> None:
    """Checked by CP-SAT or by no other engine, the alternatives are the same."""
    found = [
        json.loads(run("solve", small, "--engine", engine, "--alternatives", 2, "--json").out)["alternatives"]
        for engine in ("highs", "both")
    ]
    assert [each["pools"] for each in found[0]] == [each["pools"] for each in found[1]]
    assert len(found[0]) == 2
