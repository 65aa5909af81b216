"""Tables that may stand in: of other engines on the same system, of the same engine on racks like it."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from aicfg.hardware.system import System, load_system, system_names
from aicfg.hardware.tables.layers import LayeredTables
from aicfg.hardware.tables.mended import mended
from aicfg.hardware.tables.store import MANIFEST, Tables, open_tables, sibling_engines


def other_engines(tables: Tables) -> Iterator[Tables]:
    """The other engines' tables on the same system, from the same folders, mended."""
    if isinstance(tables, LayeredTables):
        for layer in tables.layers:
            yield from other_engines(layer)
        return
    for backend in sibling_engines(tables):
        yield _opened(tables.system, backend, tables.root)


def same_racks(tables: Tables) -> Iterator[Tables]:
    """The same engine's tables on other systems whose racks have the same links, from the same folders."""
    if isinstance(tables, LayeredTables):
        for layer in tables.layers:
            yield from same_racks(layer)
        return
    if tables.system not in system_names():
        return
    own = load_system(tables.system)
    for other in map(load_system, system_names()):
        there = (tables.root / other.name / tables.backend / MANIFEST).is_file()
        if there and own.gpus_per_rack and other.name != own.name and _links(other) == _links(own):
            yield _opened(other.name, tables.backend, tables.root)


def _links(system: System) -> tuple[float, ...]:
    return (
        system.gpus_per_node,
        system.gpus_per_rack,
        system.intra_node_bytes_per_s,
        system.inter_node_bytes_per_s,
    )


@lru_cache(maxsize=64)
def _opened(system: str, backend: str, root: Path) -> Tables:
    """Opened once: every choice of formats asks for the same."""
    return mended(open_tables(system, backend, root=root))
