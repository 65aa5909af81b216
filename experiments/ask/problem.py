"""One fault of an experiment: where it is, and what to say of it."""

from typing import NamedTuple

from aicfg.experiments.ask.document import KeyPath

_LISTS = ("pools", "constraints", "classes", "purchase")
"""Keys of lists whose entries have problems of their own."""


class Problem(NamedTuple):
    """One fault: the key it is at, and what to say of it."""

    path: KeyPath
    text: str

    def __str__(self) -> str:
        return f"{key_text(self.path)}: {self.text}" if self.path else self.text


def key_text(path: KeyPath) -> str:
    """A key path as messages write it: ``fleet.pools[1].gpus``."""
    text = ""
    for before, key in zip(("", *path), path, strict=False):
        text += f"[{key}]" if before in _LISTS and key.isdecimal() else f".{key}"
    return text[1:]
