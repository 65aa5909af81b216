"""Finds and reads the folder that tables are imported from: ``systems/`` of aiconfigurator-core."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from aicfg.model_specs.errors import InputError

BACKENDS = ("vllm", "sglang", "trtllm")
_MARKS = ("data", "query_versions.yaml")


def open_source(source: Path | None) -> Path:
    """The ``systems/`` folder to import from.

    Parameters
    ----------
    source : that folder, or one that holds it (an unpacked wheel); None looks for an installed
        aiconfigurator_core without importing it.

    Raises
    ------
    InputError
        If there is no such folder, or it lacks ``data/`` or ``query_versions.yaml``.
    """
    if source is None:
        spec = find_spec("aiconfigurator_core")
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                "no table source: name the systems/ folder of aiconfigurator-core, or install that package"
            )
        source = Path(next(iter(spec.submodule_search_locations)))
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; expected the systems/ folder of aiconfigurator-core")
    for root in (source, source / "systems", source / "aiconfigurator_core" / "systems"):
        if all((root / mark).exists() for mark in _MARKS) and any(root.glob("*.yaml")):
            return root
    raise InputError(
        f"{source}: not a table source; expected <system>.yaml files, query_versions.yaml and a data/ folder"
    )


def system_files(root: Path) -> list[Path]:
    """The system descriptions of a source: its YAML files that have a ``gpu`` section, by name."""
    return [
        path
        for path in sorted(root.glob("*.yaml"))
        if isinstance(document := read_yaml(path), dict) and "gpu" in document
    ]


def default_version(root: Path, system: str, backend: str) -> str:
    """The version a table query means when it names none ("current" of query_versions.yaml)."""
    slots = read_yaml(root / "query_versions.yaml")
    mine = slots.get("overrides", {}).get(system, {}).get(backend) or slots["defaults"].get(backend)
    if mine is None:
        raise InputError(f"{root / 'query_versions.yaml'}: no version for {backend} on {system}")
    return str(mine["current"])


def has_tables(root: Path, system: str, backend: str) -> bool:
    """Whether the source has any version of an engine's tables for a system."""
    data = root / "data" / system
    return any(data.glob(f"*/{backend}/*")) or any(data.glob(f"{backend}/*"))


@cache
def read_yaml(path: Path) -> Any:
    """One YAML document, by libyaml where it is there: the reuse manifest is long."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)
