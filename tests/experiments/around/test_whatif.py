"""Variants side by side."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments.ask.loader import load


def test_each_change_alone_and_all_together(run: Callable[..., Any], small: Path) -> None:
    """The rows have the figures of a plain solve with the same settings."""
    words = ("--relax", "tpot=-50%", "--relax", "ttft=200", "--set", "fleet.gpus=16", "--json")
    code, out, err = run("whatif", small, *words)
    assert (code, err) == (0, "")
    rows = {row["variant"]: row for row in json.loads(out)["variants"]}
    settings = {
        "as given": [],
        "tpot=-50%": ["sla.tpot_ms=20"],
        "ttft=200": ["sla.ttft_ms=200"],
        "fleet.gpus=16": ["fleet.gpus=16"],
        "all together": ["sla.tpot_ms=20", "sla.ttft_ms=200", "fleet.gpus=16"],
    }
    assert list(rows) == list(settings)
    base = aicfg.solve(small).tokens_per_s or 0
    for name, each in settings.items():
        plan = aicfg.solve(load(small, settings=each)[0])
        row = rows[name]
        for figure in ("tokens_per_s", "ttft_ms", "tpot_ms", "gpus_used", "gpus_budget", "mode", "status"):
            assert row[figure] == getattr(plan, figure), (name, figure)
        assert row["gain"] == pytest.approx((plan.tokens_per_s or 0) / base - 1)


def test_the_table_is_ascii_in_a_pipe(run: Callable[..., Any], small: Path) -> None:
    """One line a variant, the change beside the throughput."""
    code, out, _ = run("whatif", small, "--relax", "gpus=16")
    assert code == 0
    assert out.isascii()
    head, base, change = out.splitlines()
    assert head.split()[:3] == ["variant", "change", "tokens/s"]
    assert base.startswith("as given")
    assert change.startswith("gpus=16")


def test_an_infeasible_variant_says_what_is_missing(run: Callable[..., Any], small: Path) -> None:
    """The row gives the bound that would do, which then does; the others count for the exit code."""
    code, out, _ = run("whatif", small, "--relax", "tpot=2", "--json")
    assert code == 0
    row = json.loads(out)["variants"][1]
    assert (row["status"], row["tokens_per_s"], row["pools"]) == ("infeasible", None, [])
    needed = row["missing"]["alone"]["sla.tpot_ms"]
    assert aicfg.solve(load(small, settings=[f"sla.tpot_ms={needed}"])[0]).status == "optimal"
    text = run("whatif", small, "--relax", "tpot=2").out
    assert f"infeasible: needs sla.tpot_ms {needed}" in text


def test_no_plan_at_all_ends_with_3(run: Callable[..., Any], small: Path) -> None:
    """When no variant has a plan the exit code says so."""
    path = small.with_name("none.yaml")
    path.write_text(small.read_text().replace("tpot_ms: 40", "tpot_ms: 1"))
    assert run("whatif", path, "--relax", "tpot=2").code == 3
    assert run("whatif", path, "--relax", "tpot=20").code == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--relax", "tpto=+5%"], "unknown name; did you mean 'tpot'?"),
        (["--set", "fleet.gpsu=3"], "fleet.gpsu=3: fleet.gpsu: unknown key; did you mean 'gpus'?"),
        (["--set", "model=no/such"], "model=no/such: model: "),
        (["--relax", "request_latency=2000"], "given beside tpot_ms"),
        ([], "nothing to change: give --relax"),
    ],
)
def test_faults_are_one_line(run: Callable[..., Any], small: Path, words: list[str], line: str) -> None:
    """A change that cannot be made is said in one line, with exit code 2."""
    code, out, err = run("whatif", small, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert line in err


def test_a_dataframe(small: Path) -> None:
    """From Python: the same variants, with values of any kind."""
    frame = aicfg.whatif(small, relax={"tpot": "+20%", "ttft": 5}, set={"serving.search.decode.tp": [1, 2]})
    assert list(frame["variant"]) == [
        "as given",
        "tpot=+20%",
        "ttft=5",
        "serving.search.decode.tp=[1,2]",
        "all together",
    ]
    assert frame["tokens_per_s"].iloc[0] == aicfg.solve(small).tokens_per_s
    assert frame["missing"].iloc[2].startswith("TTFT 5 ms is below the fastest prefill")
