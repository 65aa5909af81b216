"""Every layout that a model can have on an engine, out of given parallel degrees."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.families import illegal
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout

WorkerRole = Literal["agg", "prefill", "decode"]


@dataclass(frozen=True, slots=True)
class Degrees:
    """Values that each parallel degree may take, and the sizes a worker may have."""

    gpus: tuple[int, ...]
    """GPUs of one worker."""
    tp: tuple[int, ...]
    pp: tuple[int, ...] = (1,)
    dp: tuple[int, ...] = (1,)
    cp: tuple[int, ...] = (1,)
    moe_tp: tuple[int, ...] = (1,)
    moe_ep: tuple[int, ...] = (1,)

    @classmethod
    def up_to(cls, gpus: int, *, tp: int | None = None, pp: int = 1, cp: int = 1) -> "Degrees":
        """All powers of two up to the bounds; dp and expert degrees are bounded by ``gpus`` alone."""
        every = powers_of_two(gpus)
        return cls(
            gpus=every,
            tp=powers_of_two(gpus if tp is None else tp),
            pp=powers_of_two(pp),
            dp=every,
            cp=powers_of_two(cp),
            moe_tp=every,
            moe_ep=every,
        )


def layouts(arch: Architecture, graph: Graph, role: WorkerRole, degrees: Degrees) -> Iterator[Layout]:
    """The candidates that are legal on the graph's engine, smallest degrees first."""
    return (layout for layout in candidates(arch, role, degrees) if illegal(arch, layout, graph) is None)


def candidates(arch: Architecture, role: WorkerRole, degrees: Degrees) -> Iterator[Layout]:
    """Layouts whose products fit: attention and experts cover the same GPUs, as many as a worker may have.

    A dense model has no dp and no expert degrees; a decode worker has no context parallelism. The engine's
    own rules, and what must divide what, are not applied.
    """
    contexts = tuple(cp for cp in degrees.cp if cp == 1 or role != "decode")
    dense = arch.moe is None
    attention = product(degrees.tp, degrees.pp, (1,) if dense else degrees.dp, contexts)
    for tp, pp, dp, cp in attention:
        if tp * pp * dp * cp not in degrees.gpus:
            continue
        for moe_tp, moe_ep in ((1, 1),) if dense else product(degrees.moe_tp, degrees.moe_ep):
            if dense or moe_tp * moe_ep == tp * dp * cp:
                yield Layout(tp, pp, dp, cp, moe_tp, moe_ep)


def powers_of_two(most: int) -> tuple[int, ...]:
    """1, 2, 4 … up to ``most``."""
    return tuple(1 << power for power in range(most.bit_length()))
