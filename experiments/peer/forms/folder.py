"""The result folder in AIConfigurator's layout, written whole or not at all.

::

    <model>_<system>_<backend>_isl<..>_osl<..>_ttft<..>_tpot<..>_<hash>/
        pareto_frontier.png  report.txt
        <experiment>/  best_config_topn.csv  pareto.csv  plan.json
                       config.yaml           what `aicfg exp` runs again; exp_config.yaml is the same
                       top1/ ...             deployment files, where there is a plan
"""

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aicfg.experiments.peer.answers.comparison import Comparison, Series
from aicfg.experiments.peer.answers.outcome import Solved
from aicfg.experiments.peer.forms.rows import LOAD_COLUMNS, columns, load_rows, rows
from aicfg.experiments.peer.requests.translate import Settings, flat
from aicfg.model_specs.errors import InputError

ROOT_FILES = ("pareto_frontier.png", "report.txt")
_OF_EXPERIMENT = "config.yaml"
Deploy = Callable[[Solved, int, Path], None]
"""Writes the deployment files of a series' n-th plan into a folder."""


def folder_name(comparison: Comparison, settings: Settings) -> str:
    """What was asked, and a hash of all of it: the same question has the same folder."""
    first = next(iter(comparison.solved))
    work, request = first.case.experiment, first.request
    engines = list(dict.fromkeys(each.case.experiment.serving.backend for each in comparison.solved))
    asked = [flat(each.request, settings) for each in comparison.solved]
    digest = hashlib.sha256(json.dumps([asked, comparison.top_n], sort_keys=True).encode()).hexdigest()[:6]
    parts = [
        work.model.strip("/").replace("/", "--"),
        first.system.replace(" + ", "+"),
        engines[0] if len(engines) == 1 else "auto",
        *(f"{key}{request.get(key)}" for key in ("isl", "osl")),
        *(f"{key}{_bound(request.bound(key))}" for key in ("ttft", "tpot")),
        digest,
    ]
    return "_".join(parts)


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def save(
    comparison: Comparison,
    settings: Settings,
    save_dir: Path,
    report: str,
    *,
    name: str | None = None,
    deploy: Deploy | None = None,
) -> Path:
    """Write everything and give the folder; ``name`` "" writes into ``save_dir`` itself.

    Raises
    ------
    InputError
        Where it cannot be written, or the folder holds what is not an earlier result.
    """
    folder = save_dir / (folder_name(comparison, settings) if name is None else name)
    _check(folder)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".aicfg-", dir=folder.absolute().parent))
    except OSError as error:
        raise InputError(f"--save-dir {save_dir}: cannot be written: {error.strerror}") from None
    try:
        fresh = work / "new"
        fresh.mkdir()
        _write_all(comparison, settings, fresh, report, deploy)
        if folder.exists():
            folder.rename(work / "old")
        fresh.rename(folder)
    except OSError as error:
        if (work / "old").exists() and not folder.exists():
            (work / "old").rename(folder)
        raise InputError(f"--save-dir {save_dir}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _check(folder: Path) -> None:
    """Only a new folder, an empty one or an earlier result is written to."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"--save-dir {folder}: is not a folder")
    for path in folder.iterdir() if folder.exists() else ():
        ours = path.name in ROOT_FILES or (path / "plan.json").exists() or (path / _OF_EXPERIMENT).exists()
        if not ours:
            raise InputError(f"--save-dir {folder}: holds {path.name!r}, which is not a result of aicfg")


def _write_all(
    comparison: Comparison, settings: Settings, folder: Path, report: str, deploy: Deploy | None
) -> None:
    from aicfg.experiments.peer.forms.picture import save_picture

    _text(folder / "report.txt", report)
    save_picture(comparison, folder / "pareto_frontier.png")
    for series in comparison.series:
        _write_series(comparison, series, settings, folder / _safe(series.name), deploy)


def _write_series(
    comparison: Comparison, series: Series, settings: Settings, folder: Path, deploy: Deploy | None
) -> None:
    import yaml

    folder.mkdir()
    ranked = series.ranked(comparison.top_n)
    named = columns(series.mode)
    loaded = (*named, *LOAD_COLUMNS) if comparison.load else named
    _table(folder / "best_config_topn.csv", loaded, load_rows(comparison.load, ranked, series.mode))
    frontier = series.frontier(by_request=comparison.by_request)
    _table(folder / "pareto.csv", named, [rows(each, [found])[0] for each, found in frontier])
    single = len(series.members) == 1
    asked = flat(series.members[0].request, settings)
    requests = {series.name: asked if single else {**asked, "backend_name": "auto"}}
    again = yaml.safe_dump(requests, sort_keys=False, allow_unicode=True)
    for name in (_OF_EXPERIMENT, "exp_config.yaml"):
        _text(folder / name, again)
    plans = [each.plan.to_dict() for each in series.members]
    _text(folder / "plan.json", json.dumps(plans[0] if single else plans, indent=2) + "\n")
    for rank, (solved, found) in enumerate(ranked, 1):
        if deploy is not None:
            deploy(solved, solved.top.index(found), folder / f"top{rank}")


def _safe(name: str) -> str:
    """An experiment's name as that of a folder."""
    return (
        "".join(letter if letter.isalnum() or letter in "._+-" else "-" for letter in name).lstrip(".")
        or "experiment"
    )


def _table(path: Path, named: Sequence[str], found: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, named, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
        _flush(file)


def _text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        _flush(file)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
