"""The other engines' tables on the same system."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from aicfg.hardware.tables.layers import LayeredTables
from aicfg.hardware.tables.mended import mended
from aicfg.hardware.tables.store import Tables, open_tables, sibling_engines


def other_engines(tables: Tables) -> Iterator[Tables]:
    """The other engines' tables on the same system, from the same folders, mended."""
    if isinstance(tables, LayeredTables):
        for layer in tables.layers:
            yield from other_engines(layer)
        return
    for backend in sibling_engines(tables):
        yield _opened(tables.system, backend, tables.root)


@lru_cache(maxsize=64)
def _opened(system: str, backend: str, root: Path) -> Tables:
    """Opened once: every choice of formats asks for the same."""
    return mended(open_tables(system, backend, root=root))
