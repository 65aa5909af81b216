"""Deployments as folders: rendered whole first, then put in place."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aicfg.experiments.deploy.deployment import Deployment, deployment
from aicfg.experiments.deploy.record import FILE as RECORD
from aicfg.experiments.deploy.record import record_text
from aicfg.experiments.deploy.release import release
from aicfg.experiments.deploy.servers.server import dynamo, plain
from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.experiments.deploy.targets import compose, llmd
from aicfg.experiments.deploy.targets.bare import dynamo_scripts, plain_scripts
from aicfg.experiments.deploy.targets.bench import bench_files, bench_job
from aicfg.experiments.deploy.targets.dynamo_k8s import dynamo_manifests, frontend_url
from aicfg.experiments.deploy.targets.lws import PORT, lws_manifests
from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError, nearest

Files = dict[str, str]


def _dynamo(deployed: Deployment) -> Files:
    return dynamo_scripts(deployed, release(deployed.settings.generator_dynamo_version)) | bench_files(
        deployed
    )


def _dynamo_k8s(deployed: Deployment) -> Files:
    url = frontend_url(deployed, deployed.groups[0])
    return dynamo_manifests(deployed, release(deployed.settings.generator_dynamo_version)) | bench_job(
        deployed, url
    )


def _bare(deployed: Deployment) -> Files:
    return plain_scripts(deployed) | bench_files(deployed)


def _lws(deployed: Deployment) -> Files:
    url = f"http://{deployed.group_name(deployed.groups[0])}:{PORT}"
    return lws_manifests(deployed) | bench_job(deployed, url)


def _compose(deployed: Deployment) -> Files:
    return compose.compose(deployed) | bench_files(deployed)


_RENDER: dict[str, Callable[[Deployment], Files]] = {
    "dynamo": _dynamo,
    "dynamo-k8s": _dynamo_k8s,
    "bare": _bare,
    "lws": _lws,
    "compose": _compose,
    "llm-d": llmd.llmd_values,
}
TARGETS = tuple(_RENDER)
_WHY_NOT = {"compose": compose.why_not, "llm-d": llmd.why_not}


def render(plan: Plan, settings: Settings | None = None, targets: Sequence[str] | None = None) -> Files:
    """The files of a deployment: text by path relative to its folder.

    Parameters
    ----------
    plan
        Any plan with workers.
    settings
        What the user sets beside it (``settings.reading.read_settings``).
    targets
        Some of ``TARGETS``; by default all that can hold the plan.

    Raises
    ------
    InputError
        For a plan that holds no workers, a setting or a target that does not fit it: one clear line.
    """
    deployed = deployment(plan, settings or Settings())
    files: Files = {RECORD: record_text(deployed)}
    for target in _checked(deployed, targets):
        folder = str(plan.mode) if target.startswith("dynamo") else target
        files |= {f"{folder}/{name}": text for name, text in _RENDER[target](deployed).items()}
    return dict(sorted(files.items()))


def write_deployment(
    plan: Plan,
    folder: Path,
    settings: Settings | None = None,
    targets: Sequence[str] | None = None,
) -> tuple[Path, ...]:
    """Write the files of a deployment to ``folder``, in place of an earlier deployment there.

    Parameters as in ``render``. Everything is written beside the folder first and then renamed: a failure on
    the way leaves what was there. A folder that holds anything but a deployment is refused.

    Returns
    -------
    tuple of Path
        The files, in order.
    """
    files = render(plan, settings, targets)
    _refuse_foreign(folder)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        put_files(files, work / "new")
        if folder.exists():
            folder.rename(work / "old")
        (work / "new").rename(folder)
    except OSError as error:
        if (work / "old").exists() and not folder.exists():
            (work / "old").rename(folder)
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tuple(folder / name for name in files)


def put_files(files: Files, folder: Path) -> None:
    """Write rendered files below ``folder``; scripts can be run."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if name.endswith(".sh"):
            path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def notes(plan: Plan, settings: Settings | None = None) -> tuple[str, ...]:
    """What the reader of the files should know: versions that differ from the plan's, targets left out."""
    deployed = deployment(plan, settings or Settings())
    found = [plain(worker, deployed).note for worker in deployed.types]
    inside = release(deployed.settings.generator_dynamo_version)
    found += [dynamo(worker, inside).note for worker in deployed.types]
    found += [f"no {target}: {why}" for target, check in _WHY_NOT.items() if (why := check(deployed))]
    return tuple(dict.fromkeys(note for note in found if note))


def _checked(deployed: Deployment, targets: Iterable[str] | None) -> list[str]:
    if targets is None:
        return [target for target in TARGETS if target not in _WHY_NOT or not _WHY_NOT[target](deployed)]
    chosen = list(dict.fromkeys(targets))
    for target in chosen:
        if target not in TARGETS:
            raise InputError(
                f"--target {target}: unknown{nearest(target, TARGETS)}; targets are {', '.join(TARGETS)}"
            )
        why = _WHY_NOT[target](deployed) if target in _WHY_NOT else None
        if why is not None:
            raise InputError(f"--target {target}: {why}")
    return chosen


def _refuse_foreign(folder: Path) -> None:
    """Only a new, an empty or an earlier deployment's folder is written to."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder}: is not a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise InputError(f"{folder}: holds something else than a deployment (no {RECORD}); name a new folder")
