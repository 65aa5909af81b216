"""Tables of several folders read as one: of each key, the first folder that has it answers."""

from pathlib import Path
from types import MappingProxyType

from aicfg.hardware.tables.store import Grid, Key, MissingDataError, Tables, TableSource


class LayeredTables(Tables):
    """Tables of one engine on one system, the most trusted layer first; the version is the first one's."""

    def __init__(self, layers: tuple[Tables, ...]) -> None:
        """``layers`` are at least one."""
        first = layers[0]
        super().__init__(first.system, first.backend, first.version, Path(), MappingProxyType({}))
        self.layers = layers

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families that some layer has."""
        return tuple(dict.fromkeys(family for layer in self.layers for family in layer.families))

    @property
    def opened(self) -> tuple[str, ...]:
        """Names of the families that were read so far."""
        return tuple(dict.fromkeys(family for layer in self.layers for family in layer.opened))

    def keys(self, family: str) -> tuple[Key, ...]:
        """Every key that some layer has, ascending."""
        return tuple(sorted({key for layer in self.layers for key in layer.keys(family)}))

    def axes(self, family: str) -> tuple[str, ...]:
        """Names of a family's axes."""
        return self._having(family)[0].axes(family)

    def lanes(self, family: str, key: Key) -> tuple[str, ...]:
        """Kernels that a key was measured under in the layer that answers for it."""
        return self._answering(family, tuple(key)).lanes(family, key)

    def sources(self, family: str) -> tuple[TableSource, ...]:
        """Where a family's rows came from, the most trusted first."""
        return tuple(source for layer in self._having(family) for source in layer.sources(family))

    def is_newer(self, family: str) -> bool:
        """Whether every layer has the family only at a later version."""
        return all(layer.is_newer(family) for layer in self._having(family))

    def grid(self, family: str, key: Key, lane: str = "", value: str = "") -> Grid:
        """The measured grid of one key, of the first layer that has the key."""
        return self._answering(family, tuple(key)).grid(family, key, lane, value)

    def _having(self, family: str) -> list[Tables]:
        having = [layer for layer in self.layers if family in layer.families]
        if not having:
            raise MissingDataError(
                f"table {family} of {self.backend} {self.version} on {self.system}: no such table"
            )
        return having

    def _answering(self, family: str, key: Key) -> Tables:
        """The first layer with the key; without one, the first with the family, which then says so."""
        having = self._having(family)
        return next((layer for layer in having if key in layer.keys(family)), having[0])
