"""Latencies as the agreement counts them, and as they are.

A bound on a percentile counts the latency that so large a share of a point's requests stays below
(``aicfg.hardware.percentiles``). A bound with a confidence is kept by that share of measured runs: a point
counts with its latency times the factor of its regime (``aicfg.hardware.intervals``). Where nothing is said
of confidence, TPOT counts with the profile's margin, the one that choices earned most with. All are figures
of a point, so the very same program keeps them exactly.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from aicfg.experiments.ask.schema import Sla
from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.intervals import Metric
from aicfg.hardware.percentiles import at_loads, tpot_at, ttft_at
from aicfg.hardware.profile import Profile
from aicfg.hardware.queueing import Loop
from aicfg.hardware.regimes import regime_of
from aicfg.model_specs.errors import InputError

_DECIMALS = 6
"""Of a millisecond: the program counts in nanoseconds."""


class Latencies(NamedTuple):
    """Of a plan, in milliseconds; None without workers."""

    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None


def default_margin(sla: Sla, profile: Profile) -> float:
    """The profile's factor on every TPOT, which counts where the agreement says nothing of confidence."""
    return profile.tpot_margin if sla.confidence is None else 1.0


def counts_plainly(sla: Sla, profile: Profile) -> bool:
    """Whether bounds are on the predicted means themselves."""
    asked = (sla.confidence or None, sla.ttft_percentile, sla.tpot_percentile)
    return asked == (None, None, None) and default_margin(sla, profile) == 1.0


def counted(sla: Sla, curve: Curve, model: ServingModel) -> tuple[FloatArray, FloatArray]:
    """TTFT and TPOT of a curve's points as the agreement counts them, in ms."""
    loop: Loop = "open" if sla.arrivals == "poisson" else "closed"
    ttft_ms, tpot_ms = curve.ttft_ms, curve.tpot_ms
    if sla.ttft_percentile is not None:
        ttft_ms = ttft_at(model, curve, sla.ttft_percentile / 100.0, loop)
    if sla.tpot_percentile is not None:
        tpot_ms = tpot_at(model, curve, sla.tpot_percentile / 100.0, loop)
    return (
        ttft_ms * margin(sla, curve, model, "ttft_ms"),
        tpot_ms * margin(sla, curve, model, "tpot_ms"),
    )


def offered(sla: Sla, curve: Curve) -> Curve:
    """A curve with the points that the agreement tells apart: prefill workers also at lower loads."""
    return at_loads(curve) if curve.role == "prefill" and sla.ttft_percentile is not None else curve


def margin(sla: Sla, curve: Curve, model: ServingModel, metric: Metric) -> float:
    """The factor on a predicted latency that the confidence, or without one the profile, asks for.

    Raises
    ------
    InputError
        If the profile does not know how far its predictions lie from measured runs of this engine.
    """
    if not sla.confidence:
        return default_margin(sla, model.profile) if metric == "tpot_ms" else 1.0
    intervals, regime = model.profile.intervals, regime_of(model, curve.role, curve.layout)
    if intervals is None or not intervals.knows(regime):
        raise InputError(
            f"sla.confidence: the profile {model.profile.name} has no intervals for {regime.backend} "
            f"({regime.mode}); expected a profile that was compared with measured runs, such as aicfg"
        )
    return intervals.factor(regime, metric, sla.confidence)


def worst(used: Iterable[tuple[Curve, int]], later_tokens: int) -> Latencies:
    """The plain latencies of the points in use, to a nanosecond: the worst TTFT, TPOT and request.

    A request is served by one aggregated point, or by the workers of one transfer group.

    Parameters
    ----------
    used : curves, and the position of the point in use on each.
    later_tokens : output tokens after the first.
    """
    groups: dict[object, list[tuple[float, float]]] = defaultdict(list)
    for number, (curve, at) in enumerate(used):
        name = number if curve.role == "agg" else curve.group
        groups[name].append((float(curve.ttft_ms[at]), float(curve.tpot_ms[at])))
    worst_of = [tuple(map(max, zip(*each, strict=True))) for each in groups.values()]
    whole = [
        (round(ttft, _DECIMALS), round(tpot, _DECIMALS), round(ttft + later_tokens * tpot, _DECIMALS))
        for ttft, tpot in worst_of
    ]
    return Latencies(*map(max, zip(*whole, strict=True)))
