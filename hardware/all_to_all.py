"""All-to-all of a large expert group: each rank sends its own tokens to the GPUs that hold their experts.

Each implementation (transport) and stage has measured curves over the tokens of one rank. Three generations
of tables hold them: ``moe_a2a``, and older ones of SGLang's DeepEP and of TensorRT-LLM on NVLink racks.
Rules: performance model of AIConfigurator 0.12, §1.4, §3.4 and §4.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sweep import Sweep
from aicfg.hardware.tables.siblings import other_engines, same_racks
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, Tables
from aicfg.model_specs.operations import AllToAll
from aicfg.model_specs.quantization import element_bytes

HOPPER = ("h100_sxm", "h200_sxm")
ONE_NODE_LENDS = ("deepep_ht", "deepep_ll", "trtllm_deepep_ht", "trtllm_deepep_ll")
"""Transports whose curve inside one node stands for groups over nodes that nobody measured."""
LEGACY_GROUP = 8
"""GPUs of a node in SGLang's older tables, on whatever system they were measured."""
RACK_NODE = 4
"""GPUs of a node in TensorRT-LLM's rack tables."""
HIGH_THROUGHPUT = "deepep_ht"
HIGH_THROUGHPUT_SMS = 20
"""Streaming multiprocessors that the engines lend to it; the other transports' rows name none."""
MICROSECONDS = 1000.0
"""Of a millisecond."""
RACK_KERNELS = {"nvlink_two_sided": "NVLinkTwoSided", "nvlink_one_sided": "NVLinkOneSided"}

Curve = tuple[FloatArray, FloatArray]
Budgets = dict[int, Curve]


@dataclass(frozen=True)
class Wire:
    """One measured exchange, all but its tokens and streaming multiprocessors."""

    transport: str
    stage: str
    dtype: str
    """Format on the wire."""
    group: int
    """GPUs that exchange."""
    nodes: int
    hidden: int
    topk: int
    experts: int

    @property
    def shape(self) -> Key:
        """What the model asks for."""
        return (self.hidden, self.topk, self.experts)

    def __str__(self) -> str:
        return (
            f"{self.transport} {self.stage} of {self.dtype} over {self.group} GPUs in {self.nodes} nodes, "
            f"hidden {self.hidden}, top {self.topk} of {self.experts}"
        )


def wire_dtype(system: str, transport: str, stage: str, phase: str, moe: str) -> str | None:
    """The format that a transport sends with experts in format ``moe``; None where it can't serve them."""
    plain = "fp8" if moe == "fp8_block" else moe
    if transport.startswith("deepep"):
        return "default"
    if transport == "trtllm_deepep_ht":
        return {"nvfp4": "nvfp4", "bfloat16": "bfloat16", "fp8": "bfloat16"}.get(plain)
    if transport == "trtllm_deepep_ll":
        if plain == "nvfp4":
            low = "fp4" if stage == "combine" else "nvfp4"
            return None if system in HOPPER else low
        return plain if plain in ("bfloat16", "fp8") else None
    return "fp4" if (plain, phase, stage) == ("nvfp4", "decode", "combine") else plain


def nodes_of(group: int, gpus_per_node: int) -> int:
    """Nodes that ``group`` GPUs fill."""
    return -(-group // gpus_per_node)


@prices(AllToAll)
def all_to_all_ms(pricing: Pricing, op: AllToAll, load: StepLoad) -> FloatArray:
    """One stage, over the tokens of one rank."""
    tokens = op.split.of(load.tokens)
    return pricing.by_mode(
        measured=lambda: exchange_curve(pricing, op).sweep(tokens),
        light=lambda: all_to_all_light_ms(pricing, op, tokens),
        reach=lambda: exchange_curve(pricing, op).reach(tokens),
    )


def all_to_all_light_ms(pricing: Pricing, op: AllToAll, tokens: FloatArray) -> FloatArray:
    """Each token once to every other GPU that holds one of its experts, over the slowest link.

    Results come back at 2 bytes; ``prepare`` sends the experts' numbers (4 bytes) alone.
    """
    remote = min(op.topk, op.experts, op.moe_ep - 1)
    width = 2.0 if op.stage == "combine" else element_bytes("moe", pricing.quant.moe)
    token_bytes = 4.0 * op.topk if op.stage == "prepare" else remote * op.hidden * width
    return tokens * token_bytes / pricing.system.link_bytes_per_s(op.moe_ep) * 1000.0


def exchange_curve(pricing: Pricing, op: AllToAll) -> "ExchangeCurve":
    """The measured curve of one stage: of this very group, or of one node where that may stand for it."""
    system, tables = pricing.system, pricing.tables
    shape = (op.hidden, op.topk, op.experts)

    def open_curve() -> ExchangeCurve:
        dtype = wire_dtype(system.name, op.transport, op.stage, op.phase, pricing.quant.moe)
        if dtype is None:
            raise MissingDataError(f"{op.transport} has no wire format for {pricing.quant.moe} experts")
        nodes = nodes_of(op.moe_ep, system.gpus_per_node)
        wire = Wire(op.transport, op.stage, dtype, op.moe_ep, nodes, *shape)
        lend = op.transport in RACK_KERNELS and not pricing.profile.graph.deepep_before_rack
        curves = budgets(tables, wire)
        if not curves and lend and (curves := lent_by_racks(tables, wire)):
            return ExchangeCurve(_at_budget(tables, wire, curves), lent=True)
        if curves or nodes == 1 or op.transport not in ONE_NODE_LENDS:
            return ExchangeCurve(_at_budget(tables, wire, curves), lent=False)
        wire = replace(wire, group=one_node_group(tables.backend, system.gpus_per_node), nodes=1)
        return ExchangeCurve(_at_budget(tables, wire, budgets(tables, wire)), lent=True)

    return pricing.table(("all_to_all", op.transport, op.stage, op.phase, op.moe_ep, *shape), open_curve)


def one_node_group(backend: str, gpus_per_node: int) -> int:
    """GPUs of the group inside one node that lends its curve."""
    return LEGACY_GROUP if backend == "sglang" else gpus_per_node


@dataclass(frozen=True)
class ExchangeCurve:
    """Time of one stage over the tokens of one rank."""

    sweep: Sweep
    lent: bool
    """The measured group is smaller than the one that is asked for."""

    def reach(self, tokens: FloatArray) -> IntArray | Source:
        """What the times at (Q,) tokens rest on."""
        return Source.ESTIMATED if self.lent else self.sweep.reach(tokens)


def _at_budget(tables: Tables, wire: Wire, curves: Budgets) -> Sweep:
    """The curve measured with the multiprocessors that the engines lend, or the nearest number of them."""
    if not curves:
        raise MissingDataError(f"{wire} was not measured by {tables.backend} on {tables.system}")
    lent = HIGH_THROUGHPUT_SMS if wire.transport == HIGH_THROUGHPUT else 0
    tokens, times_ms = curves[min(curves, key=lambda sms: abs(sms - lent))]
    return Sweep(tokens, times_ms, np.asarray, str(wire))


def budgets(tables: Tables, wire: Wire) -> Budgets:
    """Measured curves (tokens, ms) of one exchange, by the multiprocessors lent to it (0: not stated)."""
    found: Budgets = {}
    for read in (_unified, _deepep_normal, _deepep_low_latency, _rack):
        for sms, curve in read(tables, wire):
            found.setdefault(sms, curve)
    return found


def lent_by_racks(tables: Tables, wire: Wire) -> Budgets:
    """The same exchange over a rack's NVLink: of other numbers of experts, engines or like racks.

    How many experts there are hardly matters: a token goes to as many GPUs as it has chosen experts.
    """
    engines = (tables, *other_engines(tables))
    for source in (*engines, *chain.from_iterable(map(same_racks, engines))):
        shapes = {key[4:] for key in source.keys("trtllm_alltoall")}
        near = [int(shape[2]) for shape in shapes if shape[:2] == wire.shape[:2]]
        for experts in sorted(near, key=lambda each: abs(each - wire.experts)):
            if found := dict(_rack(source, replace(wire, experts=experts))):
                return found
    return {}


def _unified(tables: Tables, wire: Wire) -> Iterator[tuple[int, Curve]]:
    prefix = (wire.transport, wire.stage, wire.dtype, wire.group, wire.nodes, *wire.shape)
    for key in tables.keys("moe_a2a"):
        if key[:-1] == prefix:
            yield int(key[-1]), _curve(tables.grid("moe_a2a", key), MICROSECONDS)


def _deepep_normal(tables: Tables, wire: Wire) -> Iterator[tuple[int, Curve]]:
    if wire.transport == HIGH_THROUGHPUT and wire.group == LEGACY_GROUP * wire.nodes:
        for key in tables.keys("deepep_normal"):
            if key[:-2] == (wire.nodes, *wire.shape):
                parts = (f"{wire.stage}_transmit_us", f"{wire.stage}_notify_us")
                grids = [tables.grid("deepep_normal", key, value=part) for part in parts]
                tokens, sent = _curve(grids[0], MICROSECONDS)
                yield int(key[-2]), (tokens, sent + _curve(grids[1], MICROSECONDS)[1])


def _deepep_low_latency(tables: Tables, wire: Wire) -> Iterator[tuple[int, Curve]]:
    key = (wire.nodes, *wire.shape)
    legacy = wire.transport == "deepep_ll" and wire.group == LEGACY_GROUP * wire.nodes
    if legacy and key in tables.keys("deepep_ll"):
        yield 0, _curve(tables.grid("deepep_ll", key, value=f"{wire.stage}_avg_t_us"), MICROSECONDS)


def _rack(tables: Tables, wire: Wire) -> Iterator[tuple[int, Curve]]:
    """TensorRT-LLM's tables: a low-precision combine is a kernel of its own there."""
    low = wire.stage == "combine" and wire.dtype == "fp4"
    head = (RACK_KERNELS.get(wire.transport), f"alltoall_{wire.stage}{'_low_precision' if low else ''}")
    if wire.nodes != max(1, wire.group // RACK_NODE):
        return
    for key in tables.keys("trtllm_alltoall"):
        if key[:2] == head and key[4:] == wire.shape and (low or key[2] == wire.dtype):
            grid = tables.grid("trtllm_alltoall", key)
            for row in np.flatnonzero(grid.axes[0] == wire.group):
                there = ~np.isnan(grid.values[row])
                yield 0, (grid.axes[1][there].astype(np.float64), grid.values[row][there])


def _curve(grid: Grid, per_ms: float) -> Curve:
    there = ~np.isnan(grid.values)
    return grid.axes[0][there].astype(np.float64), grid.values[there] / per_ms
