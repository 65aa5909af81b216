"""Prefill and decode workers of different kinds: two pools of GPUs, two sets of number formats.

Our schema states them as choices and constraints: a fleet of two pools that share one budget, lists of
formats, and for each role the constraint that picks its own. Caches go from prefill to decode, so the
engine is one and the cache has one format.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aicfg.experiments.peer.requests.keys import COMPONENTS
from aicfg.experiments.peer.requests.request import Request
from aicfg.model_specs.errors import InputError

_AS_IT_IS = "prefill hands its cache to decode as it is"
Formats = dict[str, dict[str, str]]
"""Number formats by role and component."""

POOLS = {"prefill": "prefill_gpus", "decode": "decode_gpus"}
"""Names of the two pools."""


def same(request: Request, key: str, why: str = "") -> Any:
    """The value that all roles share.

    Raises
    ------
    InputError
        Where they differ.
    """
    values = [request.of(role, key) for role in request.roles]
    values = [None if value == "current" else value for value in values]
    if len(set(values)) > 1:
        both = " and ".join(f"{role} {value}" for role, value in zip(request.roles, values, strict=True))
        raise InputError(f"{request.name}: {key}: got {both}; {why or 'expected the same for both'}")
    return values[0]


def has_two_systems(request: Request) -> bool:
    """Whether prefill and decode run on different GPU systems."""
    return len({request.of(role, "system_name") for role in request.roles}) > 1


def fleet(request: Request, gpus: int) -> dict[str, Any]:
    """The GPUs of an experiment; of two systems, as many of each as there are in all."""
    if not has_two_systems(request):
        return {"system": request.of(request.roles[0], "system_name"), "gpus": gpus}
    systems = {role: request.of(role, "system_name") for role in request.roles}
    return {
        "pools": [{"name": POOLS[role], "system": system, "gpus": gpus} for role, system in systems.items()]
    }


def formats(request: Request, systems_paths: Sequence[str] | None = None) -> Formats:
    """Number formats as given; where the roles differ, what fits the model and GPUs fills the gaps."""
    given = {
        role: {name: value for name in COMPONENTS if (value := request.of(role, f"{name}_quant_mode"))}
        for role in request.roles
    }
    if len({tuple(each.items()) for each in given.values()}) == 1:
        return given
    named = {name for each in given.values() for name in each}
    fitted = {role: _fitted(request, role, own, systems_paths) for role, own in given.items()}
    return {
        role: {name: each[name] for name in sorted(named) if name in each} for role, each in fitted.items()
    }


def _fitted(
    request: Request, role: str, own: Mapping[str, str], systems_paths: Sequence[str] | None
) -> dict[str, str]:
    """Every format of one role's workers; a dense model has none of experts."""
    from dataclasses import asdict

    from aicfg.experiments.ask.loader import load
    from aicfg.experiments.solving.prepare import prepare

    serving: dict[str, Any] = {"backend": request.of(role, "backend_name"), "quant": dict(own)}
    serving["data_mode"] = request.get("database_mode").lower()
    if systems_paths:
        serving["systems_paths"] = list(systems_paths)
    plain = {
        "model": request.of(role, "model_path"),
        "workload": {key: request.get(key) for key in ("isl", "osl", "prefix")},
        "fleet": {"system": request.of(role, "system_name"), "gpus": 1},
        "serving": serving,
    }
    model = prepare(load(plain)[0]).model
    found: dict[str, str] = asdict(model.quant)
    return found if model.architecture.moe else {name: each for name, each in found.items() if name != "moe"}


def quant(request: Request, own: Formats) -> dict[str, Any]:
    """Number formats as the experiment's choices: one of each component, or one a role.

    Raises
    ------
    InputError
        Where the roles' caches would differ.
    """
    caches = {each.get("kvcache") for each in own.values()}
    if len(caches) > 1:
        both = " and ".join(sorted(map(str, caches)))
        raise InputError(f"{request.name}: kvcache_quant_mode: got {both}; {_AS_IT_IS}")
    return {name: values[0] if len(values) == 1 else values for name, values in _choices(own).items()}


def _choices(own: Formats) -> dict[str, list[str]]:
    names = next(iter(own.values()))
    return {name: list(dict.fromkeys(each[name] for each in own.values())) for name in names}


def told_apart(own: Formats) -> list[str]:
    """Components whose format is another one in each role."""
    return [name for name, values in _choices(own).items() if len(values) > 1]


def constraints(request: Request, own: Formats, gpus: int) -> Iterator[str]:
    """What makes each role choose its own pool and formats, of ``gpus`` in all."""
    if has_two_systems(request):
        yield f"gpus <= {gpus}"
        yield from (f"{role}.pool == '{POOLS[role]}'" for role in request.roles)
    for name in told_apart(own):
        yield from (f"{role}.quant.{name} == '{each[name]}'" for role, each in own.items())
