"""The smallest layout that holds a model: a rule of thumb, no search and no agreement."""

from dataclasses import dataclass
from math import ceil
from typing import Any

from aicfg.experiments.api import solve
from aicfg.experiments.peer.requests.translate import Settings
from aicfg.experiments.plans.plan import Plan
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.system import System
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import AicfgError
from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import weight_bytes

GIB = 2.0**30
ROOM = 1.5
"""A worker's memory over that of its weights, at the least: room for the KV cache and activations."""
MOST = 1024


class DoesNotFitError(AicfgError):
    """No layout within the budget holds the model; the message says what would."""


@dataclass(frozen=True)
class Naive:
    """The layout, and the arithmetic behind it."""

    model: str
    system: str
    tp: int
    pp: int
    replicas: int
    gpus_used: int
    weights_gib: float
    memory_gib: float
    """Of one GPU."""

    @property
    def gpus_per_worker(self) -> int:
        """GPUs of one worker."""
        return self.tp * self.pp

    @property
    def parallelism(self) -> dict[str, int]:
        """The part that AIConfigurator's result calls ``parallelism``."""
        names = ("tp", "pp", "replicas", "gpus_used")
        return {name: getattr(self, name) for name in names} | {"gpus_per_worker": self.gpus_per_worker}


def naive(model: str, total_gpus: int, system: str, settings: Settings, force: bool = False) -> Naive:
    """The smallest worker whose GPUs hold ``ROOM`` times the weights, as often as the budget has room for.

    Tensor parallelism up to a node (or a rack with one network of fast links), pipeline stages beyond.

    Parameters
    ----------
    force
        One worker all the same where it takes more GPUs than ``total_gpus``.

    Raises
    ------
    DoesNotFitError
        When that takes more GPUs than there are, and without ``force``; when no number of them is enough.
    """
    architecture = load_architecture(model, settings.assume_family)
    place = Places(settings.systems_paths or (SHIPPED,)).load_system(system)
    weights = weight_bytes(operations(architecture, Layout(), "prefill"), infer(architecture)) / GIB
    memory = place.memory_bytes / GIB
    needed = _smallest(architecture, place, weights, memory)
    if needed is None or (needed.gpus > total_gpus and not force):
        raise DoesNotFitError(_refusal(model, weights, memory, needed, total_gpus))
    replicas = max(1, total_gpus // needed.gpus)
    return Naive(
        model=model,
        system=place.name,
        tp=needed.tp,
        pp=needed.pp,
        replicas=replicas,
        gpus_used=replicas * needed.gpus,
        weights_gib=weights,
        memory_gib=memory,
    )


def _sizes(architecture: Architecture, system: System) -> list[Layout]:
    """Legal workers by size, with as few stages as their size allows."""
    most_tp = system.gpus_per_rack or system.gpus_per_node
    found, gpus = [], 1
    while gpus <= MOST:
        tp = min(gpus, most_tp)
        layout = Layout(tp=tp, pp=gpus // tp)
        moe = architecture.moe is not None
        kinds = (Layout(tp, gpus // tp, moe_ep=tp), Layout(tp, gpus // tp, moe_tp=tp)) if moe else (layout,)
        if any(illegal(architecture, each) is None for each in kinds):
            found.append(layout)
        gpus *= 2
    return found


def _smallest(architecture: Architecture, system: System, weights: float, memory: float) -> Layout | None:
    return next((each for each in _sizes(architecture, system) if each.gpus * memory > ROOM * weights), None)


def _refusal(model: str, weights: float, memory: float, needed: Layout | None, total_gpus: int) -> str:
    have = f"{total_gpus} GPUs of {memory:.0f} GiB have {total_gpus * memory:,.0f} GiB"
    wanted = (
        f"{model} has {weights:,.0f} GiB of weights, and with room for its KV cache takes {ROOM:g} times that"
    )
    if needed is None:
        return f"{wanted}; {have}, and no layout of up to {MOST} GPUs holds it"
    stages = f" pp {needed.pp}" if needed.pp > 1 else ""
    least = ceil(ROOM * weights / memory)
    enough = f"{needed.gpus} GPUs (tp {needed.tp}{stages}; at least {least} by memory)"
    return f"{wanted}; {have}: it would fit {enough}"


def experiment_of(found: Naive, backend: str, settings: Settings) -> dict[str, Any]:
    """The layout as an experiment of our own: its batch is what memory holds, whatever the latency.

    It rests on the speed of light, which needs no tables: a layout that was not measured is written as well.
    """
    return {
        "name": "naive",
        "model": found.model,
        "workload": {"isl": 4000, "osl": 1000},
        "fleet": {"system": found.system, "gpus": found.gpus_used},
        "serving": {
            "backend": backend,
            "mode": "agg",
            "data_mode": "sol",
            **({"systems_paths": list(settings.systems_paths)} if settings.systems_paths else {}),
            "search": {"agg": {"tp": [found.tp], "pp": [found.pp]}},
        },
        "profile": settings.profile,
        **({"assume_family": settings.assume_family} if settings.assume_family else {}),
    }


def solved(found: Naive, backend: str, settings: Settings) -> Plan:
    """The plan that serves with this layout."""
    return solve(experiment_of(found, backend, settings), explain=False)
