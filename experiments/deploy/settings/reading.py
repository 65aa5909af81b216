"""Settings from a file and from ``KEY=VALUE`` words: strict, each fault one clear line.

What counts more: a shortcut flag, then ``--generator-set``, then ``--generator-config``, then the defaults.
"""

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from aicfg.experiments.ask.checking import shown
from aicfg.experiments.ask.document import parse_document, read_document
from aicfg.experiments.deploy.settings.schema import Section, Settings
from aicfg.model_specs.errors import InputError, nearest

FROM_THE_PLAN = {"WorkerConfig", "SlaConfig", "ModelConfig", "workers", "plan"}
"""Sections that a written generator_config.yaml records: accepted only as the plan has them."""
_PLAN_PARAMS = {
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "context_parallel_size",
    "moe_tensor_parallel_size",
    "moe_expert_parallel_size",
    "gpus_per_worker",
}
_DERIVED = {"batch", "max_batch_size", "max_num_tokens", "max_seq_len", "nodes_per_worker"}
"""What the record tells of a worker type that settings may change."""
_SECRET = {"hf_token": "secrets are never written; name a secret that holds it in K8sConfig.hf_token_secret"}


def read_settings(
    file: Path | None = None,
    words: Iterable[str] = (),
    shortcuts: Mapping[str, Any] | None = None,
    recorded: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings that a file, ``KEY=VALUE`` words and shortcut flags make together.

    Parameters
    ----------
    recorded
        What the plan has for the keys that only a plan decides; such keys are accepted with these values.

    Raises
    ------
    InputError
        One line for each unknown key (with its nearest match) or value that is not accepted.
    """
    value: Any = {}
    if file is not None:
        value = read_document(file).value
        if not isinstance(value, dict):
            raise InputError(f"--generator-config {file}: got {shown(value)}; expected a mapping of sections")
    for word in words:
        value = _merged(value, _setting(word))
    for key, given in (shortcuts or {}).items():
        value = _merged(value, _nested(key.split("."), given))
    faults = [*_plan_faults(value, recorded or {}), *_faults(_without_plan(value), Settings, ())]
    if faults:
        raise InputError("\n".join(faults))
    return msgspec.convert(_without_plan(value), Settings)


def _setting(word: str) -> dict[str, Any]:
    key, equals, value = word.partition("=")
    if not equals or not all(key.split(".")):
        example = "params.decode.max_batch_size=80"
        raise InputError(f"--generator-set {word}: expected KEY=VALUE, such as {example}")
    parsed = parse_document(value or "null", f"--generator-set {key}").value
    return _nested(key.split("."), parsed)


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    nested = value
    for key in reversed(keys):
        nested = {key: nested}
    return typing.cast("dict[str, Any]", nested)


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}


def _without_plan(value: Mapping[str, Any]) -> dict[str, Any]:
    """Only what a user decides, and without keys that are given as nothing."""
    kept = {key: each for key, each in value.items() if key not in FROM_THE_PLAN}
    kept["DynConfig"] = _less(kept.get("DynConfig"), {"mode"})
    kept["NodeConfig"] = _less(kept.get("NodeConfig"), {"system_name"})
    params = kept.get("params")
    if isinstance(params, dict):
        kept["params"] = {role: _less(each, _PLAN_PARAMS) for role, each in params.items()}
    return {key: _less(each, set()) for key, each in kept.items() if each is not None}


def _less(section: Any, names: set[str]) -> Any:
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if key not in names and value is not None}


def _plan_faults(value: Mapping[str, Any], recorded: Mapping[str, Any]) -> Iterator[str]:
    """Keys that the plan decides, given otherwise than the plan has them."""
    for path, given in _leaves(value, ()):
        owned = path[0] in FROM_THE_PLAN or path in (("DynConfig", "mode"), ("NodeConfig", "system_name"))
        owned = owned or (path[0] == "params" and path[-1] in _PLAN_PARAMS)
        owned = owned and not (path[0] == "workers" and path[-1] in _DERIVED)
        if owned and given is not None and _at(recorded, path) != given:
            has = f"; it has {shown(_at(recorded, path))}" if _at(recorded, path) is not None else ""
            yield f"{'.'.join(path)}: the plan decides this{has}; solve with other bounds to change it"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, (*path, str(key)))
    elif path:
        yield path, value


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _faults(value: Any, kind: type[Section], path: tuple[str, ...]) -> Iterator[str]:
    where = ".".join(path) or "generator settings"
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if not isinstance(value, dict):
        yield f"{where}: got {shown(value)}; expected a mapping with the keys {', '.join(fields)}"
        return
    for key, given in value.items():
        place = ".".join((*path, str(key)))
        if key in _SECRET:
            yield f"{place}: {_SECRET[key]}"
        elif key not in fields:
            known = ", ".join(fields)
            yield f"{place}: unknown key{nearest(str(key), fields)}; the keys of {where} are {known}"
        elif isinstance(fields[key].type, type) and issubclass(fields[key].type, Section):
            yield from _faults(given, fields[key].type, (*path, key))
        else:
            yield from _value_faults(given, fields[key].type, place)


def _value_faults(given: Any, kind: Any, place: str) -> Iterator[str]:
    try:
        msgspec.convert(given, kind)
    except (msgspec.ValidationError, OverflowError):
        choices = accepted(kind)
        hint = nearest(given, choices.removeprefix("one of ").split(", ")) if isinstance(given, str) else ""
        yield f"{place}: got {shown(given)}; expected {choices}{hint}"


def accepted(kind: Any) -> str:
    """What a field accepts, in words."""
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(typing.get_args(kind))
    found = [meta.description for meta in getattr(kind, "__metadata__", ()) if meta.description]
    if found:
        return str(found[-1])
    inside = (
        accepted(arg) for arg in typing.get_args(kind) if arg is not types.NoneType and not _is_meta(arg)
    )
    return next((words for words in inside if words), "")


def _is_meta(arg: Any) -> bool:
    return isinstance(arg, msgspec.Meta)
