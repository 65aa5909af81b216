"""aicfg estimate: from flags, from a file, from a plan."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.predictions.estimate import Worker, estimate

FLAGS = ("--model", "Qwen/Qwen3-32B", "--system", "h100", "--isl", "2000", "--osl", "200")


def test_flags_alone(run: Callable[..., Any]) -> None:
    """Without a file, flags say it all; the figures are those of the Python function."""
    code, out, err = run("estimate", *FLAGS, "--role", "decode", "--tp", "4", "--batch", "32", "--json")
    assert (code, err) == (0, "")
    mapping = {
        "model": "Qwen/Qwen3-32B",
        "workload": {"isl": 2000, "osl": 200},
        "fleet": {"system": "h100", "gpus": 1},
    }
    expected = estimate(mapping, Worker(role="decode", tp=4, batch=32))
    assert json.loads(out)["tpot_ms"] == expected.tpot_ms
    assert json.loads(out)["inputs"]["workload"] == {"isl": 2000, "osl": 200, "prefix": 0}


def test_flags_override_the_file_and_set_overrides_them(run: Callable[..., Any], small: Path) -> None:
    """A flag replaces what the file says; --set is the last word."""
    words = ("--role", "agg", "--isl", "1000", "--data-mode", "SOL", "--set", "workload.osl=50", "--json")
    inputs = json.loads(run("estimate", small, *words).out)["inputs"]
    assert inputs["workload"] == {"isl": 1000, "osl": 50, "prefix": 0}
    assert inputs["serving"]["data_mode"] == "sol"
    assert inputs["name"] == "small"


def test_a_pair_has_two_values(run: Callable[..., Any], small: Path) -> None:
    """PREFILL/DECODE gives each role its own value; one number is for both."""
    words = ("--role", "disagg", "--tp", "2/4", "--batch", "1/16", "--workers", "2", "--json")
    found = json.loads(run("estimate", small, *words).out)
    pools = [each["pool"] for each in found["pools"]]
    assert [(p["role"], p["tp"], p["batch"], p["workers"]) for p in pools] == [
        ("prefill", 2, 1, 2),
        ("decode", 4, 16, 2),
    ]
    assert (found["mode"], found["gpus_used"]) == ("disagg", 12)


def test_a_plan_is_broken_down(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """The pools of a saved plan have the plan's figures again, and their time by operation."""
    plan = json.loads(run("solve", small, "--json", "--save-dir", tmp_path / "r").out)
    code, out, err = run("estimate", "--plan", tmp_path / "r" / "plan.json", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [each["pool"] for each in found["pools"]] == plan["pools"]
    assert found["tokens_per_s"] == pytest.approx(plan["tokens_per_s"], rel=1e-6)
    assert all(step["parts"] for each in found["pools"] for step in each["steps"])


def test_the_report_has_a_bar_for_each_operation(run: Callable[..., Any], small: Path) -> None:
    """Latency against the file's bounds, then each step's operations, the longest with the longest bar."""
    code, out, _ = run("estimate", small, "--role", "agg", "--tp", "4", "--batch", "8")
    assert code == 0
    assert re.search(r"^TTFT +█.* of 1,000 ms, \d+ % to spare$", out, re.MULTILINE)
    assert re.search(r"^mixed step of tp4: \d+\.\d+ ms, 8 times for a batch of requests$", out, re.MULTILINE)
    bars = re.findall(r"^(\w+) +(█+)\S* +([\d.]+) % +[\d.]+ ms", out, re.MULTILINE)
    assert bars[0][0] == "gate_up"
    assert len(bars[0][1]) == 24
    assert re.search(r"^agg time rests on \d+ % interpolated", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 96


def test_what_does_not_fit_is_said(run: Callable[..., Any], small: Path) -> None:
    """Beyond the memory the figures are there, with a line that says so."""
    code, out, _ = run("estimate", small, "--role", "decode", "--batch", "500")
    assert code == 0
    assert re.search(r"^decode does not fit: [\d.]+ GiB of [\d.]+ GiB on a GPU$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((*FLAGS, "--role", "agg", "--tp", "0"), "--tp: got '0'; expected a whole number from 1 to 65,536"),
        ((*FLAGS, "--role", "agg", "--tp", "2/4"), "--tp: got '2/4'; expected a whole number"),
        ((*FLAGS, "--role", "disagg", "--moe-ep", "x"), "--moe-ep: got 'x'; expected a whole number from 1"),
        ((*FLAGS, "--role", "disagg", "--tp", "1/2/3"), "or PREFILL/DECODE such as 4/8"),
        (
            (*FLAGS, "--role", "decode", "--chunk", "512"),
            "--chunk: only aggregated workers prefill in chunks",
        ),
        ((*FLAGS, "--role", "decode", "--tp", "3"), "decode tp3: tp 3 does not divide"),
        (("--role", "agg"), "experiment: model: missing; expected"),
        ((*FLAGS, "--role", "agg", "--data-mode", "gold"), "invalid choice: 'gold'"),
        (("--plan", "nowhere.json"), "--plan nowhere.json: cannot be read: No such file"),
        (("--plan", "x.json", "--tp", "4"), "--plan x.json: says it all; leave out tp"),
    ],
)
def test_bad_words(run: Callable[..., Any], words: tuple[str, ...], part: str) -> None:
    """What cannot be estimated ends with exit code 2 and one clear line."""
    code, out, err = run("estimate", *words)
    assert (code, out) == (2, "")
    assert part in err
    assert "Traceback" not in err


def test_files_that_cannot_be(run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path) -> None:
    """A plan without pools, text that is no plan, and a file of several experiments are refused."""
    both = "defaults: {model: m, workload: {isl: 1, osl: 2}, fleet: {system: s, gpus: 1}}\n"
    several = write(both + "experiments: {a: {}, b: {}}\n", "two.yaml")
    assert "holds 2 experiments; expected one" in run("estimate", several, "--role", "agg").err
    assert "not a plan" in run("estimate", "--plan", write("{}", "p.json")).err
    example = Path(__file__).parents[3] / "examples" / "infeasible.yaml"
    assert run("solve", example, "--save-dir", tmp_path / "r").code == 3
    assert "has no pools (infeasible)" in run("estimate", "--plan", tmp_path / "r" / "plan.json").err
