"""Communication between the GPUs of a worker by the engine's own kernels, and between pipeline stages.

Rules: performance model of AIConfigurator 0.12, §3.5.
"""

from contextlib import suppress

import numpy as np

from aicfg.hardware.collectives import collective_table, hierarchical
from aicfg.hardware.estimate import Loan, first_loan
from aicfg.hardware.groups import GroupTable, Ring
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.memory_bound import ACTIVATION_BYTES
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.operations import AllReduce, PointToPoint

SUM_PASSES = 2.0


@prices(AllReduce)
def all_reduce_ms(pricing: Pricing, op: AllReduce, load: StepLoad) -> FloatArray:
    """Sum of the tokens' activations over the ranks."""
    elements = op.split.of(load.tokens) * op.width
    if op.ranks <= 1:
        return np.zeros(len(elements))

    def light() -> FloatArray:
        return _ring(pricing)(elements, op.ranks)

    return pricing.by_mode(
        measured=lambda: _table(pricing, op.ranks)(elements, op.ranks),
        light=light,
        estimated=lambda: _loan(pricing, op.ranks).ms(light(), elements),
        reach=lambda: _table(pricing, op.ranks).reach(elements, op.ranks),
    )


def _table(pricing: Pricing, ranks: int) -> GroupTable:
    """The engine's own all-reduce; past its links, where groups are built in two levels, the library's."""
    own = all_reduce_table(pricing)
    if own.past_its_links(ranks):
        with suppress(MissingDataError):
            library = collective_table(pricing, "all_reduce")
            if library.past_its_links(ranks):
                return library
    return own


def all_reduce_table(pricing: Pricing) -> GroupTable:
    """The engine's own all-reduce."""
    name = f"all-reduce of {pricing.tables.backend} on {pricing.system.name}"
    return pricing.table(
        ("all_reduce",),
        lambda: GroupTable(
            pricing.tables.grid("custom_allreduce", ("half",)), _ring(pricing), name, hierarchical(pricing)
        ),
    )


def _loan(pricing: Pricing, ranks: int) -> Loan:
    """Utilisation of the engine's own all-reduce, else of the communication library's."""

    def open_loan() -> Loan:
        return first_loan(
            [
                lambda: all_reduce_table(pricing).loan(ranks),
                lambda: collective_table(pricing, "all_reduce").loan(ranks),
            ],
            f"an all-reduce on {pricing.system.name}",
        )

    return pricing.table(("all_reduce", ranks, "loan"), open_loan)


def _ring(pricing: Pricing) -> Ring:
    return Ring(pricing.system, SUM_PASSES, ACTIVATION_BYTES)


@prices(PointToPoint)
def point_to_point_ms(pricing: Pricing, op: PointToPoint, load: StepLoad) -> FloatArray:
    """Hand-over between pipeline stages: bytes over the link between them plus its latency."""
    system = pricing.system
    moved_bytes = ACTIVATION_BYTES * op.split.of(load.tokens) * op.width
    placed = pricing.profile.operations.stage_link == "placed" and op.gpus > 0
    link = system.link_bytes_per_s(op.gpus) if placed else system.inter_node_bytes_per_s
    return moved_bytes / link * 1000.0 + system.p2p_latency_ms
