"""Examines tables row by row: every key of every system and engine against its witnesses.

The rules are those of ``plausible``; what is found is written by ``repairs`` and printed by
``aicfg tables doctor``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.system import System
from aicfg.hardware.tables.checks import DIFFERENCES
from aicfg.hardware.tables.families import families
from aicfg.hardware.tables.plausible import MARGINS, CodeArray, FloatArray, Margins, judge
from aicfg.hardware.tables.store import COMMON, DATA, MANIFEST, Grid, Key, Tables, open_tables

WHOLE_TIMES = ("latency", "avg_ms")
NOT_EXAMINED = (*DIFFERENCES, "custom_allreduce_eager")
"""Differences of measurements, and what is meant to run without CUDA graphs."""
FALLING_AXES = ("moe_tp_size", "moe_ep_size", "num_gpus")
"""Degrees: more of them take less time."""
WIDEST = "bfloat16"
FORMAT_COLUMNS = ("dtype", "gemm_type")
"""Ends of the names of key columns that hold a number format."""
UNITS_PER_MS = {"ms": 1.0, "us": 1000.0}
MOST_BANDWIDTH_RATIO = 2.0
"""GPUs of one generation whose memory is farther apart say little of each other."""

Axes = tuple[NDArray[np.int64], ...]
Place = tuple[str, str]
"""A system and an engine."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Examined:
    """One key of one engine's table: every time, which rule accuses it, and its estimate."""

    system: str
    backend: str
    family: str
    key: Key
    lane: str
    grid: Grid
    rule: CodeArray
    """Of the grid's shape; 0 where the time is plausible."""
    estimate: FloatArray
    """NaN where the time is plausible."""


class Shelf:
    """Tables to examine, and the shipped ones as witnesses of what they lack."""

    def __init__(self, own: Mapping[Place, Path]) -> None:
        """``own``: the folder of each system's and engine's tables to examine."""
        self.own = dict(own)
        self._open: dict[Place, Tables | None] = {}

    def engines(self, systems: Iterable[str]) -> tuple[str, ...]:
        """Engines that any of the systems has tables of."""
        wanted = set(systems)
        return tuple(sorted({engine for system, engine in {*self.own, *places_of(DATA)} if system in wanted}))

    def tables(self, place: Place) -> Tables | None:
        """The tables of one engine on one system."""
        if place not in self._open:
            shipped = DATA if (DATA / "/".join(place) / MANIFEST).is_file() else None
            root = self.own.get(place, shipped)
            self._open[place] = open_tables(*place, root=root) if root else None
        return self._open[place]

    def grid(self, place: Place, family: str, key: Key) -> Grid | None:
        """The preferred grid of a key; None if there is none."""
        tables = self.tables(place)
        if tables is None or family not in tables.families or key not in tables.keys(family):
            return None
        return tables.grid(family, key)


def places_of(root: Path) -> tuple[Place, ...]:
    """The systems and engines that a folder in our format has tables of."""
    places = sorted((path.parent.parent.name, path.parent.name) for path in root.glob(f"*/*/{MANIFEST}"))
    return tuple(place for place in places if place[1] != COMMON)


def generations(systems: Iterable[System]) -> list[list[System]]:
    """Systems grouped with their neighbours: the same compute capability but for its last digit."""
    groups: list[list[System]] = []
    for system in sorted(systems, key=lambda each: (-each.memory_bandwidth_bytes_per_s, each.name)):
        for group in groups:
            fastest = group[0]
            ratio = fastest.memory_bandwidth_bytes_per_s / system.memory_bandwidth_bytes_per_s
            if system.sm // 10 == fastest.sm // 10 and ratio <= MOST_BANDWIDTH_RATIO:
                group.append(system)
                break
        else:
            groups.append([system])
    return groups


def examine(
    shelf: Shelf,
    systems: Iterable[System],
    wanted: Callable[[str, str, str], bool] = lambda system, backend, family: True,
    progress: Progress | None = None,
    margins: Margins = MARGINS,
) -> Iterator[Examined]:
    """Every key of the shelf's own tables, accused or not.

    Parameters
    ----------
    systems : descriptions of the tables' systems and of their neighbours.
    wanted : which (system, engine, family) to examine.
    progress : called as ``progress(what, done, total)`` before each family of a generation and at the end.
    """
    progress = progress or (lambda what, done, total: None)
    jobs = []
    for group in generations(systems):
        engines = shelf.engines(system.name for system in group)
        places = [(s.name, e) for s in group for e in engines if (s.name, e) in shelf.own]
        for name in families():
            asked = {(s, e) for s, e in places if _examined(name) and wanted(s, e, name)}
            if asked:
                jobs.append((group, engines, name, asked))
    for done, (group, engines, name, asked) in enumerate(jobs):
        progress(f"examining {group[0].name} {name}", done, len(jobs))
        yield from _Bench(shelf, group, engines, name, margins).examine(asked)
    progress("done", len(jobs), len(jobs))


def _examined(family: str) -> bool:
    """Whether the rules apply: the first value is the call's whole time, measured as it is served."""
    return family not in NOT_EXAMINED and families()[family].values[0] in WHOLE_TIMES


@dataclass(frozen=True)
class _Bench:
    """One family of the systems of a generation, all engines side by side."""

    shelf: Shelf
    group: list[System]
    engines: tuple[str, ...]
    family: str
    margins: Margins

    def examine(self, asked: set[Place]) -> Iterator[Examined]:
        """The keys of the systems and engines asked for."""
        keys: set[Key] = set()
        for place in asked:
            tables = self.shelf.tables(place)
            if (
                tables is not None and not families()[self.family].shared
            ):  # what is the system's has no witness
                keys.update(tables.keys(self.family))
        for key in sorted(keys, key=str):
            yield from self._examine_key(key, asked)

    def _examine_key(self, key: Key, asked: set[Place]) -> Iterator[Examined]:
        grids = self._grids(key)
        axes = _union(list(grids.values()))
        speed = np.array([(s.memory_bandwidth_bytes_per_s, s.flops.get(WIDEST, 1.0)) for s in self.group])
        stack, wider = self._stack(grids, axes), self._wider(key, axes)
        verdict = judge(stack, speed, wider, self._size_axes(), self._margins())
        for place in sorted(asked & grids.keys()):
            grid, tables = grids[place], self.shelf.tables(place)
            assert tables is not None
            lane = next(iter(tables.lanes(self.family, key)), "")
            at, inside = self._position(place), _within(axes, grid.axes)
            found, estimate = verdict.rule[at][inside], verdict.estimate[at][inside]
            yield Examined(*place, self.family, key, lane, grid, found, estimate)

    def _position(self, place: Place) -> tuple[int, int]:
        return [each.name for each in self.group].index(place[0]), self.engines.index(place[1])

    def _grids(self, key: Key) -> dict[Place, Grid]:
        places = [(system.name, backend) for system in self.group for backend in self.engines]
        found = {place: self.shelf.grid(place, self.family, key) for place in places}
        return {place: grid for place, grid in found.items() if grid is not None}

    def _stack(self, grids: dict[Place, Grid], axes: Axes) -> FloatArray:
        """(systems, engines, *axes), NaN where not measured; what lies outside ``axes`` is left out."""
        stack = np.full((len(self.group), len(self.engines), *map(len, axes)), np.nan)
        for place, grid in grids.items():
            shared = [np.isin(own, every) for own, every in zip(grid.axes, axes, strict=True)]
            inside = tuple(own[there] for own, there in zip(grid.axes, shared, strict=True))
            stack[self._position(place)][_within(axes, inside)] = grid.values[np.ix_(*shared)]
        return stack

    def _wider(self, key: Key, axes: Axes) -> FloatArray | None:
        """The same calls in bfloat16."""
        columns = zip(families()[self.family].key, key, strict=True)
        wide = tuple(WIDEST if name.endswith(FORMAT_COLUMNS) else part for name, part in columns)
        grids = {} if wide == key else self._grids(wide)
        return self._stack(grids, axes) if grids else None

    def _size_axes(self) -> tuple[int, ...]:
        names = families()[self.family].axes
        return tuple(i for i, name in enumerate(names) if name not in FALLING_AXES)

    def _margins(self) -> Margins:
        """The margins, with a launch in the family's unit."""
        per_ms = UNITS_PER_MS[families()[self.family].unit]
        return replace(self.margins, launch_ms=self.margins.launch_ms * per_ms)


def _union(grids: Sequence[Grid]) -> Axes:
    """Axes that hold every coordinate of the grids."""
    return tuple(np.unique(np.concatenate(axes)) for axes in zip(*(grid.axes for grid in grids), strict=True))


def _within(axes: Axes, inside: Axes) -> tuple[NDArray[np.intp], ...]:
    """Index of the product of some coordinates among ``axes``."""
    return np.ix_(*[np.searchsorted(every, own) for every, own in zip(axes, inside, strict=True)])
