"""Descriptions of GPU systems that did not come with aicfg: checked before they are used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aicfg.hardware.system import System, read_description, system_of
from aicfg.model_specs.errors import InputError, nearest

OPTIONAL = ("aliases", "sm", "gpus_per_rack", "inter_rack_bytes_per_s", "default_versions")
UNREAD = ("inter_rack_latency_ms", "oneccl_version")
"""Facts that an import writes and no formula reads."""
MAY_BE_ZERO = (
    "sm",
    "gpus_per_rack",
    "inter_rack_bytes_per_s",
    "memory_latency_ms",
    "p2p_latency_ms",
    "other_memory_bytes",
)
TEXTS = ("name", "nccl_version")
TABLES = {
    "flops": ("bfloat16", "fp8", "int8", "fp4", "float32"),
    "nccl_memory_bytes": None,
    "default_versions": None,
}


def load_description(path: Path) -> System:
    """The system that a file describes.

    Raises
    ------
    InputError
        With one line for each fault.
    """
    import yaml

    try:
        facts = read_description(path)
    except yaml.YAMLError as reason:
        raise InputError(f"{path}: not YAML ({' '.join(str(reason).split())})") from None
    if not isinstance(facts, dict):
        raise InputError(f"{path}: expected a mapping of facts, such as memory_bytes: 85899345920")
    return sound_system(facts, path)


def sound_system(facts: dict[str, Any], path: Path) -> System:
    """The system that ``facts`` from ``path`` describe; InputError with one line for each fault."""
    faults = list(description_faults(facts))
    if facts.get("name", path.stem) != path.stem:
        faults.append(f"name is {facts['name']!r}; expected {path.stem!r}, as the file is called")
    if faults:
        raise InputError("\n".join(f"{path}: {fault}" for fault in faults))
    return system_of(facts)


def description_faults(facts: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a description's facts: keys missing or unknown, values out of their range."""
    known = tuple(System.__dataclass_fields__)
    for key in known:
        if key not in facts and key not in OPTIONAL:
            yield f"no {key}{nearest(key, (given for given in facts if given not in known))}"
    for key, value in facts.items():
        if key not in (*known, *UNREAD):
            yield f"unknown fact {key!r}{nearest(str(key), known)}"
        elif key in ("flops", "nccl_memory_bytes", "default_versions"):
            yield from _mapping_faults(key, value)
        elif key in TEXTS:
            if not isinstance(value, str) or not value:
                yield f"{key} is {value!r}; expected a text"
        elif key not in ("aliases", *UNREAD):
            yield from _number_faults(key, value, zero=key in MAY_BE_ZERO)
    if isinstance(share := facts.get("memory_efficiency"), float) and share > 1.0:
        yield f"memory_efficiency is {share}; expected a share of the bandwidth, at most 1"


def _mapping_faults(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{key} is {value!r}; expected a mapping"
        return
    if key == "default_versions":
        return
    allowed = TABLES[key]
    for name, number in value.items():
        if allowed is not None and name not in allowed:
            close = nearest(str(name), allowed)
            yield f"{key}: unknown arithmetic {name!r}{close} (known: {', '.join(allowed)})"
        yield from _number_faults(f"{key}.{name}", number, zero=key == "nccl_memory_bytes")
    if key == "nccl_memory_bytes" and 1 not in value:
        yield "nccl_memory_bytes: no entry for 1 GPU"
    if key == "flops" and "bfloat16" not in value:
        yield "flops: no bfloat16"


def _number_faults(key: str, value: Any, zero: bool) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "; YAML reads 1e9 as a text: write 1.0e+9" if isinstance(value, str) and "e" in value else ""
        yield f"{key} is {value!r}; expected a number{hint}"
    elif not (value >= 0 if zero else value > 0):
        yield f"{key} is {value}; expected {'0 or more' if zero else 'more than 0'}"
