"""What a choice under a TPOT limit earns when it rests on predictions; the margin that makes it earn most."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from aicfg.experiments.calibration.samples import Samples, throughput
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.runs import Latency

LIMITS_MS = (8, 10, 15, 20, 30, 50, 100)
MARGINS = tuple(1.0 + 0.01 * step for step in range(26))
FEWEST_POINTS = 4
"""Points of a case from which there is something to choose."""
NEAR_BEST = 0.01
"""Earnings so close count as equal; of such margins the greatest keeps the limit most often."""

Case = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""Predicted and measured TPOT, predicted and measured tokens/s per GPU, of one case's points."""


def best_margin(predictions: Sequence[tuple[Samples, Latency]]) -> float:
    """The factor on predicted TPOT with which decisions earn most; 1 where nothing can be decided."""
    cases = [case for samples, latency in predictions for case in _cases(samples, latency)]
    earned = np.array([_earned(cases, margin) for margin in MARGINS])
    near = np.flatnonzero(earned >= earned.max() - NEAR_BEST)
    return round(MARGINS[int(near[-1])], 2) if earned.max() > 0 else 1.0


def _earned(cases: Sequence[Case], margin: float) -> float:
    """Mean share of the best measured tokens/s per GPU; a choice that misses the limit earns nothing."""
    shares = [
        share for case in cases for limit in LIMITS_MS if (share := _share(case, limit, margin)) is not None
    ]
    return float(np.mean(shares)) if shares else 0.0


def _share(case: Case, limit_ms: float, margin: float) -> float | None:
    """Of the best point that keeps the limit, what the chosen one earns; None where nothing is decided."""
    predicted, measured, promised, got = case
    keeps = measured <= limit_ms
    if not keeps.any() or keeps.all():
        return None
    safe = predicted * margin <= limit_ms
    if not safe.any():
        return 0.0
    chosen = int(np.where(safe, promised, -1.0).argmax())
    return float(got[chosen] / got[keeps].max()) if keeps[chosen] else 0.0


def _cases(samples: Samples, latency: Latency) -> Iterator[Case]:
    """Points of equal model, formats, system and lengths."""
    promised = throughput(samples, latency)
    got = throughput(samples, Latency(samples.ttft_ms, samples.tpot_ms))
    names = [(row.model, row.formats, row.system, row.isl, row.osl) for row in samples.rows]
    order = sorted(range(len(names)), key=names.__getitem__)
    for _, members in groupby(order, key=names.__getitem__):
        at = np.array(list(members))
        if len(at) >= FEWEST_POINTS:
            yield latency.tpot_ms[at], samples.tpot_ms[at], promised[at], got[at]
