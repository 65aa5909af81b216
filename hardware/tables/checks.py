"""Checks of tables that did not come with aicfg: what is wrong with each, in one line."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aicfg.hardware.tables.archive import Archive
from aicfg.hardware.tables.families import families
from aicfg.hardware.tables.store import MANIFEST, Tables
from aicfg.model_specs.errors import nearest

DIFFERENCES = ("compute_scale", "dsv4_csa_topk_calib")
"""Families whose values are differences of measurements: nothing and less are possible."""
_FACTS = ("version", "newer", "unit", "axes", "sources", "keys", "rows", "ranges")


def table_faults(root: Path, system: str, backend: str) -> list[str]:
    """Faults of the tables of one engine (or ``common``) on one system in a folder of our format."""
    folder = root / system / backend
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = dict(manifest["families"])
        version = str(manifest["version"])
    except (OSError, ValueError, KeyError, TypeError) as reason:
        return [f"{folder / MANIFEST}: no manifest that `aicfg tables import` wrote ({reason!r})"]
    return [
        fault
        for name, facts in entries.items()
        for fault in _family_faults(folder, name, facts, (system, backend, version))
    ]


def _family_faults(folder: Path, name: str, facts: Any, place: tuple[str, str, str]) -> Iterator[str]:
    path, known = folder / f"{name}.npz", families()
    if name not in known:
        yield f"{folder / MANIFEST}: no family of tables is called {name!r}{nearest(name, known)}"
        return
    lacking = [fact for fact in _FACTS if fact not in facts]
    if lacking:
        yield f"{folder / MANIFEST}: family {name} lacks {', '.join(lacking)}"
        return
    try:
        head = Archive(path).head
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as reason:
        yield f"{path}: no archive of tables ({reason})"
        return
    for what in ("key", "axes", "values"):
        declared = list(getattr(known[name], what))
        if list(head[what]) != declared:
            yield f"{path}: {what} are {head[what]}; expected {declared}"
            return
    yield from _value_faults(path, name, facts, place)


def _value_faults(path: Path, name: str, facts: Any, place: tuple[str, str, str]) -> Iterator[str]:
    system, backend, version = place
    tables = Tables(system, backend, version, path.parents[2], {name: {**facts, "folder": backend}})
    for key in tables.keys(name):
        values = tables.grid(name, key).values
        wrong = np.isinf(values) | (values < (-np.inf if name in DIFFERENCES else np.nextafter(0.0, 1.0)))
        if wrong.any():
            at = np.argwhere(wrong)[0]
            axes = tables.grid(name, key).axes
            where = ", ".join(
                f"{axis}={coordinates[i]}"
                for axis, coordinates, i in zip(tables.axes(name), axes, at, strict=True)
            )
            count = int(wrong.sum())
            yield f"{path}: {count} times of {key} are not above 0, such as {values[tuple(at)]} at {where}"
