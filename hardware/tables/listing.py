"""Lists what tables there are, from the manifests alone."""

from dataclasses import dataclass
from pathlib import Path

from aicfg.hardware.tables.store import COMMON, DATA, MANIFEST, MissingDataError, TableSource, read_manifest
from aicfg.model_specs.errors import nearest


@dataclass(frozen=True)
class TableRow:
    """One family of tables.

    Attributes
    ----------
    backend : serving engine, or ``common`` for what belongs to the system (NCCL).
    version : of the engine; of a family that only a later one has, that one (`newer`).
    keys, rows : distinct keys; measured points.
    ranges : (axis, least, greatest) per axis, over all keys.
    sources : (engine, version, rows, kernels) that the rows came from.
    size_bytes, sha256 : of the file.
    """

    system: str
    backend: str
    version: str
    family: str
    newer: bool
    keys: int
    rows: int
    unit: str
    ranges: tuple[tuple[str, int, int], ...]
    sources: tuple[TableSource, ...]
    size_bytes: int
    sha256: str
    path: Path


def list_tables(
    system: str | None = None, backend: str | None = None, root: Path | None = None
) -> list[TableRow]:
    """Every family of tables, by system, engine and family.

    Parameters
    ----------
    system, backend : only these; an engine's list includes the system's common tables.
    root : a folder that `import_tables` wrote; None means the tables that come with aicfg.

    Raises
    ------
    MissingDataError
        If there are no tables for `system` or `backend`.
    """
    root = DATA if root is None else root
    places = sorted((path.parent.parent.name, path.parent.name) for path in root.glob(f"*/*/{MANIFEST}"))
    _check(system, {place[0] for place in places}, "system", root)
    _check(backend, {place[1] for place in places}, "engine", root)
    rows = []
    for of_system, of_backend in places:
        if system in (None, of_system) and (backend is None or of_backend in (backend, COMMON)):
            rows += _rows(root, of_system, of_backend)
    return rows


def _check(asked: str | None, known: set[str], what: str, root: Path) -> None:
    if asked is not None and asked not in known:
        raise MissingDataError(f"no tables for {what} {asked!r} in {root}{nearest(asked, known)}")


def _rows(root: Path, system: str, backend: str) -> list[TableRow]:
    rows = []
    for family, facts in sorted(read_manifest(root, system, backend)["families"].items()):
        bounds = zip(facts["axes"], facts["ranges"], strict=True)
        rows.append(
            TableRow(
                system=system,
                backend=backend,
                version=facts["version"],
                family=family,
                newer=facts["newer"],
                keys=facts["keys"],
                rows=facts["rows"],
                unit=facts["unit"],
                ranges=tuple((axis, least, greatest) for axis, (least, greatest) in bounds),
                sources=tuple(
                    TableSource(s["backend"], s["version"], s["rows"], tuple(s["kernels"]))
                    for s in facts["sources"]
                ),
                size_bytes=facts["bytes"],
                sha256=facts["sha256"],
                path=root / system / backend / f"{family}.npz",
            )
        )
    return rows
