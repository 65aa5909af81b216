"""Measured curves of routed experts over tokens: one for each format, routing skew, shape and degrees.

Nothing is interpolated between shapes or degrees: a layout whose shard was not measured is missing. Rules:
performance model of AIConfigurator 0.12, §3.3, §3.4 and §4.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from aicfg.hardware.pricing import Pricing
from aicfg.hardware.roofline import ExpertsRoofline
from aicfg.hardware.sweep import LentSweep, Sweep, sweep_of
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, Tables
from aicfg.model_specs.quantization import element_bytes, flops_class

FALLBACK_SKEW = "uniform"
BLACKWELL_SM = 100
WIDE_FAMILY = {"prefill": "wideep_context_moe", "decode": "wideep_generation_moe"}


@dataclass(frozen=True)
class ExpertShape:
    """What selects a curve: the layer's experts and how they are spread."""

    hidden: int
    inner: int
    topk: int
    experts: int
    moe_tp: int
    moe_ep: int
    skew: str
    gated: bool
    slots: int

    def key(self, dtype: str, skew: str) -> Key:
        """The table key without its degrees."""
        return (dtype, skew, self.topk, self.experts, self.hidden, self.inner)


def experts_roofline(pricing: Pricing, shape: ExpertShape, dtype: str) -> ExpertsRoofline:
    """Speed of light of one shape in one number format."""
    system = pricing.system
    return ExpertsRoofline(
        shape.hidden,
        shape.inner,
        shape.topk,
        shape.slots,
        shape.moe_tp,
        shape.moe_ep,
        shape.gated,
        element_bytes("moe", dtype),
        system.peak_flops(flops_class("moe", dtype)),
        system.memory_bandwidth_bytes_per_s,
    )


def expert_sweep(pricing: Pricing, family: str, shape: ExpertShape, dtype: str) -> Sweep:
    """The curve of the plain kernels (family ``moe`` or ``moe_low_latency``) in one number format."""

    def open_sweep() -> Sweep:
        key = shape.key(dtype, measured_skew(pricing, family, shape.skew, dtype))
        return _sweep(pricing, shape, dtype, pricing.tables.grid(family, key), family)

    return pricing.table((family, dtype, shape), open_sweep)


def wide_sweep(pricing: Pricing, shape: ExpertShape, phase: str) -> Sweep:
    """The curve of a large expert group's kernels in one phase.

    A skew that was not measured is answered by the uniform one, else by the first that was.
    """
    backend, dtype = pricing.tables.backend, pricing.dtype("moe")
    family = "wideep_moe" if backend == "trtllm" else WIDE_FAMILY[phase]

    def open_sweep() -> Sweep:
        tables = pricing.tables
        kernel: Key = (_wide_kernel(pricing, dtype),) if backend == "trtllm" else ()
        keys = [key[len(kernel) :] for key in tables.keys(family) if key[: len(kernel)] == kernel]
        skews = dict.fromkeys(str(key[1]) for key in keys if key[0] == dtype)
        skew = next((s for s in (shape.skew, FALLBACK_SKEW, *skews) if s in skews), shape.skew)
        slots: Key = (shape.slots,) if backend == "trtllm" else ()
        if not slots and shape.slots != shape.experts:
            raise MissingDataError(f"table {family}: no rows with {shape.slots} expert replicas")
        grid = tables.grid(family, (*kernel, *shape.key(dtype, skew), *slots))
        return _sweep(pricing, shape, dtype, grid, family)

    return pricing.table((family, dtype, shape, phase), open_sweep)


def wide_sweep_of_any_format(pricing: Pricing, shape: ExpertShape, phase: str) -> Sweep:
    """The curve of a large expert group's kernels from a format that they were measured in.

    With the utilisation that they reach there.
    """
    own = pricing.dtype("moe")
    for lender in measured_formats(pricing.tables, WIDE_FAMILY[phase]):
        with suppress(MissingDataError):
            sweep = wide_sweep(pricing.with_experts_in(lender), shape, phase)
            asked, lent = (experts_roofline(pricing, shape, dtype) for dtype in (own, lender))
            times = sweep.times_ms * asked(sweep.sizes) / lent(sweep.sizes)
            return LentSweep(sweep.sizes, times, asked, f"{sweep.name} in {lender}", sweep.slope)
    raise MissingDataError(f"table {WIDE_FAMILY[phase]}: not measured in any format for these experts")


def measured_formats(tables: Tables, family: str) -> tuple[str, ...]:
    """Number formats that a family of experts was measured in."""
    return tuple(dict.fromkeys(str(key[0]) for key in tables.keys(family)))


def _wide_kernel(pricing: Pricing, dtype: str) -> str:
    """TensorRT-LLM's kernel for the format if it was measured, else the first that was."""
    kernels = sorted({str(key[0]) for key in pricing.tables.keys("wideep_moe")})
    deepgemm = pricing.system.sm >= BLACKWELL_SM and "fp8_block" in dtype
    wanted = "deepgemm" if deepgemm else "moe_torch_flow"
    return wanted if wanted in kernels or not kernels else kernels[0]


def measured_skew(pricing: Pricing, family: str, skew: str, dtype: str) -> str:
    """The skew that answers: the uniform one where a format was never measured with ``skew``."""

    def read() -> frozenset[str]:
        return frozenset(str(key[1]) for key in pricing.tables.keys(family) if key[0] == dtype)

    return skew if skew in pricing.table((family, dtype, "skews"), read) else FALLBACK_SKEW


def _sweep(pricing: Pricing, shape: ExpertShape, dtype: str, grid: Grid, family: str) -> Sweep:
    name = (
        f"table {family} of {pricing.tables.backend} on {pricing.system.name}: experts of "
        f"{shape.hidden} x {shape.inner} at moe_tp {shape.moe_tp}, moe_ep {shape.moe_ep}"
    )
    at = degrees_at(grid, shape.moe_tp, shape.moe_ep)
    if at is None:
        raise MissingDataError(f"{name}: not measured")
    slope = pricing.profile.operations.experts_past_the_sweep == "slope"
    replaced = None if grid.replaced is None else grid.replaced[at]
    light = experts_roofline(pricing, shape, dtype)
    return sweep_of(grid.axes[2], grid.values[at], light, name, slope, replaced)


def degrees_at(grid: Grid, moe_tp: int, moe_ep: int) -> tuple[int, int] | None:
    """Position of one pair of degrees in a (moe_tp, moe_ep, tokens) grid; None if outside it."""
    at = [np.flatnonzero(axis == degree) for axis, degree in zip(grid.axes, (moe_tp, moe_ep), strict=False)]
    return (int(at[0][0]), int(at[1][0])) if all(map(len, at)) else None


def measured_groups(tables: Tables, family: str, key: Key) -> frozenset[int]:
    """Expert-parallel degrees that one key was measured at without expert tensor parallelism."""
    grid = tables.grid(family, key)
    whole = np.flatnonzero(grid.axes[0] == 1)
    if not len(whole):
        return frozenset()
    there = ~np.isnan(grid.values[whole[0]]).all(axis=1)
    return frozenset(int(degree) for degree in grid.axes[1][there])
