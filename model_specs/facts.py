"""Reads one entry of a file of facts without parsing the rest.

A file of facts is YAML whose top-level keys are the entries. Parsing a whole catalogue file costs tens of
milliseconds, the one entry that is asked for a fraction of one: so the entry's lines are cut out first.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_TOP_KEY = re.compile(r"^([^\s#:][^\s:]*):", re.MULTILINE)


def entry_names(path: Path) -> list[str]:
    """All top-level keys of the file, in its order."""
    return _TOP_KEY.findall(_text(path))


def read_entry(path: Path, name: str) -> tuple[str, Mapping[str, Any]] | None:
    """The entry of that name, letter case ignored, as (name as written, its mapping); None if there is none.

    ``same_as: other`` in an entry takes over the entry ``other`` of the same file; its own keys come on top.
    """
    text = _text(path)
    head = re.search(rf"^({re.escape(name)}):", text, re.MULTILINE | re.IGNORECASE)
    if head is None:
        return None
    after = _TOP_KEY.search(text, head.end())
    block = text[head.start() : after.start() if after else len(text)]
    entry: dict[str, Any] = dict(_parse(block)[head[1]])
    base = entry.pop("same_as", None)
    if base is not None:
        inherited = read_entry(path, base)
        if inherited is None:
            raise ValueError(f"{path.name}: {head[1]}: same_as names no entry of this file: {base}")
        entry = {**inherited[1], **entry}
    return head[1], entry


@lru_cache(maxsize=64)
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _parse(block: str) -> Any:
    import yaml  # costs more than reading the facts: not before they are asked for

    return yaml.load(block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
