"""Finds and reads the folder that tables are imported from: ``systems/`` of aiconfigurator-core."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from aicfg.model_specs.errors import InputError

BACKENDS = ("vllm", "sglang", "trtllm")
_VERSIONS = "query_versions.yaml"
_VERSION = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)(?:(?P<pre>a|b|rc)(?P<pre_n>\d+))?(?:\.post(?P<post>\d+))?(?:\.dev(?P<dev>\d+))?"
)


def open_source(source: Path | None) -> Path:
    """The ``systems/`` folder to import from.

    Parameters
    ----------
    source : that folder, or one that holds it (an unpacked wheel); None looks for an installed
        aiconfigurator_core without importing it.

    Raises
    ------
    InputError
        If there is no such folder, or it lacks ``data/`` or a system description.
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
        if (root / "data").exists() and any(root.glob("*.yaml")):
            return root
    raise InputError(f"{source}: not a table source; expected <system>.yaml files and a data/ folder")


def system_files(root: Path) -> list[Path]:
    """The system descriptions of a source: its YAML files that have a ``gpu`` section, by name."""
    return [
        path
        for path in sorted(root.glob("*.yaml"))
        if isinstance(document := read_yaml(path), dict) and "gpu" in document
    ]


def default_version(root: Path, system: str, backend: str) -> str:
    """The version a table query means when it names none.

    "current" of query_versions.yaml; in a source without that file, the latest that there is.
    """
    if not (root / _VERSIONS).exists():
        return max(versions(root / "data" / system, backend), key=version_key)
    slots = read_yaml(root / _VERSIONS)
    mine = slots.get("overrides", {}).get(system, {}).get(backend) or slots["defaults"].get(backend)
    if mine is None:
        raise InputError(f"{root / _VERSIONS}: no version for {backend} on {system}")
    return str(mine["current"])


def versions(data: Path, backend: str) -> set[str]:
    """The versions of an engine that a system's folder ``data/<system>`` has tables of."""
    return {
        path.name for pattern in ("*/", "") for path in data.glob(f"{pattern}{backend}/*") if path.is_dir()
    }


def version_key(version: str) -> tuple[tuple[int, ...], tuple[str, int], int, float]:
    """Sort key of a version in PEP 440's order: dev < a < b < rc < final < post; what is none comes first."""
    match = _VERSION.match(version)
    if match is None:
        return (), ("", 0), 0, 0.0
    release = [int(part) for part in match["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    dev = float(match["dev"]) if match["dev"] else float("inf")
    if match["pre"]:
        pre = (match["pre"], int(match["pre_n"]))
    else:
        pre = ("", 0) if match["dev"] and not match["post"] else ("~", 0)
    return tuple(release), pre, int(match["post"] or -1), dev


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
