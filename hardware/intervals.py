"""How far measured latencies lie from predicted ones, and what that asks of a promise.

A profile's section ``intervals`` holds quantiles of log(measured / predicted) by regime and metric, out of
fold where anything was fitted. A prediction times ``exp(quantile)`` is the latency that so large a share of
measured runs keeps; between two levels the quantile is linear in the normal score, past the ends as steep as
there.
"""

from itertools import product
from typing import Literal, NamedTuple

import msgspec
import numpy as np

Metric = Literal["ttft_ms", "tpot_ms", "tokens_per_s"]
Mode = Literal["agg", "disagg"]
METRICS: tuple[Metric, ...] = ("ttft_ms", "tpot_ms", "tokens_per_s")


class Regime(NamedTuple):
    """Runs whose predictions err alike."""

    mode: Mode
    backend: str
    estimated: bool
    """Whether an operation has no measured table, so that its time is an estimate."""


class Residuals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Quantiles of log(measured / predicted), one for each of ``Intervals.levels``."""

    ttft_ms: tuple[float, ...]
    tpot_ms: tuple[float, ...]
    tokens_per_s: tuple[float, ...]


class ByData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Residuals of one engine by what its predictions rest on."""

    measured: Residuals
    """Tables for every operation."""
    estimated: Residuals
    """An estimate for at least one."""


class Intervals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Residuals by serving engine, of aggregated and of disaggregated runs."""

    levels: tuple[float, ...]
    """Ascending, between 0 and 1."""
    agg: dict[str, ByData]
    disagg: dict[str, ByData]

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or not 0 < self.levels[0] < self.levels[-1] < 1:
            raise ValueError("levels: expected at least two ascending shares between 0 and 1")
        for engine, known in (*self.agg.items(), *self.disagg.items()):
            for data, metric in product(("measured", "estimated"), METRICS):
                quantiles = getattr(getattr(known, data), metric)
                if len(quantiles) != len(self.levels) or list(quantiles) != sorted(quantiles):
                    raise ValueError(f"{engine}.{data}.{metric}: expected one ascending quantile a level")

    def knows(self, regime: Regime) -> bool:
        """Whether predictions of this mode and engine were compared with measured runs."""
        return regime.backend in self._of_mode(regime.mode)

    def factor(self, regime: Regime, metric: Metric, level: float) -> float:
        """What a prediction is multiplied by so that a share ``level`` of measured runs lies below.

        Raises
        ------
        KeyError
            For an engine without residuals.
        """
        known = self._of_mode(regime.mode)[regime.backend]
        residuals = known.estimated if regime.estimated else known.measured
        return float(np.exp(_at(level, self.levels, getattr(residuals, metric))))

    def interval(self, regime: Regime, metric: Metric, share: float) -> tuple[float, float]:
        """Factors between which a share of measured runs lies, as much outside on either side."""
        outside = (1.0 - share) / 2.0
        return self.factor(regime, metric, outside), self.factor(regime, metric, 1.0 - outside)

    def _of_mode(self, mode: Mode) -> dict[str, ByData]:
        return self.agg if mode == "agg" else self.disagg


def _at(level: float, levels: tuple[float, ...], quantiles: tuple[float, ...]) -> float:
    """The quantile at a level."""
    scores, wanted = [_score(each) for each in levels], _score(level)
    upper = min(max(int(np.searchsorted(scores, wanted)), 1), len(scores) - 1)
    low, high = scores[upper - 1], scores[upper]
    share = (wanted - low) / (high - low)
    return quantiles[upper - 1] + share * (quantiles[upper] - quantiles[upper - 1])


def _score(level: float) -> float:
    from statistics import NormalDist  # brings random numbers and fractions

    return NormalDist().inv_cdf(level)
