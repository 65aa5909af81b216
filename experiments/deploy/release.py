"""Dynamo releases: which engines their images hold, and what their wrappers are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicfg.experiments.deploy.dialect import Dialect, allowed, dialect, versions
from aicfg.model_specs.errors import InputError, nearest


@dataclass(frozen=True)
class Release:
    """One release of Dynamo."""

    version: str
    data: Mapping[str, Any]

    def image(self, engine: str) -> str:
        """Runtime image with ``engine`` inside."""
        return str(self.data["images"][engine]).format(version=self.version)

    def program(self, part: str) -> tuple[str, ...]:
        """How a worker of an engine, or the frontend, is started."""
        return tuple(self.data["programs"][part])

    def allowed(self, part: str) -> Mapping[str, Mapping[str, Any]]:
        """Flags that the wrapper adds."""
        return allowed(self.data["flags_file"], f"dynamo.{part}")

    def dialect(self, engine: str) -> Dialect:
        """The engine inside, with the wrapper's flags in place of the engine's own."""
        inside, _ = dialect(engine, self.data["engines"][engine])
        flags = {**inside.flags, **self.data["flags"][engine]}
        return Dialect(engine, inside.version, inside.file, {**inside.data, "flags": flags})


def release(version: str | None) -> Release:
    """The release of that version, or the newest known. Raises ``InputError`` when it is not known."""
    known = versions("dynamo")
    if version is None:
        data = list(known.values())[-1]
        return Release(data["version"], data)
    for data in known.values():
        if version == data["version"] or version.startswith(data["covers"]):
            return Release(version, data)
    names = [data["version"] for data in known.values()]
    raise InputError(
        f"generator_dynamo_version {version}: not known{nearest(version, names)}; "
        f"known are {', '.join(names)}"
    )
