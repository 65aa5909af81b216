"""Imports tables: from parquet files of aiconfigurator-core to the compact arrays that the store reads."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aicfg.hardware.tables.archive import Entry, write_archive
from aicfg.hardware.tables.families import Family, families
from aicfg.hardware.tables.lanes import lane_order
from aicfg.hardware.tables.precedence import Source, newer_versions, sources_for
from aicfg.hardware.tables.repairs import described_systems, write_repairs
from aicfg.hardware.tables.rows import Group, Merged, first_seen, merge_sources
from aicfg.hardware.tables.source import (
    BACKENDS,
    default_version,
    has_tables,
    open_source,
    read_yaml,
    system_files,
)
from aicfg.hardware.tables.store import COMMON, MANIFEST
from aicfg.hardware.tables.systems_import import import_systems
from aicfg.model_specs.errors import InputError, nearest

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """One family of one engine on one system, and the files it comes from."""

    system: str
    backend: str
    version: str
    family: Family
    sources: tuple[Source, ...]
    newer: bool


def import_tables(
    source: Path | None,
    out: Path,
    systems: Collection[str] | None = None,
    backends: Collection[str] | None = None,
    progress: Progress | None = None,
    systems_out: Path | None = None,
) -> Path:
    """Write the tables of a source as arrays, and its system descriptions.

    Parameters
    ----------
    source : the ``systems/`` folder of aiconfigurator-core or one that holds it; None: an installed package.
    out : folder to write: ``<system>/<backend>/<family>.npz`` with a manifest each. Written beside it first,
        then put in its place; what was there is replaced. Estimates for implausible rows are among it.
    systems, backends : only these; None means all that the source has.
    progress : called as ``progress(what, done, total)`` before each family and at the end.
    systems_out : folder for the system descriptions; None means ``systems`` in `out`.

    Returns
    -------
    `out`.

    Raises
    ------
    InputError
        If `out` holds anything but tables, pyarrow is absent, the source is none, or a name in `systems` or
        `backends` is unknown.
    """
    _refuse_foreign(out)
    _need_pyarrow()
    root = open_source(source)
    jobs = list(_jobs(root, _chosen(systems, root), _known(backends)))
    if not jobs:
        raise InputError(f"{root}: no tables for the systems and engines asked for")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        built = Path(folder) / "data"
        _import_families(root, built, jobs, progress or _silent)
        import_systems(root, systems_out or built / "systems")
        write_repairs(built, described_systems(systems_out or built / "systems"), progress)
        _put_in_place(built, out)
    return out


def _silent(what: str, done: int, total: int) -> None:
    """No progress is asked for."""


def _refuse_foreign(out: Path) -> None:
    """Never replace a folder that is not one of tables."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: is not a folder")
    for path in sorted(out.iterdir()) if out.exists() else ():
        if path.name != "systems" and not any(path.glob(f"*/{MANIFEST}")):
            replaced = "it would be replaced; give a new folder or one that an import wrote"
            raise InputError(f"{out}: holds {path.name!r}, which is no table: {replaced}")


def _need_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError("importing tables needs pyarrow: pip install 'aicfg-solver[import]'") from None


def _chosen(systems: Collection[str] | None, root: Path) -> list[str]:
    known = [path.stem for path in system_files(root)]
    for name in systems or ():
        if name not in known:
            raise InputError(f"no system {name!r} in {root}{nearest(name, known)}")
    return [name for name in known if systems is None or name in systems]


def _known(backends: Collection[str] | None) -> list[str]:
    for name in backends or ():
        if name not in BACKENDS:
            raise InputError(f"no serving engine {name!r}; accepted: {', '.join(BACKENDS)}")
    return [name for name in BACKENDS if backends is None or name in backends]


def _jobs(root: Path, systems: list[str], backends: list[str]) -> Iterator[Job]:
    for system in systems:
        for backend in backends:
            if has_tables(root, system, backend):
                version = default_version(root, system, backend)
                yield from _engine_jobs(root, system, backend, version)
        for family in families().values():
            if family.shared:
                yield from _system_job(root, system, family)


def _engine_jobs(root: Path, system: str, backend: str, version: str) -> Iterator[Job]:
    for family in families().values():
        if family.shared:
            continue
        sources = sources_for(root, system, backend, version, family.table)
        # A table that only a later version has is kept too, marked: at the default version it is missing.
        later = [] if sources else newer_versions(root, system, backend, version, family.table)[:1]
        for newer in later:
            sources = sources_for(root, system, backend, newer, family.table)
        if sources:
            yield Job(system, backend, version, family, tuple(sources), bool(later))


def _system_job(root: Path, system: str, family: Family) -> Iterator[Job]:
    version = str(read_yaml(root / f"{system}.yaml")["misc"].get(f"{family.shared}_version", ""))
    path = root / "data" / system / "comm" / family.shared / version / f"{family.table}.parquet"
    if path.is_file():
        yield Job(
            system, COMMON, version, family, (Source(path, family.shared, version, requested=True),), False
        )


def _import_families(root: Path, built: Path, jobs: list[Job], progress: Progress) -> None:
    manifests: dict[Path, dict[str, Any]] = {}
    for done, job in enumerate(jobs):
        progress(f"{job.system} {job.backend} {job.family.name}", done, len(jobs))
        _import_family(root, built, job, manifests)
    for place, manifest in manifests.items():
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        (place / MANIFEST).write_text(text, encoding="utf-8")
    progress("done", len(jobs), len(jobs))


def _import_family(root: Path, built: Path, job: Job, manifests: dict[Path, dict[str, Any]]) -> None:
    merged = merge_sources(job.family, job.sources, job.system)
    if not merged.groups:
        return
    groups = _ordered(root, job, merged)
    place = built / job.system / job.backend
    path = place / f"{job.family.name}.npz"
    head = _head(job, merged)
    entries = [
        Entry([*g.key, *([g.lane] if job.family.lane else [])], g.axes, g.points, g.values) for g in groups
    ]
    write_archive(path, head, entries)
    manifest = manifests.setdefault(place, {"version": job.version, "families": {}})
    manifest["families"][job.family.name] = {
        **{name: head[name] for name in ("version", "newer", "unit", "axes", "sources")},
        "keys": len({g.key for g in groups}),
        "rows": sum(len(g.points) for g in groups),
        "ranges": _ranges(groups),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _ordered(root: Path, job: Job, merged: Merged) -> list[Group]:
    """The groups by key; of one key the preferred lane first."""
    if not job.family.lane:
        return list(merged.groups)
    seen = first_seen(job.family, job.sources, job.system)
    order = lane_order(root, job.system, job.backend, job.version, merged.groups, seen)
    # Python's sort is stable: groups come sorted by key already.
    by_lane = sorted(merged.groups, key=lambda group: order.index(group.lane))
    position = {key: i for i, key in enumerate(dict.fromkeys(group.key for group in merged.groups))}
    return sorted(by_lane, key=lambda group: position[group.key])


def _head(job: Job, merged: Merged) -> dict[str, Any]:
    contributions = zip(job.sources, merged.rows_by_source, merged.kernels_by_source, strict=True)
    return {
        "system": job.system,
        "backend": job.backend,
        "family": job.family.name,
        "table": job.family.table,
        "version": job.sources[0].version if job.newer else job.version,
        "newer": job.newer,
        "key": job.family.key,
        "axes": job.family.axes,
        "values": job.family.values,
        "unit": job.family.unit,
        "lanes": bool(job.family.lane),
        "sources": [
            {"backend": source.backend, "version": source.version, "rows": rows, "kernels": kernels}
            for source, rows, kernels in contributions
            if rows
        ],
    }


def _ranges(groups: list[Group]) -> list[list[int]]:
    columns = zip(*(group.axes for group in groups), strict=True)
    return [[min(axis[0] for axis in axes), max(axis[-1] for axis in axes)] for axes in columns]


def _put_in_place(built: Path, out: Path) -> None:
    old = built.parent / "old"
    if out.exists():
        out.rename(old)
    built.rename(out)
    shutil.rmtree(old, ignore_errors=True)
