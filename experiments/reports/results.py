"""Results folders: written whole or not at all.

A folder holds ``plan.json`` (as ``--json`` prints it), ``experiment.yaml`` (the experiment as understood: it
can be solved again), ``report.txt``, and for the plan and each of its alternatives a folder ``top<k>`` of
deployment files. Several experiments get one such folder each, by name.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError

FILES = ("plan.json", "experiment.yaml", "report.txt")


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but earlier results. Raises ``InputError``."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"--save-dir {folder}: is not a folder; give a new one or one with earlier results")
    if folder.exists():
        foreign = next((path for path in sorted(folder.iterdir()) if not _is_ours(path)), None)
        if foreign is not None:
            only = "only a new, an empty or an earlier results folder is written to"
            raise InputError(
                f"--save-dir {folder}: holds {foreign.name!r}, which is not a result of aicfg; {only}"
            )


def save(plans: Sequence[Plan], folder: Path) -> None:
    """Write the results of ``plans`` to ``folder``, in place of earlier ones.

    Everything is written beside it first and then renamed: a failure on the way leaves what was there.
    """
    check_folder(folder)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    except OSError as error:
        raise InputError(f"--save-dir {folder}: cannot be written: {error.strerror}") from None
    try:
        fresh = work / "new"
        for plan in plans:
            _write(plan, fresh / plan.experiment if len(plans) > 1 else fresh)
        _exchange(fresh, folder, work / "old")
    except OSError as error:
        raise InputError(f"--save-dir {folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _exchange(fresh: Path, folder: Path, old: Path) -> None:
    """Put ``fresh`` where ``folder`` is; when that fails, put what was there back."""
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _write(plan: Plan, folder: Path) -> None:
    import yaml

    from aicfg.experiments.reports.plan import report_text

    folder.mkdir(parents=True)
    texts = (
        plan.to_json(indent=2) + "\n",
        yaml.safe_dump(plan.inputs, sort_keys=False, allow_unicode=True),
        report_text(plan),
    )
    for name, text in zip(FILES, texts, strict=True):
        with (folder / name).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    for rank, each in enumerate((plan, *plan.alternatives), 1):
        if each.pools:
            _write_deployment(each, folder / f"top{rank}")


def _write_deployment(plan: Plan, folder: Path) -> None:
    """The files that start the plan; a plan that no server can be started with is left out, and said so."""
    from aicfg.experiments.deploy.write import put_files, render

    try:
        put_files(render(plan), folder)
    except InputError as reason:
        print(f"aicfg: warning: no deployment files in {folder.name}: {reason}", file=sys.stderr)


def _is_ours(path: Path) -> bool:
    """A result file, or the folder of one experiment among several."""
    if path.is_symlink():
        return False
    if _is_deployment(path):
        return True
    if path.is_dir():
        children = list(path.iterdir())
        return bool(children) and all(child.name in FILES or _is_deployment(child) for child in children)
    return path.name in FILES


def _is_deployment(path: Path) -> bool:
    """Files that start one of the plans, as they were rendered."""
    from aicfg.experiments.deploy.record import FILE

    numbered = re.fullmatch(r"top[1-9]\d*", path.name) is not None
    return numbered and path.is_dir() and not path.is_symlink() and (path / FILE).is_file()
