"""Latencies of operating points at a percentile, where the profile states a law of their distribution."""

from dataclasses import replace

import numpy as np

from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.flow import MOST_BUSY
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.queueing import Flow, Loop, wait_quantile
from aicfg.model_specs.errors import InputError


def ttft_at(model: ServingModel, curve: Curve, level: float, loop: Loop) -> FloatArray:
    """TTFT (N,) of a curve's points that a share ``level`` of requests stays below, in ms.

    A prefill worker has a line of its own, and is as busy as its point's rate makes it (``at_loads``).
    """
    if curve.role == "agg":
        return flow_of(model, curve).ttft_quantile(level, loop)
    if curve.role == "decode":
        return curve.ttft_ms
    rule = model.profile.disaggregated
    without = curve.ttft_ms - (rule.ttft_factor - 1.0) * curve.step_ms
    return np.asarray(without + wait_quantile(_busy(curve), level) * curve.step_ms)


LOADS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Shares of its full rate at which a prefill worker is offered where waits are bounded at a percentile."""


def at_loads(curve: Curve) -> Curve:
    """A prefill curve whose points come at several rates: a worker that does less is waited for less."""
    points = len(curve.batch)
    every = curve.at(np.tile(np.arange(points), len(LOADS)))
    shares = np.repeat(LOADS, points)
    return replace(
        every, requests_per_s=every.requests_per_s * shares, tokens_per_s=every.tokens_per_s * shares
    )


def _busy(curve: Curve) -> FloatArray:
    """Share of the time that a prefill worker computes, rate matching included."""
    full = 1000.0 * curve.batch * curve.layout.dp * curve.layout.pp / curve.step_ms
    return np.asarray(curve.efficiency * curve.requests_per_s / full)


def tpot_at(model: ServingModel, curve: Curve, level: float, loop: Loop) -> FloatArray:
    """TPOT (N,) of a curve's points that a share ``level`` of requests stays below, in ms.

    A decode worker makes the tokens of all its requests at one pace: only how many there are varies.
    """
    if curve.role == "agg":
        return flow_of(model, curve).tpot_quantile(level, loop)
    if curve.role == "prefill" or loop == "closed":
        return curve.tpot_ms
    return _decoding_alone(model, curve).tpot_quantile(level, loop)


def _decoding_alone(model: ServingModel, curve: Curve) -> Flow:
    """A decode worker as a rank that no prompt interrupts."""
    nothing, others = np.zeros(len(curve.batch)), curve.batch.astype(np.float64) - 1.0
    alone = model.curve("decode", curve.layout, np.ones(1, np.int64)).tpot_ms
    return Flow(
        ttft_ms=nothing,
        tpot_ms=curve.tpot_ms,
        mean_wait_ms=nothing,
        prompt_ms=nothing,
        busy=nothing,
        step_ms=curve.step_ms,
        interference_ms=nothing,
        others=others,
        slope_ms=np.maximum(curve.tpot_ms - alone, 0.0) / np.maximum(others, 1.0),
        length_variation=0.0,
    )


def flow_of(model: ServingModel, curve: Curve) -> Flow:
    """What the distribution of latencies on an aggregated curve follows from.

    Raises
    ------
    InputError
        If the profile has no such law.
    """
    rule = model.profile.aggregated[model.tables.backend]
    if not isinstance(rule, FlowLaw):
        raise InputError(
            f"percentiles: the profile {model.profile.name} knows means alone; expected one with the law flow"
        )
    batch = curve.batch.astype(np.float64)
    serving = model.aggregated(curve.layout)
    times, alone = serving.times(batch, curve.chunk_tokens), serving.decode_step_ms(np.ones(1))
    own, others = times.mixed_ms * times.chunks, batch - 1.0
    cycle = times.steps * times.progress * curve.tpot_ms
    busy = np.minimum(others * own / times.prompts / cycle, MOST_BUSY)
    step = times.decode_ms + model.host_ms(curve.layout, batch)
    interference = np.maximum(curve.tpot_ms * times.progress - step, 0.0) / times.progress
    grows = (times.decode_ms - alone[0]) / times.progress + interference
    share = model.profile.benchmark.length_share
    return Flow(
        ttft_ms=curve.ttft_ms,
        tpot_ms=curve.tpot_ms,
        mean_wait_ms=rule.queue * own * busy / (1.0 - busy),
        prompt_ms=own / times.prompts,
        busy=busy,
        step_ms=step,
        interference_ms=interference,
        others=others,
        slope_ms=grows / np.maximum(others, 1.0),
        length_variation=(1.0 - share) / (np.sqrt(3.0) * share),
    )
