"""The solver's bounds by the experiment's keys: in its units, and replaced in an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from aicfg.experiments.ask.schema import Experiment, Load
from aicfg.experiments.solving.assemble import MICRO, NS_PER_MS
from aicfg.solver.names import pool_names
from aicfg.solver.points import Ask

GIB = 2**30
LOAD = "load.requests_per_s"
MEMORY = "memory_gib"


@dataclass(frozen=True)
class Bound:
    """One bound of an experiment."""

    key: str
    """Its key; ``memory_gib`` is the memory of a GPU, which the experiment cannot change."""
    per_unit: float
    """The solver's integers in one unit of the key."""
    unit: str
    """Of a price: tokens/s per ms, per GPU; empty for a constraint of the user's own."""

    @property
    def is_text(self) -> bool:
        """Whether it is a constraint of the user's own: a text, not a number."""
        return not self.unit


def bounds_of(experiment: Experiment, ask: Ask) -> Mapping[str, Bound]:
    """Each bound by the solver's name, in the order in which they are told."""
    fixed = {
        "ttft": Bound("sla.ttft_ms", NS_PER_MS, "ms"),
        "tpot": Bound("sla.tpot_ms", NS_PER_MS, "ms"),
        "request_latency": Bound("sla.request_latency_ms", NS_PER_MS, "ms"),
        "memory": Bound(MEMORY, GIB, "GiB"),
        "load": Bound(LOAD, MICRO, "request/s"),
    }
    pools = {
        f"gpus({name})": Bound(experiment.fleet.key(number, "gpus"), 1, "GPU")
        for number, name in enumerate(pool_names(ask))
    }
    own = {f"user({n + 1})": Bound(f"constraints[{n}]", 1, "") for n in range(len(experiment.constraints))}
    return fixed | pools | own


def with_bound(experiment: Experiment, key: str, value: float | str) -> Experiment:
    """``experiment`` with the bound at ``key`` replaced; an own constraint by another text, or by none."""
    replace = msgspec.structs.replace
    if key == MEMORY:
        return experiment
    if key == LOAD:
        return replace(experiment, load=Load(requests_per_s=float(value)))
    if key.startswith("constraints["):
        texts = [
            str(value) if key == f"constraints[{n}]" else old for n, old in enumerate(experiment.constraints)
        ]
        return replace(experiment, constraints=tuple(text for text in texts if text))
    if key.endswith(".gpus"):
        return replace(experiment, fleet=_with_gpus(experiment, key, int(value)))
    changes: dict[str, Any] = {key.removeprefix("sla."): value}
    return replace(experiment, sla=replace(experiment.sla, **changes))


def _with_gpus(experiment: Experiment, key: str, gpus: int) -> Any:
    fleet = experiment.fleet
    if not fleet.pools:
        return msgspec.structs.replace(fleet, gpus=gpus)
    pools = (
        msgspec.structs.replace(pool, gpus=gpus) if fleet.key(number, "gpus") == key else pool
        for number, pool in enumerate(fleet.pools)
    )
    return msgspec.structs.replace(fleet, pools=tuple(pools))
