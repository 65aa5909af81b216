"""``aicfg deploy check``: a folder of deployment files, edited or not, against servers, cluster and plan."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aicfg.experiments.deploy.checks.manifests import (
    manifest_faults,
    missing_packages,
    plain_faults,
    values_faults,
)
from aicfg.experiments.deploy.checks.pods import Pod, pods
from aicfg.experiments.deploy.checks.shell import Found, bash_fault, command, faults, shell_commands
from aicfg.experiments.deploy.dialect import Dialect, dialect, engine_keys
from aicfg.experiments.deploy.flag_values import key_fault
from aicfg.experiments.deploy.record import FILE as RECORD
from aicfg.experiments.deploy.release import Release, release
from aicfg.model_specs.errors import InputError

_GPUS = re.compile(r"^#\s*aicfg-gpus:\s*(\d+)", re.M)
_TOKEN = re.compile(r"^\s*export\s+\w*TOKEN\w*=[\"']?(?![\"'$])\S", re.M)


@dataclass(frozen=True)
class Report:
    """What is wrong, file by file, and what could not be checked."""

    faults: tuple[str, ...]
    files: int
    unchecked: tuple[str, ...]
    """Packages that are missing."""


@dataclass(frozen=True)
class _Expected:
    """What the record says."""

    gpus: int
    gpus_per_node: int
    versions: Mapping[str, str]
    release: Release
    asked: str | None
    servers: frozenset[tuple[str, int, int | None]]
    """Engine, GPUs and admitted requests of each worker type's server."""

    def server_fault(self, found: Found) -> str | None:
        """What differs from every worker of the plan; None when it is one of them."""
        if found.gpus is None or (found.engine, found.gpus, found.sequences) in self.servers:
            return None
        known = ", ".join(f"{gpus} with {sequences}" for _, gpus, sequences in sorted(self.servers, key=str))
        has = f"{found.engine}: {found.gpus} GPUs with {found.sequences} requests"
        return f"{has}; the plan's workers have {known}"

    def dialect(self, found: Found) -> Dialect:
        """The version that a server's flags are held against."""
        if found.wrapped:
            return self.release.dialect(found.engine)
        version = self.asked or self.versions.get(found.engine) or "0"
        return dialect(found.engine, version)[0]


def check_folder(folder: Path) -> Report:
    """Check every file below ``folder``. Raises ``InputError`` when it holds no deployment."""
    import yaml

    if not (folder / RECORD).is_file():
        raise InputError(f"{folder}: holds no {RECORD}; expected a folder that aicfg deploy wrote")
    expected = _expected(yaml.safe_load((folder / RECORD).read_text(encoding="utf-8")))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    found: list[str] = []
    sums: dict[tuple[Path, str], int] = defaultdict(int)
    for path in files:
        for fault in _file_faults(path, expected, sums):
            found.append(f"{path.relative_to(folder)}: {fault}")
    for (where, what), gpus in sorted(sums.items()):
        if gpus != expected.gpus:
            text = f"{what} start {gpus} GPUs, the plan has {expected.gpus}"
            found.append(f"{where.relative_to(folder)}: {text}")
    return Report(tuple(found), len(files), missing_packages())


def _expected(record: Mapping[str, Any]) -> _Expected:
    workers = record["workers"].values()
    return _Expected(
        gpus=sum(each["workers"] * each["gpus_per_worker"] for each in workers),
        gpus_per_node=record["NodeConfig"]["num_gpus_per_node"],
        versions={each["backend"]: each["version"] for each in workers},
        release=release(record.get("generator_dynamo_version")),
        asked=record.get("generated_config_version"),
        servers=frozenset(_server(each) for each in workers),
    )


def _server(worker: Mapping[str, Any]) -> tuple[str, int, int | None]:
    together = worker["dp"] if worker["backend"] == "sglang" else 1
    return worker["backend"], worker["gpus_per_worker"], worker["max_batch_size"] * together


def _file_faults(path: Path, expected: _Expected, sums: dict[tuple[Path, str], int]) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sh":
        yield from _script_faults(path, text, expected, sums)
    elif path.suffix in (".yaml", ".yml"):
        yield from _yaml_faults(path, text, expected, sums)
    elif path.suffix == ".json":
        try:
            json.loads(text)
        except ValueError as error:
            yield f"not JSON: {error}"


def _script_faults(
    path: Path, text: str, expected: _Expected, sums: dict[tuple[Path, str], int]
) -> Iterator[str]:
    fault = bash_fault(text)
    if fault is not None:
        yield fault
    if _TOKEN.search(text):
        yield "a token is written out"
    gpus = sum(int(each) for each in _GPUS.findall(text))
    if gpus > expected.gpus_per_node:
        yield f"starts {gpus} GPUs on a node of {expected.gpus_per_node}"
    if _GPUS.search(text):
        sums[(path.parent, "scripts")] += gpus
    for found in shell_commands(text):
        yield from _server_faults(found, expected)


def _server_faults(found: Found, expected: _Expected) -> Iterator[str]:
    yield from faults(found, expected.dialect(found), expected.release)
    different = expected.server_fault(found)
    if different is not None:
        yield different


def _yaml_faults(
    path: Path, text: str, expected: _Expected, sums: dict[tuple[Path, str], int]
) -> Iterator[str]:
    import yaml

    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        yield f"not YAML: {str(error).splitlines()[0]}"
        return
    for document in documents:
        if not isinstance(document, dict):
            yield "not a mapping"
        elif "kind" in document:
            yield from manifest_faults(document, expected.release.data["crd"])
        elif "modelArtifacts" in document:
            yield from values_faults(document)
        elif "max_batch_size" in document:
            yield from _engine_faults(document, expected)
        else:
            yield from plain_faults(document, "")
    for pod in pods(documents):
        sums[(path, "pods")] += pod.gpus
        yield from _pod_faults(pod, expected)


def _engine_faults(document: Mapping[str, Any], expected: _Expected) -> Iterator[str]:
    """Keys of TensorRT-LLM's engine file."""
    file = dialect("trtllm", expected.versions.get("trtllm", "0"))[0].data["flags_file"]
    keys, free = engine_keys(file)
    for key, value in _leaves(document, ""):
        fault = key_fault(key, value, keys, free)
        if fault is not None:
            yield fault


def _leaves(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, each in value.items():
        if isinstance(each, dict):
            yield from _leaves(each, f"{before}{key}.")
        else:
            yield f"{before}{key}", each


def _pod_faults(pod: Pod, expected: _Expected) -> Iterator[str]:
    if pod.gpus_each > expected.gpus_per_node:
        yield f"{pod.name}: a pod asks for {pod.gpus_each} GPUs, a node has {expected.gpus_per_node}"
    found = list(shell_commands(pod.shell)) if pod.shell else [command(pod.words)]
    for each in found:
        if each is not None:
            yield from (f"{pod.name}: {fault}" for fault in _server_faults(each, expected))
            if pod.gpus_each == 0:
                yield f"{pod.name}: a server without a GPU limit"
