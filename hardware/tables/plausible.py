"""Which measured times are implausible, by rule, and what stands in for them.

The same call is measured many times over: by other serving engines on the same GPU, by the same engine on
GPUs of the same generation, in bfloat16 beside a narrower format, and at larger sizes beside a smaller one.
A time far above what one of these witnesses needed was not the kernel's: it was timed without CUDA graphs,
ran an untuned fallback, or was disturbed.

engines
    A time above ``engines`` x the fastest other engine of the same system. Its estimate: the other's time,
    times the ratio that the rest of the same key keeps to it.
neighbours
    Above ``neighbours`` x the fastest GPU of the generation, scaled by the speed of light: that one, scaled.
formats
    Not measured by any other engine, and above ``formats`` x the same call in bfloat16, which moves and
    computes more: bfloat16's time.
drops
    Above ``drops`` x the second least time of larger sizes: the least time of larger sizes.
fast
    Below 1 / ``fast`` of the least of at least three witnesses: that least.

An excess below ``launch_ms`` accuses nobody: that is one more kernel, such as a pass that scales activations.
Where several rules accuse a row the lowest estimate holds. Rows found fast do not serve as witnesses.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int8]

FEWEST_WITNESSES = 3
"""Witnesses that a time must undercut to be found fast."""
FEWEST_RATIOS = 20
"""Plausible rows of a key from which the ratio that it keeps to other engines is taken; of fewer, it is 1."""
MOST_RATIO = 1.5
"""No estimate is farther from its witness: beyond, the row would be all but accused itself."""


class Rule(IntEnum):
    """Why a row is implausible; the order is that of ``Margins``."""

    NONE = 0
    ENGINES = 1
    NEIGHBOURS = 2
    FORMATS = 3
    DROPS = 4
    FAST = 5


@dataclass(frozen=True)
class Margins:
    """How far from a witness a time may be.

    Chosen on the tables alone: of kernels that engines share (bfloat16 products), 99 % of the rows are within
    1.3 of each other and of the neighbouring GPU within 1.5; 2 leaves room for kernels that differ.
    """

    engines: float = 2.0
    neighbours: float = 1.5
    formats: float = 3.0
    drops: float = 2.0
    fast: float = 2.0
    launch_ms: float = 0.005
    """What launching one kernel takes."""


MARGINS = Margins()


@dataclass(frozen=True)
class Verdict:
    """Of every time of a stack: which rule accuses it (``Rule``), and the estimate (NaN where none does)."""

    rule: CodeArray
    estimate: FloatArray


def judge(
    times: FloatArray,
    speed: FloatArray,
    wider: FloatArray | None,
    size_axes: tuple[int, ...],
    margins: Margins = MARGINS,
) -> Verdict:
    """The verdict on one key's times of several systems and engines.

    Parameters
    ----------
    times : (systems, engines, *axes) in any unit, NaN where not measured; the systems are of one generation.
    speed : (systems, 2) memory bandwidth and peak arithmetic of each.
    wider : the same stack of the same calls in bfloat16; None if ``times`` are, or nothing is comparable.
    size_axes : axes of the grid (0 is the first after the engines) along which more work takes no less time.
    """
    fast = _fast(times, margins.fast)
    witnesses = np.where(fast, np.nan, times)
    verdict = Verdict(np.zeros(times.shape, np.int8), np.full(times.shape, np.nan))
    least = _least_of_others(_flat(times)).reshape(times.shape)
    _accuse(verdict, Rule.FAST, fast, least)
    for system in range(times.shape[0]):
        for engine in range(times.shape[1]):
            here = (system, engine)
            own = times[here]
            if np.isnan(own).all():
                continue
            others = _others(witnesses[system], engine)
            in_bfloat16 = np.full(own.shape, np.inf) if wider is None else wider[here]
            for rule, margin, reference in (
                (Rule.ENGINES, margins.engines, others),
                (Rule.NEIGHBOURS, margins.neighbours, _neighbours(witnesses[:, engine], system, speed)),
                (Rule.FORMATS, margins.formats, np.where(np.isfinite(others), np.inf, in_bfloat16)),
            ):
                accused = (own > margin * reference) & (own > reference + margins.launch_ms)
                kept = _ratio(own, reference, accused) if rule is Rule.ENGINES else 1.0
                _accuse(verdict, rule, accused, reference * kept, here)
    for axis in size_axes:
        second, first = _two_least_later(times, axis + 2)
        dropped = (times > margins.drops * second) & (times > second + margins.launch_ms)
        _accuse(verdict, Rule.DROPS, dropped, first)
    return verdict


def _accuse(
    verdict: Verdict,
    rule: Rule,
    accused: NDArray[np.bool_],
    estimate: FloatArray,
    where: tuple[int, ...] = (),
) -> None:
    """Enters the accused rows whose estimate is the lowest so far."""
    rules, estimates = verdict.rule[where], verdict.estimate[where]
    better = accused & ~(estimates <= estimate) & (rules != Rule.FAST)
    rules[better] = rule
    estimates[better] = estimate[better]


def _flat(times: FloatArray) -> FloatArray:
    """(systems x engines, *axes)."""
    return times.reshape(-1, *times.shape[2:])


def _fast(times: FloatArray, margin: float) -> NDArray[np.bool_]:
    """Times that undercut all of their witnesses by the margin."""
    flat = _flat(times)
    if len(flat) <= FEWEST_WITNESSES:
        return np.zeros(times.shape, bool)
    enough = (~np.isnan(flat)).sum(axis=0) > FEWEST_WITNESSES
    fast = (flat * margin < _least_of_others(flat)) & enough
    return fast.reshape(times.shape)


def _least_of_others(flat: FloatArray) -> FloatArray:
    """For each entry the least of the other entries along the first axis; infinite where there is none."""
    filled = np.where(np.isnan(flat), np.inf, flat)
    if len(filled) == 1:
        return np.full(flat.shape, np.inf)
    first, second = np.partition(filled, 1, axis=0)[:2]
    return np.where(filled == first, second, first)


def _others(of_system: FloatArray, engine: int) -> FloatArray:
    """The fastest of the other engines; infinite where none measured."""
    others = np.delete(of_system, engine, axis=0)
    return np.where(np.isnan(others), np.inf, others).min(axis=0, initial=np.inf)


def _neighbours(of_engine: FloatArray, system: int, speed: FloatArray) -> FloatArray:
    """The fastest of the other systems, slowed to this one's bandwidth or arithmetic, whichever lags more."""
    slower = np.maximum((speed / speed[system]).max(axis=1), 1.0)
    scaled = of_engine * slower.reshape(-1, *[1] * (of_engine.ndim - 1))
    others = np.delete(scaled, system, axis=0)
    return np.where(np.isnan(others), np.inf, others).min(axis=0, initial=np.inf)


def _ratio(own: FloatArray, reference: FloatArray, accused: NDArray[np.bool_]) -> float:
    """What the plausible rows of a key take in terms of the reference: their median, from 1 to 1.5."""
    kept = np.isfinite(reference) & ~np.isnan(own) & ~accused
    if kept.sum() < FEWEST_RATIOS:
        return 1.0
    return float(np.clip(np.median(own[kept] / reference[kept]), 1.0, MOST_RATIO))


def _two_least_later(times: FloatArray, axis: int) -> tuple[FloatArray, FloatArray]:
    """The second least and the least time at larger sizes along one axis; infinite where there are none."""
    filled = np.moveaxis(np.where(np.isnan(times), np.inf, times), axis, 0)
    first, second = np.full(filled.shape, np.inf), np.full(filled.shape, np.inf)
    for i in range(len(filled) - 2, -1, -1):
        later = filled[i + 1]
        first[i] = np.minimum(first[i + 1], later)
        second[i] = np.minimum(second[i + 1], np.maximum(first[i + 1], later))
    return np.moveaxis(second, 0, axis), np.moveaxis(first, 0, axis)
