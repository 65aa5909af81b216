"""An experiment's names into the things they name: model, system, tables, profile, number formats."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from time import perf_counter
from typing import Any, TypedDict

import msgspec

from aicfg.experiments.ask import schema
from aicfg.experiments.ask.capacity_rules import is_capacity
from aicfg.experiments.ask.fields import AUTO
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.solving.overrides import overridden
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.profile import Profile, load_profile
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.hardware.workload import Speculative, Workload
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import load_architecture


@dataclass(frozen=True)
class PoolModel:
    """The model as it is served on one pool of the fleet."""

    pool: int
    """Position among the fleet's pools."""
    model: ServingModel


@dataclass(frozen=True)
class Case:
    """An experiment with everything that it names at hand."""

    experiment: Experiment
    """As understood: defaults filled in, names in their canonical form."""
    models: tuple[PoolModel, ...]
    """One for each pool and choice of formats that can be priced, at least one."""
    seconds: float
    """What it took to get ready."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Pools, and formats on a pool, that cannot be priced, and why."""

    @property
    def model(self) -> ServingModel:
        """The model on the first pool: all there is where the fleet is of one system."""
        return self.models[0].model

    @cached_property
    def afresh(self) -> "Case":
        """The same over the same tables: nothing that was found out about this one is known to it."""
        models = tuple(PoolModel(each.pool, replace(each.model)) for each in self.models)
        return replace(self, models=models)


def prepare(experiment: Experiment) -> Case:
    """Everything that ``experiment`` names.

    Raises
    ------
    InputError
        For a name that does not exist, or lengths past the model's context; the message begins with the key.
    """
    started = perf_counter()
    if is_capacity(experiment):
        what = "classes, traces, headroom, profiles, spares, offers and re-planning"
        raise InputError(f"{what} are for aicfg solve")
    serving, asked = experiment.serving, experiment.workload
    with _at("profile"):
        profile = load_profile(experiment.profile)
    with _at("profile_overrides"):
        profile = overridden(profile, experiment.profile_overrides)
    with _at("serving.systems_paths"):
        places = Places(serving.systems_paths or (SHIPPED,))
    systems = [_system(places, experiment, number) for number in range(len(experiment.fleet.every))]
    with _at("model"):
        architecture = load_architecture(experiment.model, experiment.assume_family)
    _check_context(experiment, architecture)
    drafts = serving.speculative
    whole = _Whole(
        architecture=architecture,
        workload=Workload(asked.isl, asked.osl, asked.prefix),
        profile=profile,
        mode=DataMode(serving.data_mode),
        speculative=Speculative(drafts.nextn, drafts.kept),
        memory_fraction=serving.memory_fraction,
    )
    models, left_out = _models(experiment, places, systems, whole)
    understood = _understood(experiment, systems, [each.model for each in models])
    return Case(understood, tuple(models), perf_counter() - started, left_out)


class _Whole(TypedDict):
    """What the models of all pools share."""

    architecture: Architecture
    workload: Workload
    profile: Profile
    mode: DataMode
    speculative: Speculative
    memory_fraction: float | None


def _system(places: Places, experiment: Experiment, number: int) -> System:
    """The system of one pool, with the node size that the experiment gives it."""
    pool = experiment.fleet.every[number]
    with _at(experiment.fleet.key(number, "system")):
        system = places.load_system(pool.system)
    return replace(system, gpus_per_node=pool.gpus_per_node) if pool.gpus_per_node else system


def _models(
    experiment: Experiment, places: Places, systems: list[System], whole: _Whole
) -> tuple[list[PoolModel], dict[str, str]]:
    """The models of each pool; of several, those are left out that cannot be priced, unless none can."""
    serving, models, left_out = experiment.serving, list[PoolModel](), dict[str, str]()
    for number, (system, pool) in enumerate(zip(systems, experiment.fleet.every, strict=True)):
        for engine in serving.engines:
            label = [pool.label, *([engine] if len(serving.engines) > 1 else [])]
            try:
                tables = _tables(places, system, engine, serving.version, whole["mode"])
            except InputError as error:
                left_out[" ".join(label)] = str(error)
                continue
            found: dict[Quant, PoolModel] = {}
            choices = _choices(serving.quant, system, tables, whole)
            for named in choices:
                try:
                    quant = _quant(named, whole["architecture"], system, tables, whole["mode"])
                except InputError as error:
                    words = [f"{key} {named[key]}" for key in named if len(choices) > 1]
                    left_out[" ".join((*label, *words))] = str(error)
                else:
                    model = ServingModel(quant=quant, system=system, tables=tables, **whole)
                    found.setdefault(quant, PoolModel(number, model))
            models += found.values()
    if not models:
        raise InputError("; ".join(dict.fromkeys(left_out.values())))
    return models, left_out


def _tables(places: Places, system: System, engine: str, version: str | None, mode: DataMode) -> Tables:
    with _at("serving"):
        return places.open_tables(system.name, engine, version, required=mode is not DataMode.SOL)


def _choices(given: schema.Quant, system: System, tables: Tables, whole: _Whole) -> list[dict[str, str]]:
    """Every combination of the formats that are named, and of those that ``auto`` stands for."""
    named = {name: value for name, value in msgspec.structs.asdict(given).items() if value and value != AUTO}
    lists = [(value,) if isinstance(value, str) else value for value in named.values()]
    fixed = [dict(zip(named, chosen, strict=True)) for chosen in product(*lists)]
    free = frozenset(name for name, value in msgspec.structs.asdict(given).items() if value == AUTO)
    if not free:
        return fixed
    from aicfg.hardware.formats import offered

    facts = (whole["architecture"], system, tables, whole["mode"], free)
    return [{**chosen, **each} for chosen in fixed for each in offered(*facts, chosen)]


def _understood(experiment: Experiment, systems: list[System], models: list[ServingModel]) -> Experiment:
    """``experiment`` with every name in its canonical form and every default filled in.

    Where pools differ in formats or versions, what was given stays.
    """
    serving, drafts, first = experiment.serving, models[0].speculative, models[0]
    accepted = drafts.accepted if drafts.nextn else None
    quant: dict[str, Any] = msgspec.structs.asdict(serving.quant)
    for name, value in asdict(first.quant).items():
        chosen = isinstance(quant[name], tuple) or quant[name] == AUTO
        if not chosen and all(getattr(model.quant, name) == value for model in models):
            quant[name] = value
    if first.architecture.moe is None:
        given = serving.quant.moe  # a dense model has no experts to have a format
        quant["moe"] = None if given == AUTO else given
    versions = {model.tables.version for model in models}
    return msgspec.structs.replace(
        experiment,
        fleet=_named_fleet(experiment.fleet, systems),
        serving=msgspec.structs.replace(
            serving,
            version=(first.tables.version or None) if len(versions) == 1 else serving.version,
            quant=schema.Quant(**quant),
            speculative=schema.Speculative(nextn=drafts.nextn, accepted=accepted),
        ),
    )


def _named_fleet(fleet: schema.Fleet, systems: list[System]) -> schema.Fleet:
    """``fleet`` with the systems' canonical names; a pool keeps the name that it goes by."""
    if not fleet.pools:
        return msgspec.structs.replace(fleet, system=systems[0].name)
    pools = (
        msgspec.structs.replace(
            pool, system=system.name, name="" if pool.label == system.name else pool.label
        )
        for pool, system in zip(fleet.pools, systems, strict=True)
    )
    return msgspec.structs.replace(fleet, pools=tuple(pools))


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Names the key that an error is about."""
    try:
        yield
    except AicfgError as error:
        raise InputError(f"{key}: {error}") from error


def _check_context(experiment: Experiment, architecture: Architecture) -> None:
    workload, context = experiment.workload, architecture.max_position_embeddings
    tokens = workload.isl + workload.osl
    if tokens > context:
        given = f"isl + osl = {workload.isl} + {workload.osl} = {tokens} tokens"
        raise InputError(
            f"workload: got {given}; expected at most {context}, the context of {experiment.model}"
        )


def _quant(
    named: dict[str, str], architecture: Architecture, system: System, tables: Tables, mode: DataMode
) -> Quant:
    """What is given, else what the checkpoint asks for; a format that was only implied follows the tables."""
    with _at("serving.quant"):
        quant = Quant(**{**asdict(infer(architecture)), **named})
        return fitting_quant(architecture, quant, system, tables, mode, frozenset(named))
