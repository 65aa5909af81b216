"""Tables with estimates in place of implausible rows, as ``repairs`` found them.

``<system>/<engine>/repairs/<family>.npz`` has the format of the tables themselves: of each key (with its
kernel) only the points replaced, with the estimate and the rule that accuses the measured time.
"""

from dataclasses import replace
from pathlib import Path

from aicfg.hardware.tables.archive import Archive
from aicfg.hardware.tables.layers import LayeredTables
from aicfg.hardware.tables.store import Grid, Key, Tables

FOLDER = "repairs"


def repairs_path(root: Path, system: str, folder: str, family: str) -> Path:
    """Where the repairs of one table are, if it has any; ``folder`` is the engine's."""
    return root / system / folder / FOLDER / f"{family}.npz"


def mended(tables: Tables) -> Tables:
    """The same tables, mended."""
    if isinstance(tables, LayeredTables):
        return LayeredTables(tuple(mended(layer) for layer in tables.layers))
    return MendedTables(tables)


class MendedTables(Tables):
    """Tables with estimates where a measured time is implausible; ``Grid.replaced`` says where."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.system, tables.backend, tables.version, tables.root, tables.entries)
        self._measured = tables
        self._repairs: dict[str, _Repairs | None] = {}

    @property
    def opened(self) -> tuple[str, ...]:
        """Names of the families that were read so far."""
        return self._measured.opened

    def keys(self, family: str) -> tuple[Key, ...]:
        """Every key of a family, ascending; none if there is no such table."""
        return self._measured.keys(family)

    def lanes(self, family: str, key: Key) -> tuple[str, ...]:
        """Kernels that a key was measured under, the one that `grid` prefers first."""
        return self._measured.lanes(family, key)

    def _read(self, family: str, key: Key, lane: str, value: str) -> Grid:
        grid = self._measured.grid(family, key, lane, value)
        repairs = self._of(family)
        if repairs is None or value:
            return grid
        return repairs.mend(grid, key, lane or next(iter(self.lanes(family, key)), ""))

    def _of(self, family: str) -> "_Repairs | None":
        if family not in self._repairs:
            path = repairs_path(self.root, self.system, self.entries[family]["folder"], family)
            self._repairs[family] = _Repairs(path) if path.is_file() else None
        return self._repairs[family]


class _Repairs:
    """One table's estimates."""

    def __init__(self, path: Path) -> None:
        self._archive = Archive(path)
        groups = self._archive.head["groups"]
        self._places = {tuple(label): (grid, block, start) for label, grid, block, start in groups}

    def mend(self, grid: Grid, key: Key, lane: str) -> Grid:
        """``grid`` with the estimates of its key and kernel, if there are any."""
        if (*key, lane) not in self._places:
            return grid
        number, block, start = self._places[*key, lane]
        _, points = self._archive.axes_and_points(number)
        values = grid.values.copy()
        values[points] = self._archive.values(block, start, int(points.sum()))
        values.flags.writeable = points.flags.writeable = False
        return replace(grid, values=values, replaced=points)
