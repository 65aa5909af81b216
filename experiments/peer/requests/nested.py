"""AIConfigurator's older, nested (V1) experiment, read into flat keys."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from operator import mul
from typing import Any

from aicfg.experiments.ask.checking import shown
from aicfg.experiments.ask.document import KeyPath
from aicfg.experiments.peer.requests.keys import COMPONENTS, DEGREES
from aicfg.experiments.peer.requests.kinds import RATES, is_nothing
from aicfg.experiments.peer.requests.request import Entry
from aicfg.model_specs.errors import nearest

MARKS = (
    "mode",
    "config",
    "profiles",
    "worker_config",
    "agg_worker_config",
    "prefill_worker_config",
    "decode_worker_config",
    "replica_config",
    "advanced_tuning_config",
)
"""Any of these makes an experiment a nested one."""

TOP = (
    "serving_mode",
    "model_path",
    "total_gpus",
    "system_name",
    "backend_name",
    "backend_version",
    "database_mode",
    "isl",
    "osl",
    "prefix",
    "ttft",
    "tpot",
    "request_latency",
    "enable_wideep",
    "enable_eplb",
    "enable_chunked_prefill",
    "free_gpu_memory_fraction",
    "max_seq_len",
    "wideep_num_slots",
    "forward_model",
    "engine_step_backend",
    "profile",
)
CONFIG = ("moe_backend", "attention_backend", "wideep_num_slots")
WORKER = (
    *(f"{component}_quant_mode" for component in COMPONENTS),
    "enable_wideep",
    "enable_eplb",
)
LISTS = {"num_gpu_per_worker": "num_gpu"} | {
    f"{degree}_list": degree for degree in DEGREES if degree != "num_gpu"
}
REPLICA = {
    "num_gpu_per_replica": "num_gpu_per_replica",
    "max_gpu_per_replica": "max_gpu_per_replica",
    "max_prefill_worker": "max_prefill_workers",
    "max_decode_worker": "max_decode_workers",
}
TUNING = {
    "prefill_latency_correction_scale": "prefill_latency_correction",
    "decode_latency_correction_scale": "decode_latency_correction",
    "prefill_max_batch_size": "prefill_max_batch_size",
    "decode_max_batch_size": "decode_max_batch_size",
}
SECTIONS = {
    "worker_config": "",
    "agg_worker_config": "",
    "prefill_worker_config": "prefill_",
    "decode_worker_config": "decode_",
}
"""Sections of workers, and the prefix of their flat keys."""

PRESETS = {
    "fp8": ("fp8", "fp8", "fp8", "fp8", "half"),
    "fp8_static": ("fp8_static", "fp8", "fp8", "fp8", "half"),
    "bfloat16": ("bfloat16", "bfloat16", "bfloat16", "bfloat16", "half"),
    "nvfp4": ("nvfp4", "nvfp4", "fp8", "fp8", "half"),
    "mxfp4": ("bfloat16", "w4a16_mxfp4", "bfloat16", "bfloat16", "half"),
}
"""Formats of gemm, moe, kvcache, fmha and comm by the name in ``profiles`` (fact: AIConfigurator 0.12.0)."""

ACCEPTANCE = (0.85, 0.3, 0.0, 0.0, 0.0)
"""Shares of the drafts that are kept, where a nested experiment drafts and does not say."""

_OWN = "mode", "decode_system_name", "profiles", "config"


class Faults(list[tuple[KeyPath, str]]):
    """What is wrong, with where."""


def is_nested(body: Mapping[str, Any]) -> bool:
    """Whether an experiment is in the nested form."""
    return any(mark in body for mark in MARKS)


def entries(body: Mapping[str, Any], root: KeyPath, faults: Faults) -> Iterator[Entry]:
    """The flat keys of a nested experiment; what is wrong with its structure goes to ``faults``."""
    disagg = body.get("serving_mode") == "disagg"
    for key in sorted(body, key=lambda name: name != "profiles"):  # what a section says overrides a preset
        value, path = body[key], (*root, key)
        if key in TOP or key == "decode_system_name":
            yield Entry(key, value, path)
        elif key == "mode":
            _check_mode(value, path, faults)
        elif key == "profiles":
            yield from _presets(value, path, faults)
        elif key == "config":
            yield from _config(value, path, faults, disagg)
        elif key in SECTIONS or key in ("replica_config", "advanced_tuning_config"):
            faults.append((path, f"belongs inside config: write config: {{{key}: …}}"))
        else:
            faults.append((path, f"unknown key{nearest(key, (*TOP, *_OWN))}"))


def _check_mode(value: Any, path: KeyPath, faults: Faults) -> None:
    if not is_nothing(value) and value not in ("patch", "replace"):
        faults.append((path, f"got {shown(value)}; expected patch or replace"))


def _presets(value: Any, path: KeyPath, faults: Faults) -> Iterator[Entry]:
    if is_nothing(value) or value == []:
        return
    if not isinstance(value, list) or len(value) != 1 or value[0] not in PRESETS:
        close = nearest(str(value[0]), PRESETS) if isinstance(value, list) and len(value) == 1 else ""
        faults.append((path, f"got {shown(value)}; expected a list of one of {', '.join(PRESETS)}{close}"))
        return
    for component, name in zip(COMPONENTS, PRESETS[value[0]], strict=True):
        yield Entry(f"{component}_quant_mode", name, path)


def _config(value: Any, path: KeyPath, faults: Faults, disagg: bool) -> Iterator[Entry]:
    drafts: dict[str, Any] = {}
    for key, inner in _mapping(value, path, faults):
        place = (*path, key)
        if key in ("nextn", "nextn_accept_rates"):
            drafts[key] = inner
        elif key in CONFIG:
            yield Entry(key, inner, place)
        elif key in SECTIONS:
            yield from _section(key, inner, place, faults, disagg)
        elif key == "replica_config":
            yield from _renamed(inner, place, faults, REPLICA)
        elif key == "advanced_tuning_config":
            yield from _renamed(inner, place, faults, TUNING)
        else:
            known = (
                "nextn",
                "nextn_accept_rates",
                *CONFIG,
                *SECTIONS,
                "replica_config",
                "advanced_tuning_config",
            )
            faults.append((place, f"unknown key{nearest(key, known)}"))
    yield from _drafts(drafts, path, faults)


def _section(name: str, value: Any, path: KeyPath, faults: Faults, disagg: bool) -> Iterator[Entry]:
    prefix, role = SECTIONS[name], SECTIONS[name] or "agg_"
    if disagg != bool(prefix) and not is_nothing(value):
        wanted = "prefill_worker_config and decode_worker_config" if disagg else "worker_config"
        faults.append((path, f"not a section of this serving_mode; expected {wanted}"))
        return
    for key, inner in _mapping(value, path, faults):
        place = (*path, key)
        if key in LISTS:
            yield Entry(f"{role}{LISTS[key]}_candidates", inner, place)
        elif key in WORKER:
            yield Entry(f"{prefix}{key}", inner, place)
        else:
            faults.append((place, f"unknown key{nearest(key, (*LISTS, *WORKER))}"))


def _renamed(value: Any, path: KeyPath, faults: Faults, names: Mapping[str, str]) -> Iterator[Entry]:
    for key, inner in _mapping(value, path, faults):
        if key in names:
            yield Entry(names[key], inner, (*path, key))
        else:
            faults.append(((*path, key), f"unknown key{nearest(key, names)}"))


def _mapping(value: Any, path: KeyPath, faults: Faults) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif not is_nothing(value):
        faults.append((path, f"got {shown(value)}; expected a mapping"))


def _drafts(drafts: Mapping[str, Any], path: KeyPath, faults: Faults) -> Iterator[Entry]:
    """Draft tokens, and the shares of them that are kept folded into their mean: Σᵢ ∏ⱼ≤ᵢ pⱼ."""
    nextn, rates = drafts.get("nextn"), drafts.get("nextn_accept_rates")
    if not is_nothing(nextn):
        yield Entry("nextn", nextn, (*path, "nextn"))
    try:
        shares = ACCEPTANCE if is_nothing(rates) else RATES.read(rates)
    except (ValueError, TypeError):
        faults.append(((*path, "nextn_accept_rates"), f"got {shown(rates)}; expected {RATES.words}"))
        return
    if isinstance(nextn, int) and not isinstance(nextn, bool) and 0 < nextn <= len(shares):
        yield Entry("nextn_accepted", sum(accumulate(shares[:nextn], mul)), (*path, "nextn_accept_rates"))
