"""Experts whose layout an engine was not measured in, from another engine's rows of the very same layout.

The same shape, format, skew and degrees on the same GPU differ between engines by the kernel alone, and by
how much is seen at the degrees that both were measured in: nearer than any other shape.
"""

import numpy as np

from aicfg.hardware.expert_tables import ExpertShape, experts_roofline, measured_skew
from aicfg.hardware.interpolation import FloatArray, along
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.sweep import LentSweep, Sweep, sweep_of
from aicfg.hardware.tables.siblings import other_engines
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, Tables

Degrees = tuple[int, int]


def lent_by_engines(pricing: Pricing, shape: ExpertShape, dtype: str) -> Sweep:
    """The curve of the first other engine that measured the layout, at the pace of the engine's own kernel.

    Raises
    ------
    MissingDataError
        If none did.
    """

    def open_sweep() -> Sweep:
        own = _grid(pricing.tables, pricing, shape, dtype)
        for tables in other_engines(pricing.tables):
            grid = _grid(tables, pricing, shape, dtype)
            times = _times(grid, (shape.moe_tp, shape.moe_ep))
            if grid is not None and times is not None:
                pace, light = _pace(own, grid), experts_roofline(pricing, shape, dtype)
                return sweep_of(grid.axes[2], pace * times, light, f"experts of {tables.backend}", slope=True)
        raise MissingDataError(f"no other engine on {pricing.system.name} measured {dtype} experts {shape}")

    return pricing.table(("moe", dtype, shape, "lent"), open_sweep)


def low_latency_lent(pricing: Pricing, shape: ExpertShape, dtype: str, own: Sweep) -> Sweep:
    """TensorRT-LLM's kernels for few tokens from the first other engine that measured the layout.

    vLLM and SGLang run the same ones (FlashInfer) as their plain kernels; where ``own`` plain ones take less,
    the engine takes those.

    Raises
    ------
    MissingDataError
        If none did.
    """

    def open_sweep() -> Sweep:
        for tables in other_engines(pricing.tables):
            grid = _grid(tables, pricing, shape, dtype)
            times = _times(grid, (shape.moe_tp, shape.moe_ep))
            if grid is not None and times is not None:
                there = ~np.isnan(times)
                sizes = grid.axes[2][there].astype(np.float64)
                least = np.minimum(times[there], own(sizes))
                return LentSweep(sizes, least, own.light, f"experts of {tables.backend}", slope=True)
        raise MissingDataError(f"no other engine on {pricing.system.name} measured {dtype} experts {shape}")

    return pricing.table(("moe_low_latency", dtype, shape, "lent"), open_sweep)


def _grid(tables: Tables, pricing: Pricing, shape: ExpertShape, dtype: str) -> Grid | None:
    """A key's rows in an engine's table, if it has any."""
    if "moe" not in tables.families:
        return None
    keys = set(tables.keys("moe"))
    skews = (shape.skew, measured_skew(pricing, "moe", shape.skew, dtype))
    found: list[Key] = [key for skew in skews if (key := shape.key(dtype, skew)) in keys]
    return tables.grid("moe", found[0]) if found else None


def _times(grid: Grid | None, degrees: Degrees) -> FloatArray | None:
    """The times (tokens,) at one pair of degrees; None if it was not measured."""
    if grid is None:
        return None
    at = [np.flatnonzero(axis == degree) for axis, degree in zip(grid.axes, degrees, strict=False)]
    if not all(map(len, at)):
        return None
    times = grid.values[at[0][0], at[1][0]]
    return None if np.isnan(times).all() else times


def _pace(own: Grid | None, other: Grid) -> float:
    """The engine's own time over the other's: the median where both were measured; 1 where nowhere."""
    if own is None:
        return 1.0
    ratios = [np.ones(0)]
    for moe_tp in own.axes[0].tolist():
        for moe_ep in own.axes[1].tolist():
            mine, theirs = _times(own, (moe_tp, moe_ep)), _times(other, (moe_tp, moe_ep))
            if mine is not None and theirs is not None:
                there = ~np.isnan(theirs)
                at = own.axes[2].astype(np.float64)
                ratios.append(mine / along(other.axes[2][there].astype(np.float64), theirs[there], at))
    every = np.concatenate(ratios)
    known = np.sort(every[~np.isnan(every)])
    return float(known[len(known) // 2]) if len(known) else 1.0
