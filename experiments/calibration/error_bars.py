"""Error bars from residuals: quantiles of log(measured / predicted) by regime.

Rows of one case err alike, so a case counts as one observation, however many rows it has. A regime of few
cases does not show how far runs can lie, so each borrows from a wider one: measured runs of an engine from
the other engines' of their mode, estimated ones from the measured ones of their engine. What is borrowed
stands beside the regime's own rows with the weight of ``FEWEST_CASES`` cases. A regime without any row thus
has the quantiles of the wider one, drawn apart as those of so few cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.calibration.samples import Case, Samples, cases, throughput
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.intervals import METRICS, ByData, Metric, Mode, Residuals
from aicfg.hardware.runs import Latency

FEWEST_CASES = 3
"""Cases from which error bars stand by themselves, and as which a wider regime counts."""


@dataclass(frozen=True)
class Compared:
    """N rows of one engine and mode: how far measured figures lie from predicted ones."""

    mode: Mode
    backend: str
    estimated: NDArray[np.bool_]
    cases: tuple[Case, ...]
    logs: dict[Metric, FloatArray]
    """(N,) of log(measured / predicted)."""

    @classmethod
    def of(cls, samples: Samples, found: Latency) -> "Compared":
        """Rows beside their predictions, which should be of a fit that they had no part in."""
        measured = Latency(samples.ttft_ms, samples.tpot_ms)
        ratios = (
            samples.ttft_ms / found.ttft_ms,
            samples.tpot_ms / found.tpot_ms,
            throughput(samples, measured) / throughput(samples, found),
        )
        logs = {metric: np.log(ratio) for metric, ratio in zip(METRICS, ratios, strict=True)}
        return cls(samples.mode, samples.backend, samples.estimated, cases(samples), logs)

    def at(self, chosen: NDArray[np.bool_]) -> "Compared":
        """Some of the rows."""
        kept = tuple(case for case, wanted in zip(self.cases, chosen, strict=True) if wanted)
        logs = {metric: values[chosen] for metric, values in self.logs.items()}
        return Compared(self.mode, self.backend, self.estimated[chosen], kept, logs)


@dataclass(frozen=True)
class Weighed:
    """Residuals with weights that add up to the number of cases."""

    logs: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, metric: Metric, found: Sequence[Compared]) -> "Weighed":
        """All rows alike."""
        logs = np.concatenate([np.zeros(0), *(each.logs[metric] for each in found)])
        count = sum(len(set(each.cases)) for each in found)
        return cls(logs, np.full(len(logs), count / max(len(logs), 1)))

    def borrowing(self, wider: "Weighed") -> "Weighed":
        """These beside those of a wider regime, if there are any."""
        lent = wider.weights * (FEWEST_CASES / max(float(wider.weights.sum()), 1.0))
        return Weighed(np.concatenate([self.logs, wider.logs]), np.concatenate([self.weights, lent]))

    def quantiles(self, levels: Sequence[float]) -> tuple[float, ...]:
        """Drawn away from the median as far as the number of cases asks; of equal weights numpy's."""
        order = np.argsort(self.logs, kind="stable")
        logs, weights = self.logs[order], self.weights[order]
        at = np.cumsum(weights) - weights / 2.0
        at = (at - at[0]) / ((at[-1] - at[0]) or 1.0)
        middle, *found = np.interp((0.5, *levels), at, logs)
        drawn = middle + (np.array(found) - middle) * drawn_apart(levels, float(self.weights.sum()))
        return tuple(float(each) for each in drawn.round(4))


def drawn_apart(levels: Sequence[float], count: float) -> FloatArray:
    """How much farther out than among many observations the next one lies that follows ``count`` of them.

    Quantiles of Student's t over normal ones, to the second order in the degrees of freedom (Abramowitz and
    Stegun, 26.7.5), times sqrt(1 + 1 / count) for the mean that is as little known.
    """
    square = np.array([NormalDist().inv_cdf(level) ** 2 for level in levels])
    freedom = max(count - 1.0, 1.0)
    first = (square + 1.0) / (4.0 * freedom)
    second = (5.0 * square**2 + 16.0 * square + 3.0) / (96.0 * freedom**2)
    return np.asarray((1.0 + first + second) * np.sqrt(1.0 + 1.0 / count))


def error_bars(own: Compared, others: Sequence[Compared], levels: Sequence[float]) -> ByData:
    """Quantiles of an engine's residuals; ``others`` are other engines' in the same mode."""
    tables, estimates = own.at(~own.estimated), own.at(own.estimated)
    wider = [each.at(~each.estimated) for each in others]
    measured, estimated = [], []
    for metric in METRICS:
        known = Weighed.of(metric, [tables]).borrowing(Weighed.of(metric, wider))
        guessed = Weighed.of(metric, [estimates]).borrowing(known)
        measured.append((known if len(known.logs) else guessed).quantiles(levels))
        estimated.append(guessed.quantiles(levels))
    return ByData(Residuals(*measured), Residuals(*estimated))
