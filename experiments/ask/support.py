"""What can be solved: model × system × engine, with the reason for each no.

A cell is decided by the tables' keys and by pricing one request on the smallest workers that hold the model,
not by solving.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import Places
from aicfg.hardware.profile import Profile
from aicfg.hardware.search import SearchSpace, curves
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import MissingDataError, Tables
from aicfg.hardware.workload import Workload
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture
from aicfg.solver.points import DEGREES

GIB = 2**30
SIZES = (1, 2, 4, 8, 16, 32, 64)
"""GPUs of a worker that are tried, the fewest first."""
STAGES = (1, 2, 4, 8)
TRIES = 16
"""Layouts that hold the model and are priced before the answer is no."""
ISL, OSL = 4000, 100
"""The request that is priced, where the model's context is no shorter."""


@dataclass(frozen=True)
class Verdict:
    """Whether one model can be solved on one system with one engine."""

    model: str
    system: str
    backend: str
    version: str | None
    """Engine version of the tables; None where there are none."""
    supported: bool
    layout: str | None = None
    """The smallest worker that was priced."""
    gpus: int | None = None
    """Its GPUs."""
    reason: str | None = None
    """Why not."""


@dataclass(frozen=True)
class Engine:
    """A serving engine on a system."""

    system: System
    backend: str
    tables: Tables | None
    """None where there are none (and some are needed)."""


def engines_of(
    places: Places, systems: Sequence[str], backends: Sequence[str], mode: DataMode
) -> tuple[Engine, ...]:
    """Every engine on every system, with its tables."""
    return tuple(
        Engine(system, backend, _tables(places, system, backend, mode))
        for system in map(places.load_system, systems)
        for backend in backends
    )


def verdicts(
    models: Sequence[str], engines: Sequence[Engine], mode: DataMode, profile: Profile
) -> Iterator[Verdict]:
    """The verdict of every model on every engine, model by model; models alike share it."""
    known: dict[tuple[Architecture, int], Verdict] = {}
    for model in models:
        try:
            architecture = load_architecture(model)
        except InputError as error:
            yield from (_no(model, engine, str(error)) for engine in engines)
            continue
        alike = replace(architecture, model="", source="")
        for number, engine in enumerate(engines):
            if (alike, number) not in known:
                known[alike, number] = _verdict(architecture, engine, mode, profile)
            yield replace(known[alike, number], model=model)


def _tables(places: Places, system: System, backend: str, mode: DataMode) -> Tables | None:
    try:
        return places.open_tables(system.name, backend, required=mode is not DataMode.SOL)
    except MissingDataError:
        return None


def _no(model: str, engine: Engine, reason: str) -> Verdict:
    version = engine.tables.version or None if engine.tables else None
    return Verdict(model, engine.system.name, engine.backend, version, False, reason=reason)


def _verdict(architecture: Architecture, engine: Engine, mode: DataMode, profile: Profile) -> Verdict:
    if engine.tables is None:
        return _no(architecture.model, engine, "no tables")
    try:
        quant = fitting_quant(architecture, infer(architecture), engine.system, engine.tables, mode)
        isl = min(ISL, architecture.max_position_embeddings - OSL)
        work = Workload(isl, OSL)
        model = ServingModel(architecture, quant, work, engine.system, engine.tables, profile, mode=mode)
        layout = _smallest(model)
    except AicfgError as error:
        return _no(architecture.model, engine, str(error))
    return Verdict(
        architecture.model,
        engine.system.name,
        engine.backend,
        engine.tables.version or None,
        True,
        layout=str(layout),
        gpus=layout.gpus,
    )


def _smallest(model: ServingModel) -> Layout:
    """The smallest layout that holds one request and can be priced.

    Raises
    ------
    AicfgError
        When there is none: what the first layout lacks that holds the model, else how much memory is missing.
    """
    reasons: list[str] = []
    least, memory_reason = np.inf, "no layout is legal"
    batch, chunk_tokens = np.array([1]), np.array([model.workload.isl])
    for layout in _layouts(model):
        memory = model.memory("agg", layout, batch, chunk_tokens)
        if not memory.fits[0]:
            if memory.total[0] < least:
                least, limit = float(memory.total[0]), float(memory.limit[0])
                usable = f"where {limit / GIB:.1f} GiB can be used"
                memory_reason = f"{layout} needs {least / GIB:.1f} GiB of a GPU, {usable}"
            continue
        reason = _unpriced(model, layout)
        if reason is None:
            return layout
        reasons.append(reason)
        if len(reasons) == TRIES:
            break
    raise InputError(reasons[0] if reasons else memory_reason)


def _unpriced(model: ServingModel, layout: Layout) -> str | None:
    """Why one request on this layout cannot be priced, or None."""
    degrees = {name: (getattr(layout, name),) for name in DEGREES}
    found, skipped = curves(model, "agg", SearchSpace(**degrees, max_batch=1), layout.gpus)
    return None if found else skipped[0].reason if skipped else f"{layout} is not searched"


def _layouts(model: ServingModel) -> Iterator[Layout]:
    """Legal workers of every kind, the smallest first, without stages before those with some."""
    most_tp = model.system.gpus_per_rack or model.system.gpus_per_node
    for size in SIZES:
        for pp in (pp for pp in STAGES if pp <= size):
            for layout in dict.fromkeys(_kinds(model.architecture, size // pp, pp)):
                legal = illegal(model.architecture, layout, model.graph("agg", layout)) is None
                if legal and (layout.tp <= most_tp or model.architecture.moe is not None):
                    yield layout


def _kinds(architecture: Architecture, ranks: int, pp: int) -> Iterator[Layout]:
    """Ways to spread a stage over its GPUs; a mixture's experts are spread, split, or spread beside dp."""
    if architecture.moe is None:
        yield Layout(tp=ranks, pp=pp)
    else:
        yield Layout(tp=ranks, pp=pp, moe_ep=ranks)
        yield Layout(tp=ranks, pp=pp, moe_tp=ranks)
        yield Layout(dp=ranks, pp=pp, moe_ep=ranks)
