"""Tables in the source's format, converted on the way: each content once, kept in a cache folder."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from aicfg.hardware.tables.archive import FORMAT
from aicfg.hardware.tables.checks import table_faults
from aicfg.hardware.tables.importer import import_tables
from aicfg.hardware.tables.store import COMMON, MANIFEST
from aicfg.model_specs.errors import InputError


def cache_folder() -> Path:
    """The platform's folder for what can be made again; ``AICFG_CACHE`` overrides it."""
    if own := os.environ.get("AICFG_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "aicfg"


def imported_root(source: Path, system: str, backend: str, cache: Path | None = None) -> Path:
    """A folder with an engine's tables for a system, converted from ``source`` if that was not yet done.

    It is named by the content of everything that the conversion reads; it appears whole or not at all.

    Raises
    ------
    InputError
        With one line for each fault of the tables.
    """
    out = (cache or cache_folder()) / "tables" / f"{system}-{backend}-{_content(source, system)}"
    if out.is_dir():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        built = import_tables(source, Path(folder) / "tables", [system], [backend])
        refuse_faulty(built, system, backend)
        try:
            built.rename(out)
        except OSError:  # another process was first with the same content
            if not out.is_dir():
                raise
    return out


def refuse_faulty(root: Path, system: str, backend: str) -> None:
    """Raises InputError with one line for each fault of an engine's tables or its system's common ones."""
    parts = [part for part in (backend, COMMON) if (root / system / part / MANIFEST).exists()]
    if faults := [fault for part in parts for fault in table_faults(root, system, part)]:
        raise InputError("\n".join(faults))


def _content(source: Path, system: str) -> str:
    """Digest of the files that the conversion of a system's tables reads, and of its rules."""
    digest = hashlib.sha256(f"{FORMAT}\n".encode())
    digest.update(files(__package__).joinpath("families.yaml").read_bytes())
    for path in _read_files(source, system):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(source)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _read_files(source: Path, system: str) -> Iterable[Path]:
    yield from sorted(source.glob("*.yaml"))
    for path in sorted((source / "data" / system).rglob("*")):
        if path.suffix in (".parquet", ".yaml"):
            yield path
