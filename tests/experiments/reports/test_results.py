"""Results folders: whole or not at all."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.ask.loader import load
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.reports import results
from aicfg.experiments.reports.plan import report_text
from aicfg.model_specs.errors import InputError

WRITTEN = ["experiment.yaml", "plan.json", "report.txt", "top1"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan to save."""
    mapping = {
        "name": "saved",
        "model": "Qwen/Qwen3-32B",
        "workload": {"isl": 2000, "osl": 200},
        "fleet": {"system": "h100_sxm", "gpus": 4},
        "serving": {"mode": "agg", "search": {"agg": {"max_batch": 16}}},
    }
    return solve(mapping)


def test_what_is_written(plan: Plan, tmp_path: Path) -> None:
    """The folder holds plan, report and the experiment that leads to the plan again; nothing else is left."""
    folder = tmp_path / "deep" / "results"
    results.save([plan], folder)
    assert sorted(path.name for path in folder.iterdir()) == WRITTEN
    assert (folder / "top1" / "agg" / "k8s_deploy.yaml").is_file()
    assert Plan.from_json((folder / "plan.json").read_text()) == plan
    (experiment,) = load(folder / "experiment.yaml")
    assert experiment.name == "saved"
    assert solve(experiment).pools == plan.pools
    assert (folder / "report.txt").read_text() == report_text(plan)
    assert [path.name for path in folder.parent.iterdir()] == ["results"]


def test_several_plans_get_a_folder_each(plan: Plan, tmp_path: Path) -> None:
    """Two experiments are two folders by name, and may be written over."""
    plans = [replace(plan, experiment="a"), replace(plan, experiment="b")]
    for _ in range(2):
        results.save(plans, tmp_path / "results")
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["a", "b"]
    assert json.loads((tmp_path / "results" / "b" / "plan.json").read_text())["experiment"] == "b"


def test_new_results_take_the_place_of_old_ones(plan: Plan, tmp_path: Path) -> None:
    """Earlier results are replaced whole: what the new ones lack is gone."""
    folder = tmp_path / "results"
    results.save([replace(plan, experiment="a"), plan], folder)
    results.save([plan], folder)
    assert sorted(path.name for path in folder.iterdir()) == WRITTEN


@pytest.mark.parametrize("failing", ["_write", "_exchange"])
def test_a_failure_leaves_nothing(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """When writing fails half way, there is no folder and no remainder beside it."""
    real = getattr(results, failing)

    def fail(*arguments: Any) -> None:
        if failing == "_write" and arguments[0].experiment != "last":
            real(*arguments)
            return
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, failing, fail)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        results.save([plan, replace(plan, experiment="last")], tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_earlier_results(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the exchange itself fails, the earlier results are back in their place."""
    folder = tmp_path / "results"
    results.save([plan], folder)
    before = (folder / "plan.json").read_bytes()
    real = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(InputError, match="Permission denied"):
        results.save([replace(plan, experiment="other")], folder)
    assert (folder / "plan.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("kind", ["file", "foreign file", "foreign folder", "link"])
def test_what_is_not_ours_is_refused(tmp_path: Path, kind: str, run: Callable[..., Any], small: Path) -> None:
    """A folder with anything else in it is left alone, and nothing is solved for it."""
    folder = tmp_path / "results"
    if kind == "file":
        folder.write_text("mine")
    elif kind == "link":
        folder.symlink_to(tmp_path, target_is_directory=True)
    else:
        (folder / "notes").mkdir(parents=True)
        (folder / "notes" / "thesis.txt").write_text("mine")
        if kind == "foreign file":
            (folder / "notes" / "thesis.txt").rename(folder / "thesis.txt")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run("solve", small, "--save-dir", folder)
    assert (code, out) == (2, "")
    assert err.startswith(f"aicfg: error: --save-dir {folder}: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written(plan: Plan, tmp_path: Path) -> None:
    """A parent without permission is one clear line."""
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        results.save([plan], tmp_path / "results")
