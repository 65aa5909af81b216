"""From AIConfigurator's vocabulary to an experiment of our own: there is one solver and one schema."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.experiments.peer.requests import roles
from aicfg.experiments.peer.requests.keys import AFD_PREFIX, DEGREES, KEYS, ROLE_KEYS, WORKER_KEYS
from aicfg.experiments.peer.requests.replicas import allowed_sizes, limit_constraints, sizes_of
from aicfg.experiments.peer.requests.request import Request
from aicfg.model_specs.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What holds for all experiments of one call."""

    profile: str = DEFAULT_PROFILE
    systems_paths: tuple[str, ...] | None = None
    assume_family: str | None = None


@dataclass(frozen=True)
class Translation:
    """An experiment in our own schema, and what of the request it could not take along."""

    experiments: tuple[dict[str, Any], ...]
    """Plain mappings: one, or one for each size that a replica may have where none is the whole budget."""
    formats: roles.Formats
    """Number formats that are given, by role and component."""
    notes: tuple[str, ...] = ()
    """What was asked for and is not modelled."""
    deployment: dict[str, Any] = field(default_factory=dict)
    """Settings that concern the deployment files alone, in AIConfigurator's names."""


def translate(request: Request, settings: Settings) -> Translation:
    """The experiment that answers ``request``.

    Raises
    ------
    InputError
        For what our schema cannot state.
    """
    own = roles.formats(request, settings.systems_paths)
    whole: dict[str, Any] = {
        "name": _name(request.name),
        "model": request.of(request.roles[0], "model_path"),
        "workload": {key: request.get(key) for key in ("isl", "osl", "prefix")},
        "sla": _sla(request),
        "fleet": {},
        "serving": _serving(request, settings, own),
        "profile": request.values.get("profile", settings.profile),
    }
    if overrides := _overrides(request):
        whole["profile_overrides"] = overrides
    if settings.assume_family:
        whole["assume_family"] = settings.assume_family
    sizes = sizes_of(request)
    experiments = tuple(_of_size(request, own, whole, size, len(sizes)) for size in sizes)
    return Translation(experiments, own, tuple(_notes(request)), _deployment(request))


def narrowed(request: Request, translation: Translation) -> Iterator[dict[str, Any]]:
    """The experiment for every size of a replica, with its limits on workers."""
    for gpus in allowed_sizes(request):
        plain = _of_size(request, translation.formats, translation.experiments[0], gpus, 1)
        yield {**plain, "constraints": [*plain.get("constraints", ()), *limit_constraints(request)]}


def _of_size(
    request: Request, formats: roles.Formats, whole: dict[str, Any], gpus: int, among: int
) -> dict[str, Any]:
    name = whole["name"] if among == 1 else f"{whole['name'][:90]}-{gpus}gpus"
    own = list(roles.constraints(request, formats, gpus))
    sized = {**whole, "name": name, "fleet": roles.fleet(request, gpus)}
    return {**sized, "constraints": own} if own else sized


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip("._+-")[:100] or "experiment"


def _sla(request: Request) -> dict[str, float]:
    ttft, tpot = request.bound("ttft"), request.bound("tpot")
    latency = request.bound("request_latency")
    if ttft is not None and latency is not None and ttft >= latency:
        ttft = None  # a request that ends in time has its first token in time
    bounds = {"ttft_ms": ttft, "tpot_ms": tpot, "request_latency_ms": latency}
    return {key: value for key, value in bounds.items() if value is not None}


def _serving(request: Request, settings: Settings, own: roles.Formats) -> dict[str, Any]:
    serving: dict[str, Any] = {
        "backend": roles.same(request, "backend_name", "a cache goes to decode of the same engine"),
        "mode": request.mode,
        "data_mode": request.get("database_mode").lower(),
    }
    version = roles.same(request, "backend_version")
    if version not in (None, "current"):
        serving["version"] = _version(version)
    if settings.systems_paths:
        serving["systems_paths"] = list(settings.systems_paths)
    if quant := roles.quant(request, own):
        serving["quant"] = quant
    if request.get("nextn"):
        serving["speculative"] = _drafts(request)
    if request.get("free_gpu_memory_fraction"):
        serving["memory_fraction"] = request.get("free_gpu_memory_fraction")
    if search := {role: found for role in request.roles if (found := _search(request, role))}:
        serving["search"] = search
    return serving


def _version(version: str) -> str:
    if version in ("previous", "next"):
        raise InputError(f"backend_version: got {version!r}; only the current version's tables are shipped")
    return version


def _drafts(request: Request) -> dict[str, Any]:
    nextn, accepted = request.get("nextn"), request.get("nextn_accepted")
    if nextn == "auto":
        from aicfg.model_specs.resolve import load_architecture

        nextn = load_architecture(request.of(request.roles[0], "model_path")).nextn
        if nextn and accepted is None:
            raise InputError(f"nextn: auto means {nextn} for this model; give nextn_accepted beside it")
    return {"nextn": nextn, "accepted": accepted} if nextn else {"nextn": 0}


def _search(request: Request, role: str) -> dict[str, Any]:
    lists = ((ours, request.get(f"{role}_{name}_candidates")) for name, ours in DEGREES.items())
    search: dict[str, Any] = {ours: list(values) for ours, values in lists if values}
    if request.get("moe_backend") == "deepep_moe":
        search.setdefault("moe_tp", [1])  # that exchange has no split experts
    if role == "agg":
        return search | ({"chunk_tokens": "auto"} if request.get("enable_chunked_prefill") else {})
    most = request.get(f"{role}_max_batch_size")
    return search | ({"max_batch": most} if most else {})


def _overrides(request: Request) -> dict[str, Any]:
    """Coefficients of the performance model that the request replaces, in the names of a profile."""
    places = {
        "prefill_latency_correction": ("phases", "prefill_correction"),
        "decode_latency_correction": ("phases", "decode_correction"),
        "rate_match_prefill_degradation": ("disaggregated", "prefill_rate_efficiency"),
        "rate_match_decode_degradation": ("disaggregated", "decode_rate_efficiency"),
        "autoscale_ttft_correction_factor": ("disaggregated", "ttft_factor"),
    }
    changes: dict[str, Any] = {}
    for key, (part, name) in places.items():
        value = request.get(key)
        if value is not None:
            changes.setdefault(part, {})[name] = value
    return changes


def _notes(request: Request) -> Iterator[str]:
    """What was asked for beyond its default and has no part in the model."""
    given = []
    for name, value in request.values.items():
        if name.startswith(AFD_PREFIX):
            given.append(name)
        elif KEYS[name].use == "not modelled" and value != _default(name):
            given.append(f"{name} {_shown(value)}")
    if given:
        yield f"not modelled: {', '.join(given)}"


def _default(name: str) -> Any:
    return WORKER_KEYS[name.partition("_")[2]].default if name in ROLE_KEYS else KEYS[name].default


def _shown(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _deployment(request: Request) -> dict[str, Any]:
    return {
        name: value for name, value in request.values.items() if name in KEYS and KEYS[name].use == "deployed"
    }


def flat(request: Request, settings: Settings) -> dict[str, Any]:
    """The request as plain flat keys that ``aicfg exp`` reads again to the same result."""
    plain: dict[str, Any] = {}
    for name, value in request.values.items():
        if isinstance(value, tuple):
            plain[name] = list(value)
        else:
            plain[name] = "none" if value == math.inf else value
    for name in ("isl", "osl", "prefix", "ttft", "tpot", "database_mode"):
        plain.setdefault(name, KEYS[name].default)
    return plain | {"profile": request.values.get("profile", settings.profile)}
