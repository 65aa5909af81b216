"""The command that starts one worker's server, and its engine file."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aicfg.experiments.deploy.command import Command, Option, Ref, Word
from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.dialect import Dialect, dialect, engine_keys, exact_dialect
from aicfg.experiments.deploy.flag_values import Allowed, flag_fault, key_fault
from aicfg.experiments.deploy.release import Release
from aicfg.experiments.deploy.servers import sglang, trtllm, vllm
from aicfg.experiments.deploy.servers.wiring import Wiring
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.model_specs.errors import InputError


@dataclass(frozen=True)
class Flavour:
    """Which program serves: an engine's own server, or Dynamo's wrapper around it."""

    dialect: Dialect
    release: Release | None = None
    note: str | None = None
    """What the reader should know about the version."""

    @property
    def program(self) -> tuple[str, ...]:
        """How the server is started."""
        if self.release is not None:
            return self.release.program(self.dialect.engine)
        return tuple(self.dialect.data["program"])

    @property
    def allowed(self) -> Allowed:
        """Every flag that the program takes."""
        if self.release is None:
            return self.dialect.allowed
        own = self.release.allowed(self.dialect.engine)
        return own if self.dialect.engine == "trtllm" else {**self.dialect.allowed, **own}


@dataclass(frozen=True)
class Spot:
    """Where a server runs: what differs between workers of one kind."""

    host: Word = "127.0.0.1"
    """Its own address, as other workers reach it."""
    port: int = 8000
    bootstrap_port: int | None = None
    side_channel_port: int = 20097
    system_port: int | None = None
    wiring: Wiring | None = None
    """None for a worker that one node holds, and where an operator wires the parts."""
    config_file: str = ""
    """Path of the engine file (TensorRT-LLM)."""


def plain(worker: WorkerType, deployment: Deployment) -> Flavour:
    """The engine's own server, of the version asked for or the plan's."""
    asked = deployment.settings.generated_config_version
    if asked is not None:
        return Flavour(exact_dialect(worker.backend, asked))
    found, note = dialect(worker.backend, worker.version)
    return Flavour(found, note=note)


def dynamo(worker: WorkerType, release: Release) -> Flavour:
    """Dynamo's wrapper, with the engine that its image holds."""
    inside = release.dialect(worker.backend)
    holds = release.data["engines"][worker.backend]
    other = f"Dynamo {release.version} holds {worker.backend} {holds}, the plan was made for {worker.version}"
    return Flavour(inside, release, None if holds == worker.version else other)


def server(worker: WorkerType, deployment: Deployment, flavour: Flavour, spot: Spot) -> Command:
    """The command of a worker, or of its part on one node."""
    known = _facts(worker, flavour, spot)
    options = [*_model(deployment, flavour), *_where(worker, flavour, spot)]
    if worker.backend == "trtllm":
        options += _emitted(flavour, [("config_file", spot.config_file)])
    else:
        options += _emitted(flavour, known)
        options += _emitted_extra(worker, flavour)
    if spot.wiring is not None:
        options += _emitted(flavour, _wiring(worker, flavour, spot.wiring))
    return Command(flavour.program, tuple(options), _environment(worker, flavour, spot))


def engine_file(worker: WorkerType, deployment: Deployment, flavour: Flavour) -> dict[str, Any]:
    """TensorRT-LLM's engine file; of vLLM and SGLang the same flags, as ``--config FILE`` reads them."""
    if worker.backend == "trtllm":
        trust = {"trust_remote_code": True} if deployment.settings.service.trust_remote_code else {}
        return {**_engine_keys(worker, flavour.dialect), **trust}
    model = flavour.dialect.flags["model"] or "--model"
    content: dict[str, Any] = {model.removeprefix("--"): deployment.model}
    content["served-model-name"] = deployment.served_name
    for option in _emitted(flavour, _facts(worker, flavour, Spot())):
        flag, *values = option
        assert isinstance(flag, str)
        content[flag.removeprefix("--")] = True if not values else [*values] if len(values) > 1 else values[0]
    return {key: _typed(value) for key, value in content.items()}


def _facts(worker: WorkerType, flavour: Flavour, spot: Spot) -> list[tuple[str, Any]]:
    if worker.backend == "vllm":
        known = list(vllm.facts(worker, flavour.dialect))
        return [*known, ("role", worker.role)] if flavour.release and worker.split else known
    if worker.backend == "sglang":
        return list(sglang.facts(worker, flavour.dialect, spot.bootstrap_port))
    return list(trtllm.facts(worker, flavour.dialect))


def _wiring(worker: WorkerType, flavour: Flavour, place: Wiring) -> Iterable[tuple[str, Any]]:
    if worker.backend == "vllm":
        return vllm.wiring(worker, place, balanced=flavour.release is not None)
    return sglang.wiring(worker, place) if worker.backend == "sglang" else ()


def _environment(worker: WorkerType, flavour: Flavour, spot: Spot) -> dict[str, Word]:
    env: dict[str, Word] = {}
    if worker.backend == "vllm":
        env |= vllm.environment(worker, spot.side_channel_port, spot.host)
    if spot.system_port is not None:
        env["DYN_SYSTEM_PORT"] = str(spot.system_port)
    return env


def _model(deployment: Deployment, flavour: Flavour) -> Iterator[Option]:
    flag = flavour.dialect.flags["model"]
    yield (deployment.model,) if flag is None else (flag, deployment.model)
    yield (flavour.dialect.flag("served_model_name"), deployment.served_name)
    if deployment.settings.service.trust_remote_code and flavour.dialect.engine != "trtllm":
        yield (flavour.dialect.flag("trust_remote_code"),)


def _where(worker: WorkerType, flavour: Flavour, spot: Spot) -> Iterator[Option]:
    for name, value in (("host", "0.0.0.0"), ("port", str(spot.port))):
        flag = flavour.dialect.flags.get(name)
        if flag is not None:
            yield (flag, value)
    if flavour.release is not None and worker.backend == "trtllm" and worker.split:
        yield (flavour.dialect.flag("role"), worker.role)


def _emitted(flavour: Flavour, known: Iterable[tuple[str, Any]]) -> list[Option]:
    """Facts as flags; each is held against the server's own list."""
    options = []
    for name, value in known:
        if name in flavour.dialect.flags and flavour.dialect.flags[name] is None:
            continue
        options.append(_option(flavour.dialect.flag(name), value))
    for flag, *values in options:
        fault = flag_fault(
            str(flag), [None if isinstance(each, Ref) else each for each in values], flavour.allowed
        )
        if fault is not None:
            raise InputError(f"{flavour.dialect.engine} {flavour.dialect.version}: {fault}")
    return options


def _option(flag: str, value: Any) -> Option:
    if value is True:
        return (flag,)
    if isinstance(value, Ref | str):
        return (flag, value)
    if isinstance(value, dict):
        return (flag, json.dumps(value, sort_keys=True))
    if isinstance(value, list | tuple):
        return (flag, *(str(each) for each in value))
    return (flag, str(value))


def _emitted_extra(worker: WorkerType, flavour: Flavour) -> list[Option]:
    """The user's own flags of a role."""
    options: list[Option] = []
    where = f"params.{worker.role}.extra_args"
    for key, value in worker.params.extra_args.items():
        option = _option(key if key.startswith("-") else f"--{key}", value)
        flag, words = str(option[0]), [str(word) for word in option[1:]]
        if flag in flavour.dialect.flags.values():
            raise InputError(f"{where}: {flag}: the plan or a setting of its own decides this")
        fault = flag_fault(flag, () if value is False else words, flavour.allowed)
        if fault is not None:
            raise InputError(f"{where}: {flavour.dialect.engine} {flavour.dialect.version}: {fault}")
        options += [] if value is False else [option]
    return options


def _engine_keys(worker: WorkerType, dialect: Dialect) -> dict[str, Any]:
    keys, free = engine_keys(dialect.data["flags_file"])
    content: dict[str, Any] = {}
    given = [(dialect.keys[name], value) for name, value in trtllm.facts(worker, dialect)]
    for key, value in [*given, *worker.params.extra_args.items()]:
        fault = key_fault(key, value, keys, free)
        if fault is not None:
            raise InputError(f"trtllm {dialect.version}: {fault}")
        if (key, value) not in given and key in dialect.keys.values():
            raise InputError(f"params.{worker.role}.extra_args: {key}: the plan or a setting decides this")
        *outer, last = key.split(".")
        inside = content
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return content


def _typed(value: Any) -> Any:
    """Words of digits as numbers, for a file that people read."""
    if isinstance(value, list):
        return [_typed(each) for each in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value
