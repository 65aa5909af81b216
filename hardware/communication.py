"""Communication between the GPUs of a worker: measured inside a node, scaled by bandwidth beyond it.

Rules: performance model of AIConfigurator 0.12, §3.5.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray, proportional
from aicfg.hardware.load import StepLoad
from aicfg.hardware.memory_bound import ACTIVATION_BYTES
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Grid, MissingDataError
from aicfg.model_specs.operations import AllReduce, PointToPoint


class AllReduceTable:
    """Sum of a message over the GPUs of a tensor-parallel group."""

    def __init__(self, grid: Grid, system: System) -> None:
        """``grid`` has axes (GPUs, elements)."""
        self._ranks = [int(ranks) for ranks in grid.axes[0]]
        self._elements = grid.axes[1].astype(np.float64)
        self._times = grid.values
        self._system = system

    def __call__(self, elements: FloatArray, ranks: int) -> FloatArray:
        """Time in ms of a message of (Q,) elements over ``ranks`` GPUs.

        Past the node, the node's time · ((r-1)/r) / ((g-1)/g) · (bandwidth inside / bandwidth across).
        """
        if ranks <= 1:
            return np.zeros(len(elements))
        node = self._system.gpus_per_node
        inside = min(ranks, node)
        if inside not in self._ranks:
            raise MissingDataError(
                f"no all-reduce over {inside} GPUs was measured on {self._system.name}"
                f" (measured: {self._ranks})"
            )
        times = self._times[self._ranks.index(inside)]
        there = ~np.isnan(times)
        reduced = proportional(self._elements[there], times[there], elements)
        if ranks <= node:
            return reduced
        slower = self._system.link_bytes_per_s(node) / self._system.link_bytes_per_s(ranks)
        return reduced * ((ranks - 1) / ranks) / ((node - 1) / node) * slower


@prices(AllReduce)
def all_reduce_ms(pricing: Pricing, op: AllReduce, load: StepLoad) -> FloatArray:
    """Sum of the tokens' activations over the ranks."""
    return all_reduce_table(pricing)(op.split.of(load.tokens) * op.width, op.ranks)


def all_reduce_table(pricing: Pricing) -> AllReduceTable:
    """The engine's own all-reduce."""
    return pricing.table(
        ("all_reduce",),
        lambda: AllReduceTable(pricing.tables.grid("custom_allreduce", ("half",)), pricing.system),
    )


@prices(PointToPoint)
def point_to_point_ms(pricing: Pricing, op: PointToPoint, load: StepLoad) -> FloatArray:
    """Hand-over between pipeline stages: bytes over the inter-node link plus its latency."""
    moved_bytes = ACTIVATION_BYTES * op.split.of(load.tokens) * op.width
    return moved_bytes / pricing.system.inter_node_bytes_per_s * 1000.0 + pricing.system.p2p_latency_ms
