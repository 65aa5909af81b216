"""One folder of the user's own systems and tables, in our format or in the source's."""

from functools import cached_property
from pathlib import Path
from typing import Protocol

from aicfg.hardware.descriptions import load_description, sound_system
from aicfg.hardware.system import System, read_description
from aicfg.hardware.tables.cache import imported_root, refuse_faulty
from aicfg.hardware.tables.doctor import places_of
from aicfg.hardware.tables.store import COMMON, MANIFEST, read_manifest
from aicfg.model_specs.errors import InputError, nearest


class Folder(Protocol):
    """What a search list asks of a folder."""

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems it describes."""

    def describe(self, name: str) -> System | None:
        """The system called ``name``, checked; None if it is not described here."""

    def root(self, system: str, backend: str) -> Path | None:
        """A folder in our format with an engine's tables for a system, checked; None if there are none."""

    def versions(self, system: str) -> dict[str, str]:
        """The version of each engine that has tables for a system here."""

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """Systems and engines that there are tables of."""


def open_folder(path: Path, cache: Path | None = None) -> Folder:
    """The folder at ``path``, in whichever format it is.

    Raises
    ------
    InputError
        If it is no folder, or has neither system descriptions nor tables.
    """
    if not path.is_dir():
        raise InputError(f"systems_paths: {path} is no folder")
    if (path / "data").is_dir():
        return SourceFolder(path, cache)
    if any(path.glob("*.yaml")) or any(path.glob("systems/*.yaml")) or any(path.glob(f"*/*/{MANIFEST}")):
        return OwnFolder(path)
    raise InputError(
        f"systems_paths: {path} has neither system descriptions (<name>.yaml) nor tables "
        f"(<system>/<engine>/{MANIFEST}, or data/<system>/…/*.parquet)"
    )


class OwnFolder:
    """A folder as ``aicfg tables import`` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {path.stem: path for path in (*self.path.glob("systems/*.yaml"), *self.path.glob("*.yaml"))}

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems it describes."""
        return tuple(sorted(self._files))

    def describe(self, name: str) -> System | None:
        """The system called ``name``, checked; None if it is not described here."""
        if name in self._files:
            return load_description(self._files[name])
        for path in self._files.values():
            facts = read_description(path)
            if isinstance(facts, dict) and name in (facts.get("aliases") or ()):
                return load_description(path)
        return None

    def root(self, system: str, backend: str) -> Path | None:
        """The folder itself, if it has tables of the engine."""
        if not (self.path / system / backend / MANIFEST).exists():
            return None
        refuse_faulty(self.path, system, backend)
        return self.path

    def versions(self, system: str) -> dict[str, str]:
        """The version of each engine that has tables for a system here."""
        engines = {path.parent.name for path in self.path.glob(f"{system}/*/{MANIFEST}")} - {COMMON}
        return {
            name: str(read_manifest(self.path, system, name).get("version", "")) for name in sorted(engines)
        }

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """Systems and engines that there are tables of."""
        return places_of(self.path)


class SourceFolder:
    """A folder in the format of aiconfigurator-core, converted when asked for."""

    def __init__(self, path: Path, cache: Path | None = None) -> None:
        self.path = path
        self._cache = cache

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems it describes; tables that no description goes with are refused."""
        from aicfg.hardware.tables.source import system_files

        described = tuple(path.stem for path in system_files(self.path))
        for path in sorted((self.path / "data").iterdir()):
            if path.is_dir() and path.name not in described:
                raise InputError(
                    f"{path}: no {path.name}.yaml describes this system{nearest(path.name, described)}"
                )
        return described

    def describe(self, name: str) -> System | None:
        """The system called ``name``, checked; None if it is not described here."""
        from aicfg.hardware.tables.systems_import import source_faults, system_facts

        if name not in self.systems:
            return None
        path = self.path / f"{name}.yaml"
        if faults := list(source_faults(read_description(path))):
            raise InputError("\n".join(f"{path}: {fault}" for fault in faults))
        return sound_system(system_facts(path, self.path), path)

    def root(self, system: str, backend: str) -> Path | None:
        """The cached conversion, if there are tables of the engine."""
        if backend not in self.versions(system):
            return None
        return imported_root(self.path, system, backend, self._cache)

    def versions(self, system: str) -> dict[str, str]:
        """The version of each engine that has tables for a system here."""
        from aicfg.hardware.tables.systems_import import default_versions

        return default_versions(self.path, system) if system in self.systems else {}

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """Systems and engines that there are tables of."""
        return tuple((system, backend) for system in self.systems for backend in self.versions(system))
