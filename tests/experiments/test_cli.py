"""The command line: exit codes, what goes where, engines, interrupts."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments import api
from aicfg.experiments.plans.plan import Plan

EXAMPLES = Path(__file__).parents[2] / "examples"

TWO = """\
defaults:
  model: Qwen/Qwen3-32B
  workload: {isl: 2000, osl: 200}
  fleet: {system: h100_sxm, gpus: 4}
  serving: {mode: agg, search: {agg: {max_batch: 16}}}
experiments:
  easy: {}
  hard: {sla: {ttft_ms: 5}}
"""


def test_json_is_all_of_standard_output(run: Callable[..., Any], small: Path) -> None:
    """--json prints one object, which is the plan, and nothing on standard error."""
    code, out, err = run("solve", small, "--json")
    assert (code, err) == (0, "")
    plan = Plan.from_json(out)
    assert plan.status == "optimal"
    assert plan.experiment == "small"


def test_several_experiments_are_a_list_and_any_infeasible_one_decides(
    run: Callable[..., Any], write: Callable[..., Path], small: Path
) -> None:
    """Several experiments, in one file or in more, are solved in turn; exit 3 when one is infeasible."""
    code, out, err = run("solve", write(TWO), small, "--json")
    plans = json.loads(out)
    assert [(plan["experiment"], plan["status"]) for plan in plans] == [
        ("easy", "optimal"),
        ("hard", "infeasible"),
        ("small", "optimal"),
    ]
    assert (code, err) == (3, "")


def test_reports_follow_each_other(run: Callable[..., Any], write: Callable[..., Path]) -> None:
    """Without --json each experiment has its report; a pipe sees no progress bar and no escape sequence."""
    code, out, err = run("solve", write(TWO))
    assert code == 3
    assert err == ""
    assert "\x1b" not in out
    assert [line.split(":")[0] for line in out.splitlines() if "tokens in" in line] == ["easy", "hard"]


def test_a_terminal_sees_a_progress_bar(write: Callable[..., Path]) -> None:
    """With several experiments and a terminal on standard error there is a bar; standard output is clean."""
    main_end, process_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "aicfg", "solve", str(write(TWO)), "--json"],
        stdout=subprocess.PIPE,
        stderr=process_end,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(process_end)
        assert process.stdout is not None
        out = process.stdout.read()
        seen = b""
        while True:
            try:
                more = os.read(main_end, 65536)
            except OSError:
                break
            if not more:
                break
            seen += more
    os.close(main_end)
    assert process.returncode == 3
    assert len(json.loads(out)) == 2
    assert b"/2" in seen


def test_equal_names_are_refused(run: Callable[..., Any], write: Callable[..., Path], small: Path) -> None:
    """Two experiments of one name could not be told apart."""
    code, _, err = run("solve", small, small)
    assert code == 2
    assert "two experiments are called 'small'" in err


def test_settings_change_the_experiment(run: Callable[..., Any], small: Path) -> None:
    """--set reaches the plan."""
    _, out, _ = run("solve", small, "--json", "--set", "fleet.gpus=4", "--set", "serving.mode=agg")
    plan = json.loads(out)
    assert (plan["gpus_budget"], plan["mode"]) == (4, "agg")


def test_results_are_saved(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """--save-dir writes the plan that --json prints."""
    _, out, _ = run("solve", small, "--json", "--save-dir", tmp_path / "results")
    assert (tmp_path / "results" / "plan.json").read_text() == out


@pytest.mark.parametrize("ending", ["lp", "mps"])
def test_the_program_is_exported(run: Callable[..., Any], small: Path, tmp_path: Path, ending: str) -> None:
    """--export writes the program of each mode, with the families' names in it."""
    code, _, err = run("solve", small, "--export", tmp_path / f"model.{ending}")
    assert code == 0
    for mode in ("agg", "disagg"):
        target = tmp_path / f"model.{mode}.{ending}"
        assert f"wrote {target}" in err
        assert "gpu_budget" in target.read_text()


def test_one_mode_is_exported_under_the_given_name(
    run: Callable[..., Any], small: Path, tmp_path: Path
) -> None:
    """With one mode the file has exactly the name that was asked for."""
    run("solve", small, "--set", "serving.mode=agg", "--export", tmp_path / "model.lp")
    assert [path.name for path in tmp_path.glob("model*")] == ["model.lp"]


@pytest.mark.parametrize(
    ("name", "part"), [("model.txt", "ends in neither .lp nor .mps"), ("no/model.lp", "cannot be written")]
)
def test_exports_that_cannot_be(
    run: Callable[..., Any], small: Path, tmp_path: Path, name: str, part: str
) -> None:
    """A wrong ending or a folder that is not there is one clear line."""
    code, out, err = run("solve", small, "--export", tmp_path / name)
    assert (code, out) == (2, "")
    assert part in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("engine", ["cpsat", "pyomo", "both"])
def test_engines(run: Callable[..., Any], small: Path, engine: str) -> None:
    """Every engine finds the plan of the default one."""
    settings = ("--set", "fleet.gpus=4", "--set", "serving.mode=agg", "--json")
    plans = [json.loads(run("solve", small, "--engine", each, *settings).out) for each in ("highs", engine)]
    assert plans[0]["pools"] == plans[1]["pools"]
    assert plans[0]["tokens_per_s"] == plans[1]["tokens_per_s"]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["solve", "--help"],
        ["tables", "--help"],
        ["tables", "list", "-h"],
        ["estimate", "-h"],
        ["support", "-h"],
    ],
)
def test_help(run: Callable[..., Any], words: list[str]) -> None:
    """Help goes to standard output, fits a screen and ends with 0."""
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) <= 40
    assert max(map(len, out.splitlines())) <= 100


def test_version(run: Callable[..., Any]) -> None:
    """--version says name and version."""
    assert run("--version") == (0, f"aicfg {aicfg.__version__}\n", "")


def test_an_interrupt_with_nothing_in_hand(
    run: Callable[..., Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before a plan is there ends with 4 and one line."""

    def interrupted(*_: object) -> Plan:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "solve_case", interrupted)
    assert run("solve", small) == (4, "", "aicfg: interrupted\n")


def test_an_interrupt_keeps_what_is_in_hand(
    run: Callable[..., Any], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at the second of two experiments still prints the first, and ends with 4."""
    real = api.solve_case

    def interrupted(case: Any, options: Any) -> Plan:
        if case.experiment.name == "hard":
            raise KeyboardInterrupt
        return real(case, options)

    monkeypatch.setattr(api, "solve_case", interrupted)
    code, out, err = run("solve", write(TWO), "--json")
    assert code == 4
    assert [plan["experiment"] for plan in json.loads(out)] == ["easy"]
    assert err == "aicfg: warning: interrupted; 1 experiments are not solved\n"


def test_a_plan_without_proof_is_a_warning(
    run: Callable[..., Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feasible plan ends with 0, and standard error says what is open."""
    real = api.solve_case

    def stopped(case: Any, options: Any) -> Plan:
        plan = real(case, options)
        certificate = replace(plan.certificate, gap=0.05)
        return replace(plan, status="feasible", certificate=certificate)

    monkeypatch.setattr(api, "solve_case", stopped)
    code, _, err = run("solve", small, "--json")
    assert code == 0
    assert err == "aicfg: warning: small: stopped before the proof; a plan up to 5.00% better may exist\n"


def test_a_defect_is_a_traceback(
    run: Callable[..., Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no fault of the input is raised, so that Python ends with 1 and its traceback."""
    from aicfg.solver.errors import EnginesDisagree

    def disagree(*_: object) -> Plan:
        raise EnginesDisagree("highs says 1, but cpsat says 2")

    monkeypatch.setattr(api, "solve_case", disagree)
    with pytest.raises(EnginesDisagree):
        run("solve", small)


def test_a_reader_that_leaves_early(small: Path) -> None:
    """``aicfg solve … | head -0`` ends with 0 and without a word."""
    with subprocess.Popen(
        [sys.executable, "-m", "aicfg", "solve", str(small), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, "")


def test_a_terminal_that_knows_ascii_only(small: Path) -> None:
    """A stream without the report's characters gets replacements, not a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "aicfg", "solve", str(small)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert b"proven optimal" in done.stdout


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples(run: Callable[..., Any], example: Path) -> None:
    """Every example is solved as its name says."""
    code, out, err = run("solve", example, "--json")
    plan = Plan.from_json(out)
    assert err == ""
    assert (code, plan.status) == (
        (3, "infeasible") if example.stem.startswith("infeasible") else (0, "optimal")
    )


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["optimal", "feasible"], 0),
        (["optimal", "unknown"], 4),
        (["unknown", "infeasible", "optimal"], 3),
    ],
)
def test_exit_code_of_several(
    run: Callable[..., Any],
    write: Callable[..., Path],
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[Any],
    code: int,
) -> None:
    """Any infeasible experiment gives 3, else any without a plan 4, else 0."""
    plan = api.solve(small)
    files = [write(small.read_text(), f"{number}.yaml") for number in range(len(statuses))]
    left = iter(statuses)
    monkeypatch.setattr(api, "solve_case", lambda *_: replace(plan, status=next(left)))
    assert run("solve", *files, "--json").code == code
