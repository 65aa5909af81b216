"""Sweeps: every point is what ``aicfg solve`` gives there."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments.around import families
from aicfg.experiments.around.sweep import swept
from aicfg.experiments.ask.variants import Axis, axis, grid, the_experiment
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.tradeoffs import Outcome
from aicfg.experiments.plans.words import layout
from aicfg.solver import whatif

FIGURES = [
    name for name in Outcome.__dataclass_fields__ if name not in ("pools", "objective", "objective_value")
]


def figures(plan: Plan) -> list[object]:
    """What an outcome says, of a plan."""
    whole = [getattr(plan, name) for name in FIGURES]
    whole += [plan.objective.name, plan.objective.value]
    return [*whole, [(p.role, layout(p), p.workers, p.gpus, p.batch) for p in plan.pools]]


def outcome_figures(outcome: Outcome) -> list[object]:
    """The same of an outcome."""
    whole = [getattr(outcome, name) for name in FIGURES]
    whole += [outcome.objective, outcome.objective_value]
    return [*whole, [(p.role, p.layout, p.workers, p.gpus, p.batch) for p in outcome.pools]]


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        (("tpot=4,9,14,30,60", "gpus=1,4,7,8,12,20"), []),
        (("ttft=40,100,250,1000", "gpus=4,8,16"), ["sla.tpot_ms=15"]),
        (("request_latency=500,1500,3000,9000", "ttft=100,400"), ["sla.tpot_ms=null"]),
        (("workload.isl=500,2000", "tpot=10,20"), ["serving.mode=disagg"]),
    ],
)
def test_a_sweep_is_what_solve_gives(small: Path, texts: tuple[str, ...], settings: list[str]) -> None:
    """Status, pools and every figure are those of a plain solve at each point, to the last digit."""
    experiment, axes = the_experiment(small, settings), [axis(text) for text in texts]
    found = swept(experiment, axes)
    plans = [aicfg.solve(each, explain=False) for each in grid(experiment, axes)[1]]
    assert [outcome_figures(each) for each in found.outcomes] == [
        [*figures(plan)[:1], plan.mode if plan.pools else None, *figures(plan)[2:]] for plan in plans
    ]
    assert len({each.status for each in found.outcomes} | {each.words for each in found.outcomes}) > 2


def test_curves_are_computed_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds and GPUs share one set of candidates; plans that stay the best are not searched again."""
    counts = {"candidates": 0, "solve": 0}
    for module, name in ((families, "candidates"), (whatif, "solve")):
        true = getattr(module, name)

        def counted(*args: Any, name: str = name, true: Callable[..., Any] = true) -> Any:
            counts[name] += 1
            return true(*args)

        monkeypatch.setattr(module, name, counted)
    swept(the_experiment(small), [Axis("sla.ttft_ms", tuple(range(900, 1000)))])
    assert counts["candidates"] == 1
    assert counts["solve"] == 2


def test_progress_is_told(small: Path) -> None:
    """Every point is told of, up to the last."""
    told: list[tuple[int, int]] = []
    swept(the_experiment(small), [axis("tpot=20,30,40")], lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_dataframe(small: Path) -> None:
    """From Python: one row a point, keys first."""
    frame = aicfg.sweep(small, {"sla.tpot_ms": [3, 40], "gpus": range(4, 9, 4)})
    assert list(frame.columns[:4]) == ["sla.tpot_ms", "fleet.gpus", "status", "objective"]
    assert list(frame["fleet.gpus"]) == [4, 8, 4, 8]
    assert list(frame["status"]) == ["infeasible"] * 2 + ["optimal"] * 2
    assert frame["tokens_per_s"].iloc[3] == aicfg.solve(small).tokens_per_s


def test_the_command(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """A table in ASCII, CSV and JSON with the same figures; changes are applied before the sweep."""
    table, picture = tmp_path / "s.csv", tmp_path / "s.png"
    words = ("whatif", small, "--sweep", "tpot=20:40:10", "--set", "fleet.gpus=16")
    code, out, err = run(*words, "--csv", table, "--png", picture)
    assert code == 0
    assert out.isascii()
    assert out.splitlines()[0].split()[:2] == ["sla.tpot_ms", "tokens/s"]
    assert err.splitlines() == [f"aicfg: wrote {table}", f"aicfg: wrote {picture}"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    points = json.loads(run(*words, "--json").out)["points"]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["tokens_per_s"]) for row in rows] == [point["tokens_per_s"] for point in points]
    assert [point["sla.tpot_ms"] for point in points] == [20, 30, 40]
    assert {point["gpus_budget"] for point in points} == {16}
    assert points[2]["tokens_per_s"] == aicfg.solve({**_body(small), "fleet": _fleet(16)}).tokens_per_s


def _body(path: Path) -> dict[str, Any]:
    import yaml

    body: dict[str, Any] = yaml.safe_load(path.read_text())
    return body


def _fleet(gpus: int) -> dict[str, Any]:
    return {"system": "h100_sxm", "gpus": gpus}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--sweep", "sla.tpto_ms=1,2"], "sla.tpto_ms: unknown key; did you mean 'tpot_ms'?"),
        (["--sweep", "tpot=0,2"], "--sweep sla.tpot_ms=0: sla.tpot_ms: got 0; expected milliseconds"),
        (["--sweep", "serving.mode=1,2"], "serving.mode: got 1; expected one of"),
        (["--sweep", "tpot=1,2", "--png", "x.pdf"], "--png x.pdf: expected a name that ends in .png"),
        (["--sweep", "tpot=20", "--csv", "/nonexistent/x.csv"], "/nonexistent/x.csv: cannot be written"),
        (["--relax", "tpot=20", "--csv", "x.csv"], "--csv: only of use beside --sweep"),
        (["--sweep", "workload.isl=99999,5"], "--sweep: workload: got isl + osl"),
    ],
)
def test_faults_are_one_line(run: Callable[..., Any], small: Path, words: list[str], line: str) -> None:
    """Whatever is wrong is said in one line, with exit code 2."""
    code, out, err = run("whatif", small, *words)
    assert (code, out) == (2, "")
    assert line in err
    assert err.startswith("aicfg: error: ")
    assert err.count("\n") == 1


def test_nothing_feasible_ends_with_3(run: Callable[..., Any], small: Path) -> None:
    """A sweep without any plan ends with 3 and still says so for each point."""
    code, out, _ = run("whatif", small, "--sweep", "tpot=1,2")
    assert code == 3
    assert out.count("infeasible") == 2
