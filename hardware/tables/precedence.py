"""Which files of the source serve a table, and in what order: the first that holds a point wins.

The order is the one of aiconfigurator-core 0.12.0 (its source_resolution.rs): the requested version; donors
that its reuse.yaml declares; strictly earlier versions of the same engine, nearest first; rows of other
engines whose kernel the reuse manifest shares between both, newest first. It agrees with that package's own
report of its sources for every table, engine and system it ships.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aicfg.hardware.tables.source import read_yaml, version_key, versions

_MANIFEST = "perf_data_reuse_manifest.yaml"
_TIERS = ("shared", "shared_fallback")


@dataclass(frozen=True)
class Source:
    """One file that may serve a table; `kernels` are the kernel sources admitted (None: all rows)."""

    path: Path
    backend: str
    version: str
    requested: bool = False
    kernels: frozenset[str] | None = None


def sources_for(root: Path, system: str, backend: str, version: str, table: str) -> list[Source]:
    """The files that serve `table` for one engine version, the most trusted first (see the module's text)."""
    data = root / "data" / system
    primary = _find(data, backend, version, table)
    found = [Source(primary, backend, version, requested=True)] if primary else []
    for donor in _declared_donors(data, backend, version, table):
        path = _find(data, backend, donor, table)
        if path and donor not in {source.version for source in found}:
            found.append(Source(path, backend, donor))
    found += _earlier(data, backend, version, table, {source.version for source in found})
    return found + _other_backends(root, data, backend, table)


def newer_versions(root: Path, system: str, backend: str, version: str, table: str) -> list[str]:
    """Versions later than `version` that have `table` for this engine, nearest first."""
    data = root / "data" / system
    later = {v for v in versions(data, backend) if version_key(v) > version_key(version)}
    return [v for v in sorted(later, key=version_key) if _find(data, backend, v, table)]


def _find(data: Path, backend: str, version: str, table: str) -> Path | None:
    # The folder between system and engine names a group of tables; an older layout goes without it.
    grouped = sorted(data.glob(f"*/{backend}/{version}/{table}.parquet"))
    plain = data / backend / version / f"{table}.parquet"
    return next(iter([*grouped, *([plain] if plain.is_file() else [])]), None)


def _declared_donors(data: Path, backend: str, version: str, table: str) -> Iterator[str]:
    for path in sorted(data.glob(f"*/{backend}/{version}/reuse.yaml")):
        for entry in read_yaml(path)["reuse"]:
            if entry["table"] == table:
                yield entry["from_version"]


def _earlier(data: Path, backend: str, version: str, table: str, listed: Iterable[str]) -> Iterator[Source]:
    requested = version_key(version)
    earlier = {v for v in versions(data, backend) if version_key(v) < requested} - set(listed)
    for donor in sorted(earlier, key=version_key, reverse=True):
        path = _find(data, backend, donor, table)
        if path:
            yield Source(path, backend, donor)


def _other_backends(root: Path, data: Path, backend: str, table: str) -> list[Source]:
    admitted: dict[str, set[str]] = {}
    for group in read_yaml(root / _MANIFEST)["groups"] if (root / _MANIFEST).exists() else ():
        if (
            group["op_file"] == f"{table}.parquet"
            and group["tier"] in _TIERS
            and backend in group["frameworks"]
        ):
            for other in set(group["frameworks"]) - {backend}:
                admitted.setdefault(other, set()).add(group["kernel_source"])
    return [
        Source(path, other, version, kernels=frozenset(admitted[other]))
        for other in sorted(admitted)
        for version in sorted(versions(data, other), key=version_key, reverse=True)
        if (path := _find(data, other, version, table))
    ]
