"""An experiment's names into the things they name: model, system, tables, profile, number formats."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter

import msgspec

from aicfg.experiments import schema
from aicfg.experiments.overrides import overridden
from aicfg.experiments.schema import Experiment
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.hardware.workload import Speculative, Workload
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.quantization import Quant, infer
from aicfg.model_specs.resolve import load_architecture


@dataclass(frozen=True)
class Case:
    """An experiment with everything that it names at hand."""

    experiment: Experiment
    """As understood: defaults filled in, names in their canonical form."""
    model: ServingModel
    seconds: float
    """What it took to get ready."""


def prepare(experiment: Experiment) -> Case:
    """Everything that ``experiment`` names.

    Raises
    ------
    InputError
        For a name that does not exist, or lengths past the model's context; the message begins with the key.
    """
    started = perf_counter()
    serving, asked = experiment.serving, experiment.workload
    with _at("profile"):
        profile = load_profile(experiment.profile)
    with _at("profile_overrides"):
        profile = overridden(profile, experiment.profile_overrides)
    mode = DataMode(serving.data_mode)
    with _at("serving.systems_paths"):
        places = Places(serving.systems_paths or (SHIPPED,))
    with _at("fleet.system"):
        system = places.load_system(experiment.fleet.system)
    with _at("model"):
        architecture = load_architecture(experiment.model, experiment.assume_family)
    _check_context(experiment, architecture)
    with _at("serving"):
        tables = places.open_tables(
            system.name, serving.backend, serving.version, required=mode is not DataMode.SOL
        )
    with _at("serving.quant"):
        quant = _quant(serving.quant, architecture, system, tables, mode)
    workload = Workload(asked.isl, asked.osl, asked.prefix)
    drafts = serving.speculative
    model = ServingModel(
        architecture,
        quant,
        workload,
        system,
        tables,
        profile,
        mode=mode,
        speculative=Speculative(drafts.nextn, drafts.kept),
        memory_fraction=serving.memory_fraction,
    )
    return Case(_understood(experiment, model), model, perf_counter() - started)


def _understood(experiment: Experiment, model: ServingModel) -> Experiment:
    """``experiment`` with every name in its canonical form and every default filled in."""
    serving, drafts = experiment.serving, model.speculative
    accepted = drafts.accepted if drafts.nextn else None
    quant: dict[str, str | None] = asdict(model.quant)
    if model.architecture.moe is None:
        quant["moe"] = serving.quant.moe  # a dense model has no experts to have a format
    return msgspec.structs.replace(
        experiment,
        fleet=msgspec.structs.replace(experiment.fleet, system=model.system.name),
        serving=msgspec.structs.replace(
            serving,
            version=model.tables.version or None,
            quant=schema.Quant(**quant),
            speculative=schema.Speculative(nextn=drafts.nextn, accepted=accepted),
        ),
    )


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
    given: schema.Quant, architecture: Architecture, system: System, tables: Tables, mode: DataMode
) -> Quant:
    """What is given, else what the checkpoint asks for; a format that was only implied follows the tables."""
    named = {name: value for name, value in msgspec.structs.asdict(given).items() if value}
    quant = Quant(**{**asdict(infer(architecture)), **named})
    return fitting_quant(architecture, quant, system, tables, mode, frozenset(named))
