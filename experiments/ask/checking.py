"""Plain values into an ``Experiment``: every fault of a mapping found at once, each one clear line."""

import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from aicfg.experiments.ask.contradictions import contradictions
from aicfg.experiments.ask.document import KeyPath
from aicfg.experiments.ask.fields import AUTO, Part
from aicfg.experiments.ask.problem import Problem, key_text
from aicfg.experiments.ask.schema import Experiment, Fleet, Quant, Workload
from aicfg.model_specs.errors import nearest

_PERCENTILE = re.compile(r"p([0-9]{2}(?:\.[0-9]+)?)")
_NUMBER_LIKE = re.compile(r"[-+]?[0-9.][0-9_.,:eExo]*")


def check(value: Any) -> Experiment | list[Problem]:
    """The experiment that a mapping of plain values describes, or all that is wrong with it."""
    value = _spelled_out(value)
    problems = list(_part_problems(value, Experiment, ()))
    if problems:
        return problems
    experiment = msgspec.convert(_folded(value, Experiment), Experiment)
    return list(contradictions(experiment)) or experiment


def _spelled_out(value: Any) -> Any:
    """A mapping with what is written for short written out."""
    return _with_percentiles(_with_lists(value))


def _with_percentiles(value: Any) -> Any:
    """``sla.ttft_ms: {p99: 2000}`` as ``ttft_ms: 2000`` and ``ttft_percentile: 99``; TPOT likewise."""
    sla = value.get("sla") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(sla, dict):
        return value
    spelled = dict(sla)
    for name in ("ttft", "tpot"):
        bound = sla.get(f"{name}_ms")
        if isinstance(bound, dict) and len(bound) == 1:
            key, limit = next(iter(bound.items()))
            if found := _PERCENTILE.fullmatch(str(key)):
                spelled |= {f"{name}_ms": limit, f"{name}_percentile": float(found[1])}
    return {**value, "sla": spelled}


def _with_lists(value: Any) -> Any:
    """A list of engines as ``serving.backends``, and ``serving.quant: auto`` as ``auto`` for each part."""
    value = _with_capacity(value)
    serving = value.get("serving") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(serving, dict):
        return value
    spelled, engines, formats = dict(serving), serving.get("backend"), serving.get("quant")
    if isinstance(engines, list | tuple) and engines:
        spelled |= {"backend": engines[0], "backends": engines}
    if isinstance(formats, str) and formats.casefold() == AUTO:
        spelled["quant"] = {field.name: AUTO for field in msgspec.structs.fields(Quant)}
    return {**value, "serving": spelled}


def _with_capacity(value: Any) -> Any:
    """A number of spares as workers, the GPUs of a pool with offers as their sum, percentiles of classes."""
    if not isinstance(value, dict):
        return value
    spare, fleet, workload = value.get("spare"), value.get("fleet"), value.get("workload")
    classes = workload.get("classes") if isinstance(workload, dict) else None
    if isinstance(workload, dict) and isinstance(classes, list | tuple):
        spelled = [_with_percentiles(each) for each in classes]
        value = {**value, "workload": {**workload, "classes": spelled}}
    if isinstance(spare, int) and not isinstance(spare, bool):
        value = {**value, "spare": {"workers": spare}}
    if isinstance(fleet, dict):
        pools = fleet.get("pools")
        filled = _with_gpus(fleet)
        if isinstance(pools, list | tuple):
            filled = {**fleet, "pools": [_with_gpus(pool) for pool in pools]}
        value = {**value, "fleet": filled}
    return value


def _with_gpus(pool: Any) -> Any:
    offers = pool.get("purchase") if isinstance(pool, dict) else None
    if not isinstance(offers, list | tuple) or not offers or "gpus" in pool:
        return pool
    gpus = [offer.get("gpus") for offer in offers if isinstance(offer, dict)]
    return {**pool, "gpus": sum(gpus)} if all(isinstance(each, int) for each in gpus) else pool


def shown(value: Any) -> str:
    """``value`` as a message shows it: short, on one line, as YAML writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return _short(
            "[" + ", ".join(shown(item) for item in value[:8]) + ("]" if len(value) <= 8 else ", …]")
        )
    if isinstance(value, str):
        return f"text {_short(repr(value))}"
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"a number of {len(str(abs(value)))} digits"
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _part_problems(value: Any, part: type[Part], path: KeyPath) -> Iterator[Problem]:
    fields = msgspec.structs.fields(part)
    keys = [field.name for field in fields]
    if value is None and part is not Fleet and not any(field.required for field in fields):
        return
    if not isinstance(value, dict):
        accepted = f"a mapping with the keys {', '.join(keys)}{f', or {AUTO}' if part is Quant else ''}"
        yield Problem(path, f"got {shown(value)}; expected {accepted}")
        return
    for key in value:
        if key not in keys:
            yield Problem((*path, str(key)), _unknown(str(key), keys, path))
    for field in fields:
        place = (*path, field.name)
        if field.name in value:
            yield from _field_problems(value[field.name], field.type, place)
        elif field.required:
            yield Problem(place, f"missing; expected {_accepted(field.type)}")
    if part is Fleet:
        yield from _fleet_problems(value, path)
    if part is Workload:
        yield from _workload_problems(value, path)


def _fleet_problems(value: dict[str, Any], path: KeyPath) -> Iterator[Problem]:
    """A fleet has exactly one of its two forms."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Fleet)}
    if "pools" in value:
        beside = [key for key in kinds if key in value and key != "pools"]
        if beside:
            text = f"given beside {', '.join(beside)}: keep one of the two (a pool has these keys of its own)"
            yield Problem((*path, "pools"), text)
        return
    for key in ("system", "gpus"):
        if key not in value:
            yield Problem((*path, key), f"missing; expected {_accepted(kinds[key])}")


def _workload_problems(value: dict[str, Any], path: KeyPath) -> Iterator[Problem]:
    """A workload has exactly one of its forms: lengths, classes, a trace, a distribution."""
    forms = [key for key in ("classes", "trace", "distribution") if value.get(key)]
    kinds = {field.name: field.type for field in msgspec.structs.fields(Workload)}
    beside = [key for key in ("isl", "osl", "prefix") if value.get(key)] if forms else []
    for key in beside or forms[1:]:
        yield Problem((*path, key), f"given beside {forms[0]}: keep one of the two")
    for key in () if forms else ("isl", "osl"):
        if not value.get(key):
            yield Problem((*path, key), f"missing; expected {_accepted(kinds[key])}")


def _unknown(key: str, keys: list[str], path: KeyPath) -> str:
    where = f"of {key_text(path)}" if path else "of an experiment"
    return f"unknown key{nearest(key, keys)}; the keys {where} are {', '.join(keys)}"


def _field_problems(value: Any, kind: Any, path: KeyPath) -> Iterator[Problem]:
    if isinstance(kind, type) and issubclass(kind, Part):
        yield from _part_problems(value, kind, path)
        return
    found = list(_inner_problems(value, kind, path))
    if found:
        yield from found
        return
    try:
        msgspec.convert(_folded(value, kind), kind)
    except (msgspec.ValidationError, OverflowError):
        yield Problem(path, f"got {shown(value)}; expected {_accepted(kind)}{_hint(value, kind)}")


def _inner_problems(value: Any, kind: Any, path: KeyPath) -> Iterator[Problem]:
    """What is wrong within a part that can be left out, or within the parts of a list."""
    for member in _members(kind):
        if isinstance(member, type) and issubclass(member, Part) and value is not None:
            yield from _part_problems(value, member, path)
        elif typing.get_origin(member) is tuple and isinstance(value, list | tuple):
            of = typing.get_args(member)[0]
            if isinstance(of, type) and issubclass(of, Part):
                for number, each in enumerate(value):
                    yield from _part_problems(each, of, (*path, str(number)))


def _folded(value: Any, kind: Any) -> Any:
    """``value`` with every choice of words in the schema's own letter case, and nothing as an empty part."""
    if isinstance(kind, type) and issubclass(kind, Part):
        kinds = {field.name: field.type for field in msgspec.structs.fields(kind)}
        return {key: _folded(each, kinds[key]) for key, each in (value or {}).items()}
    same = isinstance(value, str) and value.casefold() in _choices(kind)
    return value.casefold() if same else value


def _hint(value: Any, kind: Any) -> str:
    if not isinstance(value, str):
        return ""
    choices = _choices(kind)
    if choices:
        return nearest(value, map(str, choices))
    if str not in _members(kind) and _NUMBER_LIKE.fullmatch(value):
        return "; write plain decimal digits, without quotes"
    return ""


def _members(kind: Any) -> tuple[Any, ...]:
    """The plain types under annotations and unions."""
    if typing.get_origin(kind) is typing.Annotated:
        return _members(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(member for arg in typing.get_args(kind) for member in _members(arg))
    return (kind,)


def _choices(kind: Any) -> tuple[str, ...]:
    literals = (member for member in _members(kind) if typing.get_origin(member) is typing.Literal)
    return next((typing.get_args(literal) for literal in literals), ())


def _accepted(kind: Any) -> str:
    """What ``kind`` accepts, in words: its choices, or the outermost description."""
    if isinstance(kind, type) and issubclass(kind, Part):
        return f"a mapping with the keys {', '.join(field.name for field in msgspec.structs.fields(kind))}"
    choices = _choices(kind)
    if choices and len(_members(kind)) == 1:
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    return next(_descriptions(kind))


def _descriptions(kind: Any) -> Iterator[str]:
    if typing.get_origin(kind) is typing.Annotated:
        yield from (meta.description for meta in reversed(kind.__metadata__) if meta.description)
    for arg in typing.get_args(kind):
        yield from _descriptions(arg)
