"""Measured grids of attention kernels: opened by key, read between their points, lent to keys not measured.

A key is (formats …, KV heads, head size, window); KV heads are 0 where every query head has its own. Rules:
performance model of AIConfigurator 0.12, §4.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from aicfg.hardware.estimate import Loan, Utilisation, by_nearness, first_loan, head_size_ratio
from aicfg.hardware.interpolation import FloatArray, IntArray, NestedGrid, Roofline, along, bracket
from aicfg.hardware.modes import Source
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.roofline import ContextAttentionRoofline, GenerationAttentionRoofline
from aicfg.hardware.tables.store import Grid, Key
from aicfg.model_specs.quantization import element_bytes, flops_class

FP8_GENERATION_SM = 89
"""From this compute capability on, decode attention over an fp8 cache computes in fp8."""
USUAL_HEAD_SIZE = 128
MANY_HEADS = 64
"""Stands for "every query head has its own keys" where KV heads are compared."""


class ContextAttentionTable:
    """Prefill attention of one (dtypes, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: Roofline) -> None:
        """``grid`` has axes (heads, length, batch)."""
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        self._nested = NestedGrid(axes, grid.values, roofline, 1, grid.replaced)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, prefix: FloatArray) -> FloatArray:
        """Time in ms of ``batch`` prompts of ``length`` new tokens behind ``prefix`` cached ones.

        The whole length is looked up and the share of the score matrix that the prefix spares is taken off:
        ((l + p)² - p²) / (l + p)².
        """
        whole = length + prefix
        times = self._nested(np.broadcast_to(float(heads), np.shape(batch)), whole, batch)
        return times * (whole**2 - prefix**2) / whole**2

    def reach(self, heads: int, batch: FloatArray, length: FloatArray, prefix: FloatArray) -> IntArray:
        """What each time rests on; behind a prefix none is a measured point."""
        reach = self._nested.reach(np.full(len(batch), float(heads)), length + prefix, batch)
        return np.where(prefix > 0, np.maximum(reach, Source.INTERPOLATED), reach)

    def utilisation(self) -> Utilisation:
        """What another shape may borrow, over axes (heads, length, batch)."""
        return Utilisation(self._nested.axes, self._nested.times_ms, self._nested.roofline)


class GenerationAttentionTable:
    """Decode attention of one (KV dtype, KV heads, head size, window)."""

    def __init__(self, grid: Grid, roofline: Roofline, above_light: bool = True) -> None:
        """``grid`` has axes (heads, batch, cached length).

        ``above_light``: rows faster than light are raised to it.
        """
        self._axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        mesh = np.meshgrid(*self._axes, indexing="ij", sparse=True)
        self._times = np.maximum(grid.values, roofline(*mesh)) if above_light else grid.values
        self._nested = NestedGrid(self._axes, self._times, roofline, replaced=grid.replaced)

    def __call__(self, heads: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """Weighted sum over (S,) cached lengths of the time in ms, at each of (B,) batch sizes.

        Interpolation in the batch is linear with weights that don't depend on the length, so the sum over
        lengths is taken first wherever the measured rows reach every length; elsewhere each length is looked
        up by itself.
        """
        lower, upper, share = bracket(self._axes[0], np.array([float(heads)]))
        total = np.full(len(batch), np.nan)
        if not np.isnan(share[0]):
            low = self._summed(int(lower[0]), batch, length, weight)
            high = self._summed(int(upper[0]), batch, length, weight) if share[0] else low
            total = low + (high - low) * share[0]
        ragged = np.isnan(total)
        if ragged.any():
            b, s = np.meshgrid(batch[ragged], length, indexing="ij")
            n = np.full(b.size, float(heads))
            total[ragged] = self._nested(n, b.ravel(), s.ravel()).reshape(b.shape) @ weight
        return total

    def _summed(self, branch: int, batch: FloatArray, length: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted sum on one measured head count.

        NaN where the rows around a batch don't reach all lengths.
        """
        block = self._times[branch]
        measured = ~np.isnan(block)
        present = np.flatnonzero(measured.any(axis=1))
        sums = np.array(
            [along(self._axes[2][measured[i]], block[i][measured[i]], length) @ weight for i in present]
        )
        return along(self._axes[1][present], sums, batch)

    def reach(self, heads: int, batch: FloatArray, length: FloatArray) -> IntArray:
        """What the sum over (S,) lengths rests on, at each of (B,) batches: its least firm length counts."""
        b, s = np.meshgrid(batch, length, indexing="ij")
        reach = self._nested.reach(np.full(b.size, float(heads)), b.ravel(), s.ravel())
        return np.asarray(reach.reshape(b.shape).max(axis=1))

    def utilisation(self) -> Utilisation:
        """What another shape may borrow, over axes (heads, batch, cached length)."""
        return Utilisation(self._axes, self._times, self._nested.roofline)


def generation_peak_flops(pricing: Pricing, kvcache: str) -> float:
    """Peak of the arithmetic that decode attention uses over this KV cache."""
    in_fp8 = kvcache == "fp8" and pricing.system.sm >= FP8_GENERATION_SM
    return pricing.system.peak_flops("fp8" if in_fp8 else "bfloat16")


def context_roofline(pricing: Pricing, key: Key) -> ContextAttentionRoofline:
    """Speed of light of one key's prefill attention."""
    fmha, kvcache, kv_heads, head_dim, window = key
    peak = pricing.system.peak_flops(flops_class("fmha", str(fmha)))
    bandwidth, kv_bytes = pricing.system.memory_bandwidth_bytes_per_s, element_bytes("kvcache", str(kvcache))
    return ContextAttentionRoofline(int(kv_heads), int(head_dim), int(window), kv_bytes, peak, bandwidth)


def context_table(pricing: Pricing, key: Key) -> ContextAttentionTable:
    """Prefill attention of one (arithmetic, cache format, KV heads, head size, window)."""
    return pricing.table(
        ("context", *key),
        lambda: ContextAttentionTable(
            pricing.tables.grid("context_attention", key), context_roofline(pricing, key)
        ),
    )


def context_loan(pricing: Pricing, key: Key) -> Loan:
    """Utilisation of one key's prefill attention, its own or another's."""

    def lend(lender: Key) -> Loan:
        ratio = head_size_ratio(pricing.tables.backend, int(key[3]), int(lender[3]))
        return Loan(context_table(pricing, lender).utilisation(), ratio)

    return _loan(pricing, "context", key, lend)


def generation_roofline(pricing: Pricing, key: Key) -> GenerationAttentionRoofline:
    """Speed of light of one key's decode attention."""
    kvcache, kv_heads, head_dim, window = key
    peak, bandwidth = (
        generation_peak_flops(pricing, str(kvcache)),
        pricing.system.memory_bandwidth_bytes_per_s,
    )
    kv_bytes = element_bytes("kvcache", str(kvcache))
    return GenerationAttentionRoofline(int(kv_heads), int(head_dim), int(window), kv_bytes, peak, bandwidth)


def generation_table(pricing: Pricing, key: Key) -> GenerationAttentionTable:
    """Decode attention of one (cache format, KV heads, head size, window)."""
    return pricing.table(
        ("generation", *key),
        lambda: GenerationAttentionTable(
            pricing.tables.grid("generation_attention", key), generation_roofline(pricing, key)
        ),
    )


def generation_loan(pricing: Pricing, key: Key) -> Loan:
    """Utilisation of one key's decode attention, its own or another's, whatever the head size."""
    return _loan(
        pricing, "generation", key, lambda lender: Loan(generation_table(pricing, lender).utilisation())
    )


def _loan(pricing: Pricing, phase: str, key: Key, lend: Callable[[Key], Loan]) -> Loan:
    """The kernel's own utilisation, else that of the keys that can stand in for it."""
    family = f"{phase}_attention"

    def open_loan() -> Loan:
        lenders = stand_ins(key, [tuple(each) for each in pricing.tables.keys(family)])
        what = f"{phase} attention {key} on {pricing.system.name}"
        return first_loan([partial(lend, each) for each in lenders], what)

    return pricing.table((phase, "loan", *key), open_loan)


def stand_ins(key: Key, measured: Sequence[Key]) -> list[Key]:
    """Of the measured keys (formats …, KV heads, head size, window), those that lend to ``key``, best first.

    With the same formats and KV heads: the same window, then none; in each the same head size, then 128 (the
    most densely measured), else the nearest. Failing that, the nearest in KV heads and head size.
    """
    *formats, kv_heads, head_dim, window = key
    alike = [each for each in measured if list(each[:-3]) == formats]
    same = [each for each in alike if each[-3] == kv_heads]
    sizes = sorted({int(each[-2]) for each in same})
    order = [(int(head_dim),), *((size,) for size in (USUAL_HEAD_SIZE,) if size in sizes)]
    if USUAL_HEAD_SIZE not in sizes:
        order += [(sizes[i],) for i in by_nearness((int(head_dim),), [(size,) for size in sizes])]
    windows = dict.fromkeys((window, 0))
    wanted = [(*formats, kv_heads, size, each) for each in windows for (size,) in order]
    rest = [alike[i] for i in by_nearness(_features(key), [_features(each) for each in alike])]
    return [each for each in dict.fromkeys(wanted) if each in same] + rest


def _features(key: Key) -> tuple[float, float]:
    """KV heads and head size; one KV head for each query head counts as many."""
    return float(key[-3] or MANY_HEADS), float(key[-2])
