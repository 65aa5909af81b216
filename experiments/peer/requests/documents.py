"""AIConfigurator's experiment files: which experiments a YAML document asks for, nested or flat."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aicfg.experiments.ask.checking import shown
from aicfg.experiments.ask.document import Document, KeyPath, read_document
from aicfg.experiments.peer.requests import nested
from aicfg.experiments.peer.requests.request import Entry, Request, request_of
from aicfg.model_specs.errors import InputError, nearest

MAX_EXPERIMENTS = 100


def read_requests(source: str | Path | Mapping[str, Any]) -> list[Request]:
    """The experiments of a file, or of a mapping of the same form, in the order in which they are to run.

    A document is a mapping of names to experiments; ``exps`` lists those to run (all, when it is absent). A
    document with ``serving_mode`` at its top is one experiment by itself, as AIConfigurator saves it.

    Raises
    ------
    InputError
        One line for each fault: file and line, key, what was given, what would be accepted.
    """
    document = _document(source)
    found: list[Request] = []
    faults: list[str] = []
    for name, body, root in _bodies(document):
        try:
            found.append(_request(document, name, body, root))
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return found


def _document(source: str | Path | Mapping[str, Any]) -> Document:
    if isinstance(source, Mapping):
        return Document("config", dict(source))
    return read_document(Path(source))


def _bodies(document: Document) -> Iterator[tuple[str, Any, KeyPath]]:
    top = document.value
    if not isinstance(top, dict):
        raise InputError(
            f"{document.place(())}: got {shown(top)}; expected a mapping of names to experiments"
        )
    if "serving_mode" in top:
        yield str(top["serving_mode"]), top, ()
        return
    names = [name for name in top if name != "exps"]
    for name in _asked(document, top, names):
        yield name, top[name], (name,)


def _asked(document: Document, top: Mapping[str, Any], names: list[str]) -> list[str]:
    """The names of ``exps``, each of which must be there; all names, where there is no such list."""
    asked = top.get("exps")
    if not names:
        raise InputError(f"{document.source}: no experiment; expected a mapping of names to experiments")
    if len(names) > MAX_EXPERIMENTS:
        raise InputError(f"{document.source}: {len(names)} experiments; expected at most {MAX_EXPERIMENTS}")
    if asked is None:
        return names
    where = document.place(("exps",))
    if not isinstance(asked, list) or not asked or not all(isinstance(name, str) for name in asked):
        raise InputError(f"{where}: exps: got {shown(asked)}; expected a list of experiments' names")
    for name in asked:
        if name not in names:
            there = f" (there are: {', '.join(names)})"
            raise InputError(f"{where}: exps: {name!r} is not defined{nearest(name, names)}{there}")
    return list(dict.fromkeys(asked))


def _request(document: Document, name: str, body: Any, root: KeyPath) -> Request:
    def where(path: KeyPath) -> str:
        places = [path[:end] for end in range(len(path), -1, -1)]
        label = ".".join(path or root)
        return f"{document.place(*places)}: {label}" if label else document.place(*places)

    if not isinstance(body, dict):
        raise InputError(f"{where(root)}: got {shown(body)}; expected a mapping of an experiment's keys")
    if not nested.is_nested(body):
        return request_of(name, [Entry(key, value, (*root, key)) for key, value in body.items()], where)
    faults = nested.Faults()
    found = list(nested.entries(body, root, faults))
    texts = [f"{where(path)}: {text}" for path, text in faults]
    try:
        request = request_of(name, found, where)
    except InputError as error:
        raise InputError("\n".join([*texts, str(error)])) from None
    if texts:
        raise InputError("\n".join(texts))
    return request
