"""Reads measured latency tables: only the arrays that are asked for, each once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from aicfg.hardware.tables.archive import Archive
from aicfg.model_specs.errors import AicfgError, nearest

Key = tuple[str | int, ...]
DATA = Path(__file__).resolve().parent / "data"
COMMON = "common"
"""In place of a serving engine: tables that belong to the system (NCCL)."""
MANIFEST = "manifest.json"


class MissingDataError(AicfgError):
    """No measured data for what was asked: the message names table, key and the nearest that exists."""


@dataclass(frozen=True)
class Grid:
    """Measured values on the product of their axes.

    Attributes
    ----------
    axes : one ascending int64 array per axis, in the order of the family's declaration.
    values : float64 array of the product shape, in the family's unit; NaN where nothing was measured.
    replaced : where an estimate stands in for an implausible measurement; None where none does.
    """

    axes: tuple[npt.NDArray[np.int64], ...]
    values: npt.NDArray[np.float64]
    replaced: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class TableSource:
    """Files that a family's rows came from: engine, version, how many rows, which kernels they timed."""

    backend: str
    version: str
    rows: int
    kernels: tuple[str, ...]


class Tables:
    """The tables of one serving engine on one system; made by `open_tables`.

    Attributes
    ----------
    system, backend, version : what the tables are for.
    root : folder they are read from.
    entries : what the manifests say of each family.
    """

    def __init__(
        self, system: str, backend: str, version: str, root: Path, families: Mapping[str, Any]
    ) -> None:
        self.system = system
        self.backend = backend
        self.version = version
        self.root = root
        self.entries = families
        self._open: dict[str, _Family] = {}
        self._grids: dict[tuple[str, Key, str, str], Grid] = {}

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families that have data here."""
        return tuple(self.entries)

    @property
    def opened(self) -> tuple[str, ...]:
        """Names of the families that were read so far."""
        return tuple(self._open)

    def keys(self, family: str) -> tuple[Key, ...]:
        """Every key of a family, ascending; none if there is no such table."""
        return tuple(self._family(family).groups) if family in self.entries else ()

    def axes(self, family: str) -> tuple[str, ...]:
        """Names of a family's axes."""
        return tuple(self._family(family).archive.head["axes"])

    def lanes(self, family: str, key: Key) -> tuple[str, ...]:
        """Kernels that a key was measured under (attention families), the one that `grid` prefers first."""
        return tuple(lane for lane in self._lanes_of(family, tuple(key)) if lane)

    def sources(self, family: str) -> tuple[TableSource, ...]:
        """Where a family's rows came from, the most trusted first."""
        sources = self._family(family).archive.head["sources"]
        return tuple(TableSource(s["backend"], s["version"], s["rows"], tuple(s["kernels"])) for s in sources)

    def is_newer(self, family: str) -> bool:
        """Whether the family exists only at a version later than `version`; the peer counts it as missing."""
        return bool(self._family(family).archive.head["newer"])

    def grid(self, family: str, key: Key, lane: str = "", value: str = "") -> Grid:
        """The measured grid of one key.

        Parameters
        ----------
        family : name of families.yaml, for example ``"gemm"``.
        key : values of the family's key columns, in their order, for example ``("bfloat16",)``.
        lane : a kernel among `lanes`; the preferred one if empty.
        value : a column among the family's values; the first (mostly latency) if empty.

        Raises
        ------
        MissingDataError
            If there is no such table, key, lane or value.
        """
        wanted = (family, tuple(key), lane, value)
        if wanted not in self._grids:
            self._grids[wanted] = self._read(*wanted)
        return self._grids[wanted]

    def _read(self, family: str, key: Key, lane: str, value: str) -> Grid:
        lanes = self._lanes_of(family, key)
        opened = self._family(family)
        if lane and lane not in lanes:
            raise MissingDataError(f"{self._what(family)}: {key} has no lane {lane!r}{nearest(lane, lanes)}")
        names = opened.archive.head["values"]
        if value and value not in names:
            raise MissingDataError(f"{self._what(family)}: no value {value!r}{nearest(value, names)}")
        grid, block, start = lanes[lane or next(iter(lanes))]
        axes, mask = opened.archive.axes_and_points(grid)
        count = int(mask.sum())
        dense = np.full(mask.shape, np.nan)
        offset = start + (names.index(value) if value else 0) * count
        dense[mask] = opened.archive.values(block, offset, count)
        for array in (*axes, dense):
            array.flags.writeable = False
        return Grid(axes, dense)

    def _lanes_of(self, family: str, key: Key) -> "Mapping[str, _Place]":
        groups = self._family(family).groups
        if key in groups:
            return groups[key]
        near = min(groups, key=lambda other: _distance(key, other))
        names = ", ".join(self._family(family).archive.head["key"])
        raise MissingDataError(f"{self._what(family)}: no rows for ({names}) = {key}; nearest is {near}")

    def _family(self, family: str) -> "_Family":
        if family not in self.entries:
            raise MissingDataError(f"{self._what(family)}: no such table{nearest(family, self.entries)}")
        if family not in self._open:
            place = self.root / self.system / self.entries[family]["folder"]
            self._open[family] = _Family(Archive(place / f"{family}.npz"))
        return self._open[family]

    def _what(self, family: str) -> str:
        engine = f"{self.backend} {self.version}".rstrip()
        return f"table {family} of {engine} on {self.system}"


_Place = tuple[int, int, int]


class _Family:
    """An open archive and its groups: key → lane ("" where the family has none) → (grid, block, start)."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    @cached_property
    def groups(self) -> Mapping[Key, Mapping[str, _Place]]:
        has_lanes = self.archive.head["lanes"]
        groups: dict[Key, dict[str, _Place]] = {}
        for label, grid, block, start in self.archive.head["groups"]:
            key, lane = (label[:-1], label[-1]) if has_lanes else (label, "")
            groups.setdefault(tuple(key), {})[lane] = (grid, block, start)
        return groups


def open_tables(system: str, backend: str, version: str | None = None, root: Path | None = None) -> Tables:
    """The tables of a serving engine on a system.

    Parameters
    ----------
    system : canonical name, as in ``hardware/systems``.
    version : must be the one that was imported; None takes it.
    root : a folder that `import_tables` wrote; None means the tables that come with aicfg.

    Raises
    ------
    MissingDataError
        If there are no tables for that system, engine or version.
    """
    root = DATA if root is None else root
    systems = _with_manifest(root, "*")
    if system not in systems:
        raise MissingDataError(f"no tables for system {system!r} in {root}{nearest(system, systems)}")
    backends = sorted(
        path.parent.name for path in root.glob(f"{system}/*/{MANIFEST}") if path.parent.name != COMMON
    )
    if backend not in backends:
        raise MissingDataError(f"no tables for {backend!r} on {system}; there are: {', '.join(backends)}")
    own = read_manifest(root, system, backend)
    if version is not None and version != own["version"]:
        raise MissingDataError(f"no tables for {backend} {version} on {system}; there is {own['version']}")
    common = read_manifest(root, system, COMMON)
    families = {name: {**facts, "folder": COMMON} for name, facts in common.get("families", {}).items()}
    families |= {name: {**facts, "folder": backend} for name, facts in own["families"].items()}
    return Tables(system, backend, own["version"], root, MappingProxyType(families))


def sibling_engines(tables: Tables) -> tuple[str, ...]:
    """The other engines that the same folder has tables of, for the same system."""
    found = {path.parent.name for path in tables.root.glob(f"{tables.system}/*/{MANIFEST}")}
    return tuple(sorted(found - {COMMON, tables.backend}))


def no_tables(system: str, backend: str) -> Tables:
    """Tables that hold nothing: enough for the speed of light."""
    return Tables(system, backend, "", DATA, MappingProxyType({}))


def read_manifest(root: Path, system: str, backend: str) -> dict[str, Any]:
    """What is there for one engine on one system; empty if nothing."""
    path = root / system / backend / MANIFEST
    if not path.is_file():
        return {}
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def _with_manifest(root: Path, system: str) -> list[str]:
    return sorted({path.parent.parent.name for path in root.glob(f"{system}/*/{MANIFEST}")})


def _distance(asked: Key, other: Key) -> tuple[int, float]:
    """Fewest differing parts first, then the nearest numbers."""
    pairs = list(zip(asked, other, strict=False))
    differing = sum(a != b for a, b in pairs) + abs(len(asked) - len(other))
    gaps = [abs(a - b) / (1 + abs(a) + abs(b)) for a, b in pairs if isinstance(a, int) and isinstance(b, int)]
    return differing, sum(gaps)
