"""Files, mappings and ``Experiment`` objects into checked experiments: one way in for all of them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aicfg.experiments.ask.checking import check, shown
from aicfg.experiments.ask.document import Document, KeyPath, parse_document, read_document
from aicfg.experiments.ask.problem import Problem
from aicfg.experiments.ask.schema import Experiment
from aicfg.model_specs.errors import InputError, nearest

MAX_EXPERIMENTS = 1000

Source = str | Path | Mapping[str, Any] | Experiment


def load(source: Source, *, settings: Iterable[str] = ()) -> list[Experiment]:
    """The experiments that ``source`` asks for.

    Parameters
    ----------
    source
        Path of a YAML file, a mapping with the same keys, or an ``Experiment`` (checked like the others).
    settings
        ``"key.path=value"`` each, put over every experiment before it is checked; values are read as YAML.
        An entry of a list goes by its number, name or system: ``"fleet.pools.h100_sxm.gpus=16"``.

    Raises
    ------
    InputError
        One line for each fault: file and line, key, what was given, what would be accepted.
    """
    document = _document(source)
    overrides = [_setting(text) for text in settings]
    experiments: list[Experiment] = []
    problems: list[str] = []
    for name, base, value in _bodies(document):
        for path, given in overrides:
            value = _overridden(value, path, given)
        result = check(_named(value, name))
        if isinstance(result, Experiment):
            experiments.append(result)
        else:
            problems += [_line(document, base, problem) for problem in result]
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    return experiments


def _document(source: object) -> Document:
    if isinstance(source, Experiment):
        return Document("experiment", msgspec.to_builtins(source))
    if isinstance(source, Mapping):
        return Document("experiment", _plain(source))
    if isinstance(source, str | Path):
        return _beside(read_document(Path(source)), Path(source).parent)
    expected = "a path, a mapping or an Experiment"
    raise InputError(f"got a {type(source).__name__}; expected {expected}")


FILES = (("workload", "trace"), ("load", "profile"), ("replan", "current"))
"""Keys of files that may lie beside the experiment's."""


def _beside(document: Document, folder: Path) -> Document:
    """The document with the files that lie beside it named from here."""
    top = document.value
    bodies = top.get("experiments") if isinstance(top, dict) else None
    every = [top, top.get("defaults"), *bodies.values()] if isinstance(bodies, dict) else [top]
    for body in every:
        for part, key in FILES:
            inner = body.get(part) if isinstance(body, dict) else None
            name = inner.get(key) if isinstance(inner, dict) else None
            if isinstance(inner, dict) and isinstance(name, str) and (folder / name).is_file():
                inner[key] = str(folder / name)
    return document


def _plain(value: Mapping[str, Any]) -> Any:
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, RecursionError, ValueError) as error:
        raise InputError(f"experiment: not plain values: {error}") from None


def _bodies(document: Document) -> Iterator[tuple[str, KeyPath, Any]]:
    """Name, key path and mapping of each experiment of a document, the shared defaults merged in."""
    top = document.value
    if not isinstance(top, dict):
        raise InputError(
            f"{document.place(())}: got {shown(top)}; expected a mapping (model, workload, fleet)"
        )
    if "experiments" not in top:
        if "defaults" in top:
            raise InputError(f"{document.place(('defaults',))}: defaults: only of use beside 'experiments'")
        yield _file_name(document.source), (), top
        return
    _check_top(document, top)
    for name, body in top["experiments"].items():
        path = ("experiments", name)
        if isinstance(body, dict) and "name" in body:
            raise InputError(f"{document.place((*path, 'name'))}: {'.'.join(path)}.name: its key is its name")
        yield name, path, _merged(top.get("defaults") or {}, {} if body is None else body)


def _file_name(source: str) -> str:
    """A name for the only experiment of a file."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", Path(source).stem).lstrip("._+-")[:100] or "experiment"


def _check_top(document: Document, top: dict[str, Any]) -> None:
    for key in top:
        if key not in ("experiments", "defaults"):
            accepted = "beside 'experiments' only 'defaults' is accepted; put shared keys there"
            raise InputError(f"{document.place((key,))}: {key}: {accepted}")
    defaults, bodies = top.get("defaults"), top["experiments"]
    if not isinstance(defaults, dict | None):
        where = document.place(("defaults",))
        raise InputError(
            f"{where}: defaults: got {shown(defaults)}; expected a mapping of an experiment's keys"
        )
    if not isinstance(bodies, dict) or not 1 <= len(bodies) <= MAX_EXPERIMENTS:
        given = f"{len(bodies)} experiments" if isinstance(bodies, dict) else shown(bodies)
        expected = f"expected a mapping of 1 to {MAX_EXPERIMENTS:,} names, each with an experiment"
        raise InputError(f"{document.place(('experiments',))}: experiments: got {given}; {expected}")


def _merged(base: Any, over: Any) -> Any:
    """``over`` upon ``base``: mappings key by key, anything else replaced whole."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}


def _named(value: Any, name: str) -> Any:
    return {"name": name, **value} if isinstance(value, dict) else value


def _line(document: Document, base: KeyPath, problem: Problem) -> str:
    """The problem as one line, with the place of the innermost of its keys that the file holds."""
    keys = problem.path
    for end in range(len(keys), -1, -1):
        for root in (base, ("defaults",)):
            place = (*root, *keys[:end])
            if place in document.lines and (end or root == base):
                return f"{document.place(place)}: {Problem((*root, *keys), problem.text)}"
    return f"{document.source}: {Problem((*base, *keys), problem.text)}"


def _setting(text: str) -> tuple[KeyPath, Any]:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(f"--set {text}: expected key=value, such as sla.tpot_ms=12")
    return tuple(key.split(".")), parse_document(value or "null", f"--set {key}").value


def _overridden(base: Any, path: KeyPath, given: Any, above: KeyPath = ()) -> Any:
    """``base`` with ``given`` at ``path``; an entry of a list goes by its number, name or system."""
    if not path:
        return _merged(base, given)
    key, rest, here = path[0], path[1:], (*above, path[0])
    if isinstance(base, list | tuple):
        at = _entry(base, key, above)
        return [*base[:at], _overridden(base[at], rest, given, here), *base[at + 1 :]]
    known = base if isinstance(base, dict) else {}
    return {**known, key: _overridden(known.get(key), rest, given, here)}


def _entry(entries: Sequence[Any], key: str, above: KeyPath) -> int:
    """The position of a list's entry."""
    if key.isdecimal() and int(key) < len(entries):
        return int(key)
    names = [each.get("name") or each.get("system") if isinstance(each, dict) else None for each in entries]
    if names.count(key) == 1:
        return names.index(key)
    known = [name for name in names if isinstance(name, str)]
    accepted = ", ".join([*map(str, range(len(entries))), *known])
    text = f"got entry {key!r}; expected one of {accepted}{nearest(key, known)}"
    raise InputError(f"{'.'.join(above)}: {text}")
