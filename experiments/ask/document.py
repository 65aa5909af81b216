"""YAML text into plain values, strictly, with the line of every key.

Values are built straight from the parser's events, without recursion through untrusted depth: a key given
twice, nesting without end, aliases that explode and tags are refused before anything grows. Plain scalars
follow the core schema of YAML 1.2, restricted to what reads the same in every version: ``no``, ``010``,
``1_000`` and ``1:30`` stay text, and then fail as "got text …"; YAML 1.1 would make them false, 8, 1000, 90.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aicfg.model_specs.errors import InputError

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 20_000
"""Values of a document with its aliases written out."""

KeyPath = tuple[str, ...]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,400})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORDS |= {".nan": float("nan"), ".inf": float("inf"), "-.inf": float("-inf")}


@dataclass(frozen=True)
class Document:
    """A file's plain values, and the line on which each key or list entry stands."""

    source: str
    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def place(self, *paths: KeyPath) -> str:
        """``"file:line"`` of the first of ``paths`` that the document holds, else ``"file"``."""
        line = next((self.lines[path] for path in paths if path in self.lines), None)
        return self.source if line is None else f"{self.source}:{line}"


def read_document(path: Path) -> Document:
    """The document in a YAML file of at most ``MAX_BYTES``.

    Raises
    ------
    InputError
        When there is no such file, or it is not one YAML document of plain values.
    """
    return parse_document(_text(path), str(path))


def parse_document(text: str, source: str) -> Document:
    """The document that ``text`` holds; ``source`` names it in messages. Raises ``InputError``."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(type(event).__name__, event)
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {_in_words(error)}") from None
    if not builder.documents:
        raise InputError(f"{source}: the file is empty; expected an experiment (model, workload, fleet)")
    return Document(source, builder.root, builder.lines)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; expected a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES // 1000:,} kB; an experiment is a small file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start + 1})") from None


def _in_words(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _plain(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: KeyPath
    anchor: str | None
    first: int
    """Values counted when it began."""
    key: str | None = None


class _Builder:
    """Takes a parser's events one by one and grows the document's value."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root: Any = None
        self.documents = 0
        self.lines: dict[KeyPath, int] = {}
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def take(self, kind: str, event: Any) -> None:
        """One event: ``kind`` is its class's name."""
        line = event.start_mark.line + 1
        if kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                raise self._error(line, "a second YAML document begins; expected one document")
        elif kind == "ScalarEvent":
            self._scalar(event, line)
        elif kind == "AliasEvent":
            self._alias(event.anchor, line)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin({} if kind == "MappingStartEvent" else [], event, line)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._end()

    def _error(self, line: int, text: str) -> InputError:
        return InputError(f"{self.source}:{line}: {text}")

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!"):
            raise self._error(line, f"the tag {event.tag!r} is not supported; write a plain value")

    def _scalar(self, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, line)
            return
        value = _plain(event.value) if event.implicit[0] and event.style in (None, "") else event.value
        self._count(1, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, line)

    def _key(self, top: _Open, key: str, line: int) -> None:
        if key == "<<":
            raise self._error(line, "merge keys ('<<') are not supported; share settings under 'defaults'")
        if key in top.value:
            first = self.lines[(*top.path, key)]
            name = ".".join((*top.path, key))
            raise self._error(line, f"{name}: the key is given twice (first on line {first})")
        top.key = key
        self.lines[(*top.path, key)] = line

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            raise self._error(line, f"the alias '*{anchor}' has no anchor that ends before it")
        self._no_key_here(line)
        value, size = self._anchors[anchor]
        self._count(size, line)
        self._put(value, line)

    def _begin(self, value: dict[str, Any] | list[Any], event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        self._no_key_here(line)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(line, f"nested more than {MAX_DEPTH} levels deep")
        self._count(1, line)
        path = self._put(value, line)
        self._open.append(_Open(value, path, event.anchor, self._values - 1))

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.value, self._values - done.first)

    def _no_key_here(self, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise self._error(line, "a key must be plain text")

    def _count(self, size: int, line: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            raise self._error(line, f"more than {MAX_VALUES:,} values once its aliases are written out")

    def _put(self, value: Any, line: int) -> KeyPath:
        """Put ``value`` where the document goes on; its path."""
        if not self._open:
            self.root = value
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            path = (*top.path, str(len(top.value)))
            top.value.append(value)
            self.lines[path] = line
            return path
        assert top.key is not None
        top.value[top.key] = value
        path = (*top.path, top.key)
        top.key = None
        return path
