"""Collectives of the communication library: NCCL, and oneCCL on Intel's GPUs.

Rules: performance model of AIConfigurator 0.12, §3.5.
"""

import numpy as np

from aicfg.hardware.groups import GroupTable, Ring
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.model_specs.operations import Collective
from aicfg.model_specs.quantization import element_bytes

LIBRARIES = ("nccl", "oneccl")
PASSES = {"all_reduce": 2.0, "all_gather": 1.0, "reduce_scatter": 1.0, "alltoall": 1.0}


@prices(Collective)
def collective_ms(pricing: Pricing, op: Collective, load: StepLoad) -> FloatArray:
    """One collective over the tokens' activations or keys and values."""
    elements = op.split.of(load.tokens) * op.width
    if op.payload == "kvcache":  # the tables count elements of the collectives' format
        elements = elements * pricing.kv_bytes / element_bytes("comm", pricing.quant.comm)
    if op.ranks <= 1:
        return np.zeros(len(elements))

    def light() -> FloatArray:
        return _ring(pricing, op.kind)(elements, op.ranks)

    return pricing.by_mode(
        measured=lambda: collective_table(pricing, op.kind)(elements, op.ranks),
        light=light,
        estimated=lambda: collective_table(pricing, op.kind).loan(op.ranks).ms(light(), elements),
        reach=lambda: collective_table(pricing, op.kind).reach(elements, op.ranks),
    )


def hierarchical(pricing: Pricing) -> bool:
    """Whether groups past a node are built in two levels."""
    return pricing.profile.operations.groups_across_nodes == "hierarchical"


def collective_table(pricing: Pricing, kind: str) -> GroupTable:
    """The measured collective ``kind`` on the elements' format."""
    key = (kind, pricing.quant.comm)

    def open_table() -> GroupTable:
        tables = pricing.tables
        libraries = [family for family in LIBRARIES if tables.keys(family)] or [LIBRARIES[0]]
        library = next((family for family in libraries if key in tables.keys(family)), libraries[0])
        name = f"{library} {kind} of {pricing.quant.comm} elements on {pricing.system.name}"
        return GroupTable(tables.grid(library, key), _ring(pricing, kind), name, hierarchical(pricing))

    return pricing.table(("collective", *key), open_table)


def _ring(pricing: Pricing, kind: str) -> Ring:
    return Ring(pricing.system, PASSES[kind], element_bytes("comm", pricing.quant.comm))
