"""The result folder: AIConfigurator's layout, runnable again, written whole or not at all."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aicfg.experiments.cli import main
from aicfg.experiments.peer.forms import picture
from aicfg.experiments.peer.forms.rows import columns

from ..conftest import BASE, Plans


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one call."""
    place = tmp_path_factory.mktemp("results")
    assert main([*BASE, "--save_dir", str(place), "--top_n", "2"]) == 0
    (found,) = place.iterdir()
    return found


def test_layout(folder: Path) -> None:
    """Names as AIConfigurator's users expect them; a slash of the model's id makes no folder."""
    start = "Qwen--Qwen3-32B-FP8_h100_sxm_vllm_isl2000_osl200_ttft1000_tpot40_"
    assert folder.name.startswith(start)
    assert len(folder.name) == len(start) + 6
    assert {path.name for path in folder.iterdir()} == {"agg", "disagg", "pareto_frontier.png", "report.txt"}
    for mode in ("agg", "disagg"):
        names = {path.name for path in (folder / mode).iterdir()}
        wanted = {"best_config_topn.csv", "pareto.csv", "config.yaml", "exp_config.yaml", "plan.json"}
        assert names == wanted | {"top1", "top2"}
    assert (folder / "agg/top1/agg/k8s_deploy.yaml").exists()
    assert (folder / "disagg/top1/disagg/k8s_deploy.yaml").exists()


def test_tables(folder: Path) -> None:
    """The columns of the frames, a row a plan; the frontier falls as users get faster."""
    for mode in ("agg", "disagg"):
        with (folder / mode / "best_config_topn.csv").open(encoding="utf-8") as file:
            best = list(csv.DictReader(file))
        with (folder / mode / "pareto.csv").open(encoding="utf-8") as file:
            front = list(csv.DictReader(file))
        assert tuple(best[0]) == tuple(front[0]) == columns(mode)
        assert len(best) == 2
        rates = [float(row["tokens/s/gpu_cluster"]) for row in front]
        speeds = [float(row["tokens/s/user"]) for row in front]
        assert rates == sorted(rates)
        assert speeds == sorted(speeds, reverse=True)


def test_runs_again_to_the_same_plan(folder: Path, plans: Callable[..., Plans]) -> None:
    """``config.yaml`` is accepted by ``exp`` and gives the saved plan."""
    for mode in ("agg", "disagg"):
        (again,) = plans("exp", "--yaml-path", folder / mode / "config.yaml")
        saved = json.loads((folder / mode / "plan.json").read_text(encoding="utf-8"))
        assert again["pools"] == saved["pools"]
        assert (folder / mode / "exp_config.yaml").read_bytes() == (
            folder / mode / "config.yaml"
        ).read_bytes()


def test_the_picture_is_one(folder: Path) -> None:
    """A PNG of a size that can be read."""
    data = (folder / "pareto_frontier.png").read_bytes()
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    assert data.startswith(b"\x89PNG")
    assert (width, height) == (1350, 825)


def test_same_question_same_folder(tmp_path: Path) -> None:
    """A second run replaces the results of the first; another question gets another folder."""
    words = [*BASE, "--serving-mode", "agg", "--top-n", "1", "--save-dir", str(tmp_path)]
    assert main(words) == main(words) == 0
    assert len(list(tmp_path.iterdir())) == 1
    assert main([*words, "--prefix", "100"]) == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure on the way leaves what was there and nothing else."""
    words = [*BASE, "--serving-mode", "agg", "--top-n", "1", "--flat", "--save-dir", str(tmp_path / "out")]
    assert main(words) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture, "save_picture", broken)
    assert main([*words, "--prefix", "100"]) == 2
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_foreign_files_are_left_alone(tmp_path: Path, refused: Callable[..., str]) -> None:
    """A folder that holds something else is not written to."""
    (tmp_path / "thesis.tex").write_text("dear", encoding="utf-8")
    assert main([*BASE, "--serving-mode", "agg", "--flat", "--save-dir", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_no_deployment_files_without_a_plan(tmp_path: Path) -> None:
    """Where nothing is feasible the tables are empty, the explanation is kept, and nothing can be started."""
    assert main([*BASE, "--tpot", "1", "--flat", "--save-dir", str(tmp_path / "out")]) == 3
    assert not list((tmp_path / "out").rglob("top*"))
    for mode in ("agg", "disagg"):
        saved = json.loads((tmp_path / "out" / mode / "plan.json").read_text(encoding="utf-8"))
        assert saved["explanation"]["relaxations"]
        assert (tmp_path / "out" / mode / "best_config_topn.csv").read_text(encoding="utf-8").count("\n") == 1
