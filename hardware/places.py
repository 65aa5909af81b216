"""Where systems and tables come from: a search list of folders, the shipped ones among them.

A folder of the user's own holds either what ``aicfg tables import`` writes (``systems/<name>.yaml`` or
``<name>.yaml``, and ``<system>/<engine>/*.npz`` with a manifest each) or the source's format
(``<name>.yaml`` with a ``gpu`` section and ``data/<system>/…/<engine>/<version>/*.parquet``), which is
converted into a cache on the way, once for each content. The first folder that describes a system wins; of
tables, for each key the first folder that has it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aicfg.hardware.system import System, load_system, system_names
from aicfg.hardware.tables.layers import LayeredTables
from aicfg.hardware.tables.store import MissingDataError, Tables, no_tables, open_tables
from aicfg.model_specs.errors import InputError, nearest

if TYPE_CHECKING:
    from aicfg.hardware.folders import Folder

SHIPPED = "default"
"""Stands for the shipped systems and tables in a search list."""


class Places:
    """Systems and tables over a search list.

    Parameters
    ----------
    paths : folders, and ``default`` for what comes with aicfg; the first is the most trusted.
    cache : where converted tables are kept; None: the platform's cache folder.

    Raises
    ------
    InputError
        If an entry is no folder with system descriptions or tables.
    """

    def __init__(self, paths: Sequence[str | Path] = (SHIPPED,), cache: Path | None = None) -> None:
        if not paths:
            raise InputError(
                f"systems_paths: no folder; expected folders, and {SHIPPED!r} for the shipped ones"
            )
        self._folders: list[Folder | None] = [
            None if str(path) == SHIPPED else _open(Path(path), cache) for path in paths
        ]

    def system_names(self) -> tuple[str, ...]:
        """Every system that some folder describes, without aliases."""
        own = [
            name
            for folder in self._folders
            for name in (system_names() if folder is None else folder.systems)
        ]
        return tuple(sorted(set(own)))

    def load_system(self, name: str) -> System:
        """The description of ``name`` (or of the system it is an alias of), and the engines that have tables.

        Raises
        ------
        InputError
            If no folder describes it, or the one that does has faults: one line each.
        """
        for folder in self._folders:
            try:
                found = load_system(name) if folder is None else folder.describe(name)
            except InputError:
                if folder is None:
                    continue
                raise
            if found is not None:
                return self._with_engines(found)
        names = self.system_names()
        raise InputError(f"unknown GPU system {name!r}{nearest(name, names)} (known: {', '.join(names)})")

    def open_tables(
        self, system: str, backend: str, version: str | None = None, required: bool = True
    ) -> Tables:
        """The tables of an engine on a system, from every folder that has some.

        Parameters
        ----------
        system : canonical name.
        version : must be the one that is there; None takes it.
        required : if not, tables that hold nothing stand in for none at all (the speed of light needs none).

        Raises
        ------
        MissingDataError
            If there are none.
        InputError
            If tables of the user's have faults: one line each.
        """
        layers: list[Tables] = []
        reasons: list[MissingDataError] = []
        for folder in self._folders:
            try:
                if folder is None:
                    layers.append(open_tables(system, backend, version))
                elif root := folder.root(system, backend):
                    layers.append(open_tables(system, backend, version, root))
            except MissingDataError as reason:
                reasons.append(reason)
        if len(layers) == 1:
            return layers[0]
        if layers:
            return LayeredTables(tuple(layers))
        if not required:
            return no_tables(system, backend)
        raise self._no_tables(system, backend, reasons)

    def _no_tables(self, system: str, backend: str, reasons: list[MissingDataError]) -> MissingDataError:
        """What to say where no folder answers."""
        engines = self._versions(system)
        if reasons and (backend in engines or self._folders == [None]):
            return reasons[0]
        others = (
            f"; there are: {', '.join(sorted(engines))}" if engines else " in any folder of systems_paths"
        )
        return MissingDataError(f"no tables for {backend!r} on {system}{others}")

    def _with_engines(self, system: System) -> System:
        """The system with the version of every engine that some folder has tables of, the first folder's."""
        if self._folders == [None]:
            return system
        return replace(system, default_versions=self._versions(system.name))

    def _versions(self, system: str) -> dict[str, str]:
        """The version of each engine that some folder has tables of for a system, the first folder's."""
        found: dict[str, str] = {}
        for folder in reversed(self._folders):
            found |= _shipped_versions(system) if folder is None else folder.versions(system)
        return found


def _open(path: Path, cache: Path | None) -> "Folder":
    from aicfg.hardware.folders import open_folder  # the import of tables is slow to load, and rarely wanted

    return open_folder(path, cache)


def _shipped_versions(system: str) -> dict[str, str]:
    return load_system(system).default_versions if system in system_names() else {}
