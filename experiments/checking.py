"""Plain values into an ``Experiment``: every fault of a mapping found at once, each one clear line."""

import re
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from aicfg.experiments.document import KeyPath
from aicfg.experiments.schema import Experiment, Part
from aicfg.model_specs.errors import InputError, nearest

_NOT_YET = {
    "pools": "several pools are not supported yet; give fleet: {system: …, gpus: …}",
    "load": "objectives for a given load are not supported yet; the objective is tokens_per_s",
    "constraints": "own constraints are not supported yet",
}
_NUMBER_LIKE = re.compile(r"[-+]?[0-9.][0-9_.,:eExo]*")


class Problem(NamedTuple):
    """One fault: the key it is at, and what to say of it."""

    path: KeyPath
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.text}" if self.path else self.text


def check(value: Any) -> Experiment | list[Problem]:
    """The experiment that a mapping of plain values describes, or all that is wrong with it."""
    problems = list(_part_problems(value, Experiment, ()))
    if problems:
        return problems
    experiment = msgspec.convert(value, Experiment)
    return list(_contradictions(experiment)) or experiment


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
    if value is None and not any(field.required for field in fields):
        return
    if not isinstance(value, dict):
        yield Problem(path, f"got {shown(value)}; expected a mapping with the keys {', '.join(keys)}")
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


def _unknown(key: str, keys: list[str], path: KeyPath) -> str:
    if key in _NOT_YET:
        return _NOT_YET[key]
    where = f"of {'.'.join(path)}" if path else "of an experiment"
    return f"unknown key{nearest(key, keys)}; the keys {where} are {', '.join(keys)}"


def _field_problems(value: Any, kind: Any, path: KeyPath) -> Iterator[Problem]:
    if isinstance(kind, type) and issubclass(kind, Part):
        yield from _part_problems(value, kind, path)
        return
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError):
        yield Problem(path, f"got {shown(value)}; expected {_accepted(kind)}{_hint(value, kind)}")


def _hint(value: Any, kind: Any) -> str:
    if not isinstance(value, str):
        return ""
    choices = _choices(kind)
    if choices:
        return nearest(value, choices)
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
    if choices:
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    return next(_descriptions(kind))


def _descriptions(kind: Any) -> Iterator[str]:
    if typing.get_origin(kind) is typing.Annotated:
        yield from (meta.description for meta in reversed(kind.__metadata__) if meta.description)
    for arg in typing.get_args(kind):
        yield from _descriptions(arg)


def _contradictions(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong between values that are each right by themselves."""
    workload, sla = experiment.workload, experiment.sla
    if workload.prefix >= workload.isl:
        accepted = f"expected fewer than the isl of {workload.isl} tokens"
        yield Problem(("workload", "prefix"), f"got {workload.prefix}; {accepted}")
    if sla.tpot_ms is not None and sla.request_latency_ms is not None:
        both = f"given beside tpot_ms ({sla.tpot_ms:g}); it stands in its place: keep one of the two"
        yield Problem(("sla", "request_latency_ms"), both)
    if (
        sla.ttft_ms is not None
        and sla.request_latency_ms is not None
        and sla.ttft_ms > sla.request_latency_ms
    ):
        longer = f"got {sla.ttft_ms:g}; expected at most the request_latency_ms of {sla.request_latency_ms:g}"
        yield Problem(("sla", "ttft_ms"), longer)
    yield from _unknown_formats(experiment)


def _unknown_formats(experiment: Experiment) -> Iterator[Problem]:
    given = {name: value for name, value in msgspec.structs.asdict(experiment.serving.quant).items() if value}
    if not given:
        return
    from aicfg.model_specs.quantization import Quant

    for component, name in given.items():
        try:
            Quant(**{component: name})
        except InputError as error:
            text = str(error).removeprefix(f"quant.{component}: ")
            yield Problem(("serving", "quant", component), text)
