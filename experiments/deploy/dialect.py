"""How a version of a server calls what a plan says: data, one file a version.

``versions/<engine>-<version>.yaml`` maps neutral names (``max_sequences``) to flags or keys; a file may hold
only what is different from the one it is ``based_on``. Every flag is held against the server's own list in
``flags/``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aicfg.model_specs.errors import InputError, nearest

FOLDER = Path(__file__).parent
ENGINES = ("vllm", "sglang", "trtllm")


@dataclass(frozen=True)
class Dialect:
    """One version of one server."""

    engine: str
    version: str
    """As asked for; several can share one file."""
    file: str
    data: Mapping[str, Any]

    @property
    def flags(self) -> Mapping[str, str | None]:
        """Flag by neutral name; None when the word needs none."""
        flags: Mapping[str, str | None] = self.data["flags"]
        return flags

    @property
    def keys(self) -> Mapping[str, str]:
        """Dotted key of the engine file by neutral name (TensorRT-LLM)."""
        keys: Mapping[str, str] = self.data.get("keys", {})
        return keys

    @property
    def image(self) -> str:
        """Container image of the plain server."""
        return str(self.data["image"]).format(version=self.version)

    @property
    def allowed(self) -> Mapping[str, Mapping[str, Any]]:
        """Every flag of the server, with its type and choices."""
        return allowed(self.data["flags_file"], "serve")

    def flag(self, name: str) -> str:
        """The flag of ``name``. Raises ``InputError`` when this version has none."""
        flag = self.flags.get(name)
        if flag is None:
            raise InputError(f"{self.engine} {self.version} has no flag for {name.replace('_', ' ')}")
        return flag

    def kv_cache_dtype(self, format_name: str) -> str:
        """What a KV cache format is called. Raises ``InputError`` when this version has none such."""
        known: Mapping[str, str] = self.data["kv_cache_dtypes"]
        if format_name not in known:
            offered = ", ".join(known)
            raise InputError(f"{self.engine} {self.version} has no {format_name} KV cache; it has {offered}")
        return known[format_name]


def dialect(engine: str, version: str) -> tuple[Dialect, str | None]:
    """The dialect of a version, and a note when another version's is used for it.

    Without a file of its own a version takes that of the newest one before it, or else the oldest.
    """
    files = versions(engine)
    for name, data in files.items():
        if data["version"] == version or version.startswith(data.get("covers", "\0")):
            return Dialect(engine, version, name, data), None
    older = [name for name, data in files.items() if _order(data["version"]) <= _order(version)]
    name = older[-1] if older else next(iter(files))
    used = files[name]["version"]
    note = f"no flag list of {engine} {version}: written and checked for {used}"
    return Dialect(engine, used, name, files[name]), note


def exact_dialect(engine: str, version: str) -> Dialect:
    """The dialect of a version that a user named. Raises ``InputError`` when it is not known."""
    found, note = dialect(engine, version)
    if note is not None:
        known = [data["version"] for data in versions(engine).values()]
        raise InputError(
            f"generated_config_version {version}: not known of {engine}{nearest(version, known)}; "
            f"known are {', '.join(known)}"
        )
    return found


@cache
def versions(engine: str) -> dict[str, Mapping[str, Any]]:
    """All versions of an engine, oldest first: file name and merged data."""
    files = [path.stem for path in (FOLDER / "versions").glob(f"{engine}-*.yaml")]
    read = {name: _merged(name) for name in files}
    return dict(sorted(read.items(), key=lambda item: _order(item[1]["version"])))


@cache
def allowed(file: str, part: str) -> Mapping[str, Mapping[str, Any]]:
    """Flags of a list in ``flags/``; ``part`` is the subcommand (TensorRT-LLM) or component (Dynamo)."""
    data = json.loads((FOLDER / "flags" / f"{file}.json").read_text(encoding="utf-8"))
    for group in ("subcommands", "components"):
        if group in data:
            return data[group].get(part, {})
    return data["options"]


@cache
def engine_keys(file: str) -> tuple[Mapping[str, Mapping[str, Any]], tuple[str, ...]]:
    """Keys of TensorRT-LLM's engine file with type and choices, and those below which anything goes."""
    data = json.loads((FOLDER / "flags" / f"{file}.json").read_text(encoding="utf-8"))["llm_api_yaml"]
    return data["keys"], tuple(data["free_form"])


def _merged(name: str) -> Mapping[str, Any]:
    import yaml

    data = yaml.safe_load((FOLDER / "versions" / f"{name}.yaml").read_text(encoding="utf-8"))
    base = data.pop("based_on", None)
    if base is None:
        return data
    under = _merged(base)
    return {**under, **data, "flags": {**under["flags"], **data.get("flags", {})}}


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions in order: numbers as numbers, and a release candidate after what it follows."""
    return tuple((int(number or 0), word) for number, word in re.findall(r"(\d+)|([a-z]+)", version))
