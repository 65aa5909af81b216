"""Whether a server takes a flag with a value, by its own list of flags."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aicfg.model_specs.errors import nearest

Allowed = Mapping[str, Mapping[str, Any]]

_INTEGERS = frozenset({"int", "nullable_int", "positive_int", "nonneg_int"})
_FLOATS = frozenset({"float", "nullable_float"})
_HUMAN = re.compile(r"-?\d+(\.\d+)?([kKmMgGtT]i?)?|auto")
_NEGATIVE = re.compile(r"-\d+(\.\d+)?")


def flag_fault(flag: str, values: Sequence[str | None], allowed: Allowed) -> str | None:
    """What is wrong with ``flag`` and its values, in words; None when the server takes them.

    A value of None is one that only the machine knows where the command runs.
    """
    option = allowed.get(flag)
    if option is None:
        return f"unknown flag {flag}{nearest(flag, allowed)}"
    if option.get("takes_value") is False:
        return f"{flag} takes no value" if values else None
    if not values and option.get("nargs") not in ("?", "*"):
        return f"{flag} needs a value"
    if len(values) > 1 and option.get("nargs") not in ("+", "*", "...", "A..."):
        return f"{flag} takes one value, {len(values)} are given"
    faults = (_value_fault(value, option) for value in values if value is not None)
    fault = next((each for each in faults if each), None)
    return fault and f"{flag}: {fault}"


def key_fault(key: str, value: Any, keys: Allowed, free: Sequence[str]) -> str | None:
    """The same for a dotted key of TensorRT-LLM's engine file."""
    if any(key == each or key.startswith(f"{each}.") for each in free):
        return None
    if key not in keys:
        return f"unknown key {key}{nearest(key, keys)}"
    kind, choices = keys[key]["type"], keys[key].get("choices")
    if value is None:
        return None if keys[key]["optional"] else f"{key}: nothing is given"
    if choices and isinstance(value, str) and value not in choices:
        return f"{key}: got {value!r}; expected one of {', '.join(choices)}"
    return None if _is_of(value, kind) else f"{key}: got {value!r}; expected {kind}"


def values_after(words: Sequence[str], start: int) -> int:
    """Where the values that begin at ``start`` end: at the next flag."""
    end = start
    while end < len(words) and (not words[end].startswith("-") or _NEGATIVE.fullmatch(words[end])):
        end += 1
    return end


def _value_fault(value: str, option: Mapping[str, Any]) -> str | None:
    kind = str(option.get("type", "str")).lower().removeprefix("optional_")
    choices = [str(choice) for choice in option.get("choices") or ()]
    if choices:
        return None if value in choices else f"got {value!r}; expected one of {', '.join(choices)}"
    if kind in _INTEGERS and not re.fullmatch(r"[+-]?\d+", value):
        return f"got {value!r}; expected a whole number"
    if "human" in kind and not _HUMAN.fullmatch(value):
        return f"got {value!r}; expected a number"
    if kind in _FLOATS and not _is_number(value):
        return f"got {value!r}; expected a number"
    if ("json" in kind or "dataclass" in kind or kind == "dict") and not _is_json(value):
        return f"got {value[:60]!r}; expected JSON"
    return f"got {value!r}, which means nothing" if value.casefold() in ("", "none", "null", "nan") else None


def _is_number(value: str) -> bool:
    try:
        return float(value) == float(value)
    except ValueError:
        return False


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _is_of(value: Any, kind: str) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    known = {
        "int": whole,
        "float": whole or isinstance(value, float),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
    }
    return known.get(kind, isinstance(value, list) if kind.startswith("list") else True)
