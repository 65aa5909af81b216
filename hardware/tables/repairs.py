"""Finds the implausible rows of a folder's tables, once, and writes what stands in for them."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aicfg.hardware.descriptions import load_description
from aicfg.hardware.system import System, load_system, system_names
from aicfg.hardware.tables.archive import Entry, write_archive
from aicfg.hardware.tables.doctor import Examined, Progress, Shelf, examine, places_of
from aicfg.hardware.tables.mended import FOLDER, repairs_path


@dataclass(frozen=True)
class Count:
    """Rows of one table, and how many of them were replaced."""

    rows: int
    replaced: int


Table = tuple[str, str, str]
"""System, engine, family."""


def write_repairs(
    root: Path, systems: Iterable[System], progress: Progress | None = None
) -> dict[Table, Count]:
    """Examines a folder's tables and writes what stands in for their implausible rows.

    Parameters
    ----------
    root : a folder that `import_tables` wrote; the shipped tables are witnesses too.
    systems : descriptions of its systems and of their neighbours.
    progress : as of `examine`.
    """
    counts: dict[Table, Count] = {}
    entries: dict[Table, list[Entry]] = {}
    for found in examine(Shelf(dict.fromkeys(places_of(root), root)), systems, progress=progress):
        table = (found.system, found.backend, found.family)
        rows, replaced = int((~np.isnan(found.grid.values)).sum()), int((found.rule > 0).sum())
        before = counts.get(table, Count(0, 0))
        counts[table] = Count(before.rows + rows, before.replaced + replaced)
        if replaced:
            entries.setdefault(table, []).append(_entry(found))
    for old in root.glob(f"*/*/{FOLDER}"):
        shutil.rmtree(old)
    for (system, backend, family), own in sorted(entries.items()):
        head = {"system": system, "backend": backend, "family": family, "values": ["estimate", "rule"]}
        write_archive(repairs_path(root, system, backend, family), head, own)
    return counts


def described_systems(folder: Path) -> list[System]:
    """The systems that a folder's files describe, and the shipped ones that go by other names."""
    own = {path.stem: load_description(path) for path in sorted(folder.glob("*.yaml"))}
    return [*own.values(), *(load_system(name) for name in system_names() if name not in own)]


def _entry(found: Examined) -> Entry:
    points = np.flatnonzero(found.rule)
    values = np.array([found.estimate.ravel()[points], found.rule.ravel()[points]])
    axes = tuple(tuple(axis.tolist()) for axis in found.grid.axes)
    return Entry([*found.key, found.lane], axes, points, values)
