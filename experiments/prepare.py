"""An experiment's names into the things they name: model, system, tables, profile, number formats."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter

import msgspec

from aicfg.experiments import schema
from aicfg.experiments.schema import Experiment
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Tables, open_tables
from aicfg.hardware.workload import Workload
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
    with _at("fleet.system"):
        system = load_system(experiment.fleet.system)
    with _at("model"):
        architecture = load_architecture(experiment.model)
    _check_context(experiment, architecture)
    with _at("serving"):
        tables = open_tables(system.name, serving.backend, serving.version)
    with _at("serving.quant"):
        quant = _quant(serving.quant, architecture, tables)
    workload = Workload(asked.isl, asked.osl, asked.prefix)
    understood = msgspec.structs.replace(
        experiment,
        fleet=msgspec.structs.replace(experiment.fleet, system=system.name),
        serving=msgspec.structs.replace(serving, version=tables.version, quant=schema.Quant(**asdict(quant))),
    )
    model = ServingModel(architecture, quant, workload, system, tables, profile)
    return Case(understood, model, perf_counter() - started)


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


def _quant(given: schema.Quant, architecture: Architecture, tables: Tables) -> Quant:
    """What is given, else what the checkpoint asks for; a format that was only implied follows the tables."""
    inferred = infer(architecture)
    named = {name: value for name, value in msgspec.structs.asdict(given).items() if value}
    quant = Quant(**{**asdict(inferred), **named})
    fitting = fitting_quant(quant, inferred, tables)
    if given.fmha and fitting.fmha != quant.fmha:
        measured = f"measured there: {fitting.fmha}"
        raise InputError(
            f"fmha {given.fmha!r} has no table on {tables.system}, {tables.backend} ({measured})"
        )
    return fitting
