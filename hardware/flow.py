"""Requests in flight: what each of them waits for while the others are served.

``n`` clients (or requests in flight) of one rank: whenever an answer ends the next prompt begins. In the time
that one request takes, each of the others has one prompt computed and all their tokens made, so that

    TPOT = decode step + host time + interference · (n - 1) · (what a prompt delays) / (steps of an answer)
    TTFT = constant + own prompt + (steps + waits) · TPOT + queue · prompt · rho / (1 - rho)

where rho is the share of the time in which prompts are computed, and the server may let prompts wait on
purpose (``aicfg.hardware.launch``). An engine that computes prompts beside the
decoding requests delays those by the time that the mixed step takes longer; one that computes prompts alone,
by the whole step. Checked against a simulation of the engines' schedulers: ``docs/accuracy.md``.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.host import Stack, host_ms
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.launch import Launches
from aicfg.hardware.laws import FlowLaw, Host

MOST_BUSY = 0.9
"""Share of the time with prompts beyond which no longer wait is charged: in a closed loop it cannot grow."""


@dataclass(frozen=True)
class Times:
    """Kernel times of N operating points of one rank, in ms, and how often each is spent."""

    batch: FloatArray
    """Requests in flight."""
    decode_ms: FloatArray
    """A step in which all of them decode."""
    mixed_ms: FloatArray
    """A step that computes a chunk of prompts, beside the others or alone."""
    prompt_ms: FloatArray
    """Each of many prompts that are computed at once."""
    chunks: FloatArray
    """Steps that a prompt is spread over, at least 1."""
    prompts: FloatArray
    """Prompts of a chunk, at least 1."""
    steps: FloatArray
    """Decode steps of an answer."""
    progress: float
    """Tokens that a request gains in a decode step."""
    stack: Stack

    def longer(self, factor: FloatArray) -> "Times":
        """With steps that take ``factor`` (N,) times as long."""
        return replace(
            self,
            decode_ms=factor * self.decode_ms,
            mixed_ms=factor * self.mixed_ms,
            prompt_ms=factor * self.prompt_ms,
        )


def delay_ms(rule: FlowLaw, times: Times) -> FloatArray:
    """What each step with prompts delays the decoding requests."""
    if rule.prompts == "alone":
        return times.mixed_ms
    return np.maximum(times.mixed_ms - times.decode_ms, 0.0)


def in_step(rule: FlowLaw, drawn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether all requests of a run (N,) are computed together and end together, wave after wave.

    So they are where prompts are computed alone and requests are all alike, not ``drawn``.
    """
    return (rule.prompts == "alone") & ~drawn


def tpot_ms(
    rule: FlowLaw, host: Host, times: Times, together: NDArray[np.bool_] | bool = False
) -> FloatArray:
    """Time per output token.

    Beside decoding requests no more steps can have prompts than there are. Of requests that are computed
    ``together`` each waits for those behind it, half of them on average.
    """
    share = np.where(together, 0.5, rule.interference)
    met = share * (times.batch - 1.0) * times.chunks / times.prompts / times.steps
    if rule.prompts == "beside":
        met = np.minimum(met, 1.0)
    step = times.decode_ms + host_ms(host, times.batch, times.stack) + met * delay_ms(rule, times)
    return np.asarray(step / times.progress)


def ttft_ms(rule: FlowLaw, times: Times, tpot: FloatArray) -> FloatArray:
    """Time to first token in the steady state, of a server with the engine's defaults."""
    return np.asarray(rule.first_token_ms + rule.first_token_steps * tpot + computed_ms(rule, times, tpot))


def computed_ms(rule: FlowLaw, times: Times, tpot: FloatArray) -> FloatArray:
    """Part of the time to first token that computing takes: the own prompt, and those before it."""
    own = times.mixed_ms * times.chunks
    busy = (times.batch - 1.0) * own / times.prompts / (times.steps * times.progress * tpot)
    rho = np.minimum(busy, MOST_BUSY)
    return np.asarray(rule.prompt * own + rule.queue * own * rho / (1.0 - rho))


def launched_ttft_ms(
    rule: FlowLaw, times: Times, tpot: FloatArray, run: Launches, ranks: FloatArray
) -> FloatArray:
    """Time to first token in the steady state, of servers that were launched so.

    Parameters
    ----------
    ranks : attention ranks that take requests together, (N,).
    """
    handled = np.where(run.postprocess_apart, rule.apart, 1.0)
    steps = handled * rule.first_token_steps + run.steps(
        times.batch, times.batch / times.steps, ranks, rule.balance
    )
    return np.asarray(handled * rule.first_token_ms + steps * tpot + computed_ms(rule, times, tpot))


def burst_ms(
    rule: FlowLaw, times: Times, waves: float, together: NDArray[np.bool_] | bool = False
) -> FloatArray:
    """Mean wait of a run that opens with all its prompts at once and has ``waves`` requests a client.

    Each of the first n requests waits for half of the other prompts on average; they are one in ``waves``.
    Those that are computed ``together`` are in every wave.
    """
    once = (times.batch - 1.0) * times.prompt_ms / 2.0
    return np.asarray(np.where(together, once, rule.burst * once / waves))
