"""Runs as they are measured: so many clients, each of which asks anew when its answer ends.

What differs from a steady flow: a run opens with all prompts at once, lengths are drawn below the nominal
ones, and there may be more clients than the cache holds; those wait in line for a place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.flow import MOST_BUSY, Times, burst_ms, in_step, launched_ttft_ms, tpot_ms
from aicfg.hardware.host import Stack, host_ms, stack_of
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.launch import Launch, Launches, before
from aicfg.hardware.laws import Disaggregated, FlowLaw, Host, StepsLaw
from aicfg.hardware.phases import decode_ms, prefill_ms
from aicfg.hardware.workload import Workload
from aicfg.model_specs.layout import Layout


@dataclass(frozen=True)
class Latency:
    """Means over a run's requests, at N operating points."""

    ttft_ms: FloatArray
    tpot_ms: FloatArray


@dataclass(frozen=True)
class AggregatedRun:
    """What aggregated runs are made of, at N numbers of clients of one rank."""

    times: Times
    """Of the requests that are in flight."""
    clients: FloatArray
    launches: Launches
    ranks: FloatArray
    """Attention ranks that take requests together."""
    older: NDArray[np.bool_]
    """Whether the engine's version is one that ran these experts by slower kernels."""

    def latency(self, rule: FlowLaw, host: Host, waves: float) -> Latency:
        """Of runs with ``waves`` requests a client.

        Clients beyond what the cache holds wait for their turn: as long as a request takes, for each time
        that the clients exceed the places (Little's law).
        """
        together, times = in_step(rule, self.launches.drawn), self.times
        if rule.older:
            times = times.longer(np.where(self.older, rule.older.slowdown, 1.0))
        tpot = tpot_ms(rule, host, times, together)
        steady = launched_ttft_ms(rule, times, tpot, self.launches, self.ranks)
        first = steady + burst_ms(rule, times, waves, together)
        served = times.mixed_ms * times.chunks + times.steps * times.progress * tpot
        in_line = served * (self.clients / times.batch - 1.0)
        return Latency(first + in_line, tpot)


@dataclass(frozen=True)
class DisaggregatedRun:
    """What runs of prefill and decode workers are made of, at N numbers of clients."""

    prefill_ms: FloatArray
    """A prompt on each rank of a prefill worker."""
    lone_prefill_ms: FloatArray
    """A prompt on one rank, the others of the worker idle."""
    transfer_ms: FloatArray
    clients: FloatArray
    """Of each prefill rank."""
    decode_ms: FloatArray
    """Kernel time of each token, averaged over an answer."""
    decoding: FloatArray
    """Requests of each decode rank."""
    waiting: FloatArray
    """Clients over places to decode, at least 1: more than there are wait for their turn."""
    tokens: FloatArray
    """Of an answer, after the first."""
    progress: float
    """Tokens that a request gains in a decode step."""
    stack: Stack
    """Of the decode workers."""

    def latency(self, rule: Disaggregated, host: Host, backend: str, waves: float) -> Latency:
        """Of runs with ``waves`` requests a client.

        Where clients outnumber the places of the decode workers, a request takes as long as the answers
        before it (Little's law), if its prompt does not take longer still.
        """
        tpot = self.decode_ms + host_ms(host, self.decoding, self.stack) / self.progress
        answer = self.tokens * tpot
        computed = self._computed_ms(rule, rule.queue[backend], answer)
        opening = rule.burst[backend] * np.maximum(self.clients - 1.0, 0.0) * self.prefill_ms / (2.0 * waves)
        first = rule.first_token_ms[backend] + computed + self.transfer_ms + opening
        return Latency(np.maximum(first, answer * (self.waiting - 1.0)), tpot)

    def _computed_ms(self, rule: Disaggregated, queue: float, answer_ms: FloatArray) -> FloatArray:
        """A prompt beside those of the worker's other ranks, if they are busy, after those before it."""
        busy = np.minimum(self.clients * self.prefill_ms / (self.prefill_ms + answer_ms), 1.0)
        own = self.lone_prefill_ms + busy * (self.prefill_ms - self.lone_prefill_ms)
        rho = np.minimum(busy, MOST_BUSY)
        return np.asarray(rule.ttft_factor * own + queue * self.prefill_ms * rho / (1.0 - rho))


def drawn(workload: Workload, share: float) -> Workload:
    """Mean lengths of a run whose nominal ones are given."""
    return Workload(max(1, round(workload.isl * share)), max(2, round(workload.osl * share)), workload.prefix)


def most_requests(model: ServingModel, layout: Layout) -> float:
    """Requests in flight that the cache of one aggregated rank holds; at least one is served.

    An engine that does not reserve room for a whole answer holds more: answers are half done on average.
    """
    work, one = model.workload, np.ones(1, dtype=np.int64)
    memory = model.memory("agg", layout, one, one * work.isl)
    left = memory.limit - memory.weights - memory.activations - memory.other
    answer = model.profile.memory.kv_budget[model.tables.backend].reserved_answer * work.osl
    return max(1.0, float(left[0]) / model.cached_bytes(layout, work.isl + round(answer)))


def exceeded(model: ServingModel, role: Role, layout: Layout) -> str:
    """Why a worker would not even hold one request to its end; empty where it does."""
    one = np.ones(1, dtype=np.int64)
    memory = model.memory(role, layout, one, one * model.workload.isl)
    if memory.weights[0] > model.system.memory_bytes:
        return "weights exceed the memory of a GPU"
    return "" if memory.fits[0] else "a request exceeds the cache"


def aggregated_run(
    model: ServingModel, layout: Layout, clients: FloatArray, launches: Sequence[Launch] | None = None
) -> AggregatedRun:
    """Of (N,) clients a rank, each prompt in one step; without ``launches`` (N,) by the engine's defaults."""
    running = np.minimum(clients, most_requests(model, layout))
    chunk = np.full(len(clients), model.workload.isl)
    launches = launches or [Launch()] * len(clients)
    return AggregatedRun(
        times=model.aggregated(layout).times(running, chunk),
        clients=clients,
        launches=Launches.of(launches),
        ranks=np.full(len(clients), float(layout.dp)),
        older=np.array([_older(model, each) for each in launches]),
    )


def _older(model: ServingModel, launch: Launch) -> bool:
    """Whether a run's engine computed such experts by slower kernels than the tables know."""
    rule = model.profile.aggregated[model.tables.backend]
    known = rule.older if isinstance(rule, FlowLaw) else None
    if known is None or model.architecture.moe is None or model.quant.moe not in known.experts:
        return False
    if known.blackwell and "fp4" not in model.system.flops:
        return False
    if launch.version:
        return before(launch.version, known.before)
    return "" < launch.measured_on <= known.until


def disaggregated_run(
    prefill: tuple[ServingModel, Layout, float],
    decode: tuple[ServingModel, Layout, float],
    clients: FloatArray,
    prefill_batch: float = 1.0,
    launches: Sequence[Launch] | None = None,
) -> DisaggregatedRun:
    """Of (N,) clients in all; each role is a model, its layout, and how many workers there are.

    Without ``launches`` (N,) by the engine's defaults.
    """
    giver, prefills, givers = prefill
    taker, decodes, takers = decode
    rules = taker.profile.phases
    batch, each = np.full(len(clients), prefill_batch), np.ones(len(clients))
    share = np.maximum(clients / (takers * decodes.dp * decodes.pp), 1.0)
    limits = Launches.of(launches or [Launch()] * len(clients)).decode_batch_limit
    decoding = np.minimum(share, limits)
    prompts, answers = giver.step("prefill", prefills), taker.step("decode", decodes)
    return DisaggregatedRun(
        prefill_ms=prefill_ms(prompts, giver.workload, batch, rules),
        lone_prefill_ms=prefill_ms(prompts, giver.workload, batch, rules, alone=True),
        transfer_ms=giver.kv_transfer_ms(prefills) * each,
        clients=clients / (givers * prefills.dp * prefills.pp),
        decode_ms=decode_ms(answers, taker.workload, decoding, rules, taker.speculative),
        decoding=decoding,
        waiting=share / decoding,
        tokens=(taker.workload.osl - 1.0) * each,
        progress=taker.speculative.progress,
        stack=stack_of(taker.architecture, decodes),
    )


def by_steps(model: ServingModel, layout: Layout, clients: FloatArray) -> Latency:
    """Of a profile whose law is ``steps``, which knows neither bursts nor a full cache."""
    assert isinstance(model.profile.aggregated[model.tables.backend], StepsLaw)
    chunk = np.full(len(clients), model.workload.isl)
    points = model.aggregated(layout).points(np.maximum(np.round(clients), 1.0), chunk)
    return Latency(points.ttft_ms, points.tpot_ms)
