"""Which all-to-all serves a large expert group: decided by what was measured.

A transport serves a group where its exchange was measured (dispatch and combine, in the format that the
engine sends) and the experts' compute as well. Rules: those of AIConfigurator 0.12 (performance model, §3.4).
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from aicfg.hardware.all_to_all import (
    ONE_NODE_LENDS,
    Wire,
    budgets,
    lent_by_racks,
    nodes_of,
    one_node_group,
    wire_dtype,
)
from aicfg.hardware.expert_tables import WIDE_FAMILY, measured_formats, measured_groups
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Phase

MOST_CHOSEN_EXPERTS = 8
"""Experts per token that the transports' kernels can route."""
RACK_SM = 100
"""Compute capability from which GPUs exchange over the NVLink of a rack."""


PEERS = Conventions(alltoall_of_replicated=True, deepep_before_rack=True, wide_formats_as_measured=True)
"""Those of AIConfigurator 0.12."""


@dataclass(frozen=True)
class Transport:
    """One implementation of the exchange."""

    name: str
    backends: tuple[str, ...]
    phases: tuple[Phase, ...]
    least_sm: int = 0


TRANSPORTS = (
    Transport("deepep_ht", ("sglang", "vllm"), ("prefill",)),
    Transport("deepep_ll", ("sglang", "vllm"), ("decode",)),
    Transport("deepep_v2_context", ("vllm",), ("prefill",)),
    Transport("deepep_v2_generation", ("vllm",), ("decode",)),
    Transport("trtllm_deepep_ht", ("trtllm",), ("prefill",)),
    Transport("trtllm_deepep_ll", ("trtllm",), ("decode",)),
    Transport("nvlink_two_sided", ("trtllm",), ("prefill", "decode"), RACK_SM),
    Transport("nvlink_one_sided", ("trtllm",), ("prefill", "decode"), RACK_SM),
)
"""In the order of preference."""
RACK_TRANSPORTS = tuple(
    Transport(name, ("trtllm", "vllm"), ("prefill", "decode"), RACK_SM)
    for name in ("nvlink_one_sided", "nvlink_two_sided")
)
RACK_FIRST = (*RACK_TRANSPORTS, *(each for each in TRANSPORTS if each.least_sm < RACK_SM))
"""As TensorRT-LLM chooses inside a rack: one-sided, two-sided, then DeepEP (its ``CommunicationFactory``).
vLLM has the same kernels (FlashInfer's ``flashinfer_nvlink_one_sided``)."""


@dataclass(frozen=True)
class ExpertLayer:
    """The experts of one layer and their number format."""

    hidden: int
    inner: int
    topk: int
    experts: int
    dtype: str


def transports(
    tables: Tables,
    system: System,
    layer: ExpertLayer,
    layout: Layout,
    role: str,
    counts: Conventions = PEERS,
) -> tuple[str | None, str | None]:
    """The transports of a worker in prefill and in decode; both None where its experts stay on collectives.

    A worker of role ``decode`` needs both as ``agg`` does (its weights are those of the prefill step), one of
    role ``prefill`` only its own. A phase that is not needed is left None. Without attention data parallelism
    every rank has all tokens already. ``counts`` says what follows from that, and from unmeasured formats.
    """
    if not counts.alltoall_of_replicated and tables.backend == "vllm" and layout.dp <= 1:
        return None, None
    phases: tuple[Phase, ...] = ("prefill", "decode")
    rack_first = not counts.deepep_before_rack
    found = {phase: large_ep_transport(tables, system, layer, layout, phase, rack_first) for phase in phases}
    if role == "decode" and not counts.wide_formats_as_measured and found["decode"] is None:
        return None, _of_any_format(tables, system, layer, layout)
    needed: tuple[Phase, ...] = ("prefill",) if role == "prefill" else phases
    if any(found[phase] is None for phase in needed):
        return None, None
    return found["prefill"], found["decode"] if "decode" in needed else None


def large_ep_transport(
    tables: Tables,
    system: System,
    layer: ExpertLayer,
    layout: Layout,
    phase: Phase,
    rack_first: bool = False,
) -> str | None:
    """The first transport that serves one layout in one phase; None: collectives.

    Experts must be whole (no expert tensor parallelism), and TensorRT-LLM wants attention data parallelism.
    """
    if layout.moe_tp != 1 or layout.moe_ep <= 1 or (tables.backend == "trtllm" and layout.dp <= 1):
        return None
    within_rack = rack_first and layout.moe_ep <= system.gpus_per_rack
    for transport in RACK_FIRST if within_rack else TRANSPORTS:
        if tables.backend not in transport.backends or phase not in transport.phases:
            continue
        lent = within_rack and transport in RACK_TRANSPORTS
        if system.sm >= transport.least_sm and _serves(
            tables, system, layer, transport, layout.moe_ep, phase, lent
        ):
            return transport.name
    return None


def _of_any_format(tables: Tables, system: System, layer: ExpertLayer, layout: Layout) -> str | None:
    """What reaches SGLang's decoding experts on several nodes, if any format's compute was measured."""
    if tables.backend != "sglang" or layout.dp <= 1 or layout.moe_ep <= system.gpus_per_node:
        return None
    formats = measured_formats(tables, WIDE_FAMILY["decode"])
    others = [replace(layer, dtype=each) for each in formats]
    found = (large_ep_transport(tables, system, each, layout, "decode") for each in others)
    return next((each for each in found if each is not None), None)


def _serves(
    tables: Tables,
    system: System,
    layer: ExpertLayer,
    transport: Transport,
    group: int,
    phase: Phase,
    lent: bool,
) -> bool:
    """Whether exchange and compute of a group were measured, and its kernels can route the layer.

    ``lent``: an exchange that racks lend will do.
    """
    if layer.topk > MOST_CHOSEN_EXPERTS or group > layer.experts or layer.experts % group:
        return False
    computed = group in computed_groups(tables, layer, phase)
    return computed and _exchanged(tables, system.gpus_per_node, layer, transport.name, group, phase, lent)


@lru_cache(maxsize=1024)
def _exchanged(
    tables: Tables,
    gpus_per_node: int,
    layer: ExpertLayer,
    transport: str,
    group: int,
    phase: Phase,
    lent: bool,
) -> bool:
    """Whether both ways were measured, for the group itself or for the one that stands for it."""
    nodes = nodes_of(group, gpus_per_node)
    spans = [(group, nodes)]
    if nodes > 1 and transport in ONE_NODE_LENDS:
        spans.append((one_node_group(tables.backend, gpus_per_node), 1))
    stages = ("dispatch", "combine")
    dtypes = [wire_dtype(tables.system, transport, stage, phase, layer.dtype) for stage in stages]
    shape = (layer.hidden, layer.topk, layer.experts)
    return any(
        all(
            dtype is not None and _measured(tables, Wire(transport, stage, dtype, *span, *shape), lent)
            for stage, dtype in zip(stages, dtypes, strict=True)
        )
        for span in spans
    )


def _measured(tables: Tables, wire: Wire, lent: bool) -> bool:
    return bool(budgets(tables, wire) or (lent and lent_by_racks(tables, wire)))


@lru_cache(maxsize=256)
def computed_groups(tables: Tables, layer: ExpertLayer, phase: Phase) -> frozenset[int]:
    """Sizes of the expert groups whose compute was measured, under any kernel, skew and replication."""
    shape = (layer.topk, layer.experts, layer.hidden, layer.inner)
    families = [WIDE_FAMILY[phase]] if tables.backend == "sglang" else ["wideep_moe", "moe"]
    groups: frozenset[int] = frozenset()
    for family in families:
        for key in tables.keys(family):
            at = key[1:] if family == "wideep_moe" else key  # its keys begin with the kernel
            if at[0] == layer.dtype and at[2:6] == shape:
                groups |= measured_groups(tables, family, key)
    return groups
