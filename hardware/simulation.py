"""A serving engine's scheduler, simulated step by step: one rank of an aggregated worker.

Each step decodes one token of every request in flight and, as the engine's policy has it, computes chunks of
waiting prompts ``beside`` them or ``alone`` in steps of their own (first come, first served; a prompt longer
than the budget is spread over steps). A request is admitted when the KV cache holds it. Between two events —
an arrival, a prompt, an answer's end — decode steps are alike and taken at once.

Requests come from clients that ask anew when their answer ends (a closed loop, which opens with all prompts
at once), or at given times (an open loop).
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.step_costs import StepCosts

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Requests:
    """What is asked, one entry of every array a request."""

    isl: IntArray
    osl: IntArray
    arrival_ms: FloatArray | None = None
    """Ascending; None in a closed loop."""
    prefix: int = 0
    """Prompt tokens that the cache holds already."""

    def __len__(self) -> int:
        return len(self.isl)


def drawn_requests(
    count: int,
    isl: int,
    osl: int,
    spread: float,
    seed: int,
    per_s: float | None = None,
    prefix: int = 0,
) -> Requests:
    """Requests with lengths drawn evenly around the nominal ones, by a share ``spread`` up and down.

    Parameters
    ----------
    per_s : mean rate of Poisson arrivals; None for a closed loop.
    prefix : prompt tokens found in the cache.
    """
    random = np.random.default_rng(seed)
    prompts, answers = (
        np.maximum(np.rint(n * random.uniform(1.0 - spread, 1.0 + spread, count)).astype(np.int64), least)
        for n, least in ((isl, prefix + 1), (osl, 2))
    )
    arrivals = None if per_s is None else np.cumsum(random.exponential(1000.0 / per_s, count))
    return Requests(prompts, answers, arrivals, prefix)


@dataclass(frozen=True)
class Engine:
    """One rank of a worker, and how it schedules."""

    costs: StepCosts
    prompts: Literal["beside", "alone"]
    chunk_tokens: int
    """Prompt tokens of a step at most."""
    cache_tokens: float
    """What the KV cache holds."""
    reserved_answer: float = 1.0
    """Share of an answer for which room is reserved at admission."""
    progress: float = 1.0
    """Tokens that a request gains in a decode step."""
    interference: float = 1.0
    """Share of a prompt step's delay that decoding requests meet: engines overlap some of it."""
    first_token_ms: float = 0.0
    """What every first token takes beside computing."""
    first_token_steps: float = 0.0
    """Decode steps until a prompt is seen and its token sent."""
    prompt: float = 1.0
    """How much longer than it is computed a prompt takes until its first token."""
    most_requests: float = np.inf
    """Requests in flight at most."""


@dataclass(frozen=True)
class Trace:
    """When the requests of a run came, had their first token, and ended; in ms."""

    arrival_ms: FloatArray
    first_ms: FloatArray
    end_ms: FloatArray
    osl: IntArray

    @property
    def ttft_ms(self) -> FloatArray:
        """Of every request."""
        return self.first_ms - self.arrival_ms

    @property
    def tpot_ms(self) -> FloatArray:
        """Mean time per token after the first, of every request."""
        return (self.end_ms - self.first_ms) / (self.osl - 1)

    def steady(self, share: float = 0.25, last: float = 0.1) -> "Trace":
        """Without the requests that came first and last, while the engine filled up and emptied."""
        order = np.argsort(self.arrival_ms, kind="stable")
        return self.at(order[round(share * len(order)) : len(order) - round(last * len(order))])

    def at(self, index: IntArray) -> "Trace":
        """Some of the requests."""
        return Trace(self.arrival_ms[index], self.first_ms[index], self.end_ms[index], self.osl[index])


def simulate(engine: Engine, requests: Requests, clients: int | None = None) -> Trace:
    """A run of ``requests``.

    Parameters
    ----------
    clients : of a closed loop: each asks anew when its answer ends; None: requests come at their times.
    """
    return _Run(engine, requests, clients).trace()


@dataclass
class _Run:
    """The state of a run."""

    engine: Engine
    requests: Requests
    clients: int | None
    now: float = 0.0
    step: float = 0.0
    """Decode steps so far: a request's answer ends when they reach its mark."""
    length: float = 0.0
    """Cached tokens of the decoding requests."""
    held: float = 0.0
    """Tokens of the cache that are reserved."""
    asked: int = 0
    coming: deque[tuple[float, int]] = field(default_factory=deque)
    """(when it is seen, request) of those sent and not yet seen."""
    waiting: deque[int] = field(default_factory=deque)
    computing: deque[list[int]] = field(default_factory=deque)
    """Admitted prompts: request, tokens computed."""
    decoding: list[tuple[float, int]] = field(default_factory=list)
    """Heap of (step at which its answer ends, request)."""

    def __post_init__(self) -> None:
        count = len(self.requests)
        self._arrival, self._first, self._end = (np.full(count, np.nan) for _ in range(3))
        self._isl, self._osl = self.requests.isl.tolist(), self.requests.osl.tolist()
        times = self.requests.arrival_ms
        self._times = None if times is None else times.tolist()

    def trace(self) -> Trace:
        """Runs until every request has its answer."""
        for _ in range(min(self.clients or 0, len(self._isl))):
            self._ask(0.0)
        while True:
            self._receive()
            self._admit()
            if self.computing:
                self._prompt_step()
            elif self.decoding:
                self._decode_steps()
            elif not self._skip_to_next():
                return Trace(self._arrival, self._first, self._end, self.requests.osl)

    def _ask(self, at: float) -> None:
        """The next request is sent; the scheduler sees it later."""
        if self.asked >= len(self._isl):
            return
        engine, count = self.engine, max(1, len(self.decoding))
        length = self.length / count if self.decoding else float(self._isl[self.asked])
        delay = engine.first_token_ms + engine.first_token_steps * engine.costs.decode_ms(count, length)
        if engine.prompt > 1.0:
            whole = [(self.requests.prefix, self._isl[self.asked])]
            delay += (engine.prompt - 1.0) * engine.costs.mixed_ms(whole, 0, 0.0)
        self._arrival[self.asked] = at
        self.coming.append((at + delay, self.asked))
        self.asked += 1

    def _receive(self) -> None:
        """What has been sent and seen by now."""
        if self._times is not None:
            while self.asked < len(self._times) and self._times[self.asked] <= self.now:
                self._ask(self._times[self.asked])
        while self.coming and self.coming[0][0] <= self.now:
            self.waiting.append(self.coming.popleft()[1])

    def _next_event(self) -> float:
        """When the next request is sent or seen; infinite if none is."""
        seen = self.coming[0][0] if self.coming else np.inf
        more = self._times is not None and self.asked < len(self._times)
        return min(seen, self._times[self.asked]) if self._times is not None and more else seen

    def _skip_to_next(self) -> bool:
        """Nothing to do until the next request; whether there is one."""
        self.now = max(self.now, self._next_event())
        return bool(np.isfinite(self.now))

    def _reserved(self, request: int) -> float:
        return self._isl[request] + self.engine.reserved_answer * self._osl[request]

    def _admit(self) -> None:
        """Prompts that the cache has room for, in their order; one always fits an empty engine."""
        engine = self.engine
        while self.waiting:
            inside = len(self.computing) + len(self.decoding)
            need = self._reserved(self.waiting[0])
            if inside and (self.held + need > engine.cache_tokens or inside >= engine.most_requests):
                return
            self.held += need
            self.computing.append([self.waiting.popleft(), self.requests.prefix])

    def _prompt_step(self) -> None:
        """A step with as many prompt tokens as the budget allows."""
        budget, chunks, finished = self.engine.chunk_tokens, list[tuple[int, int]](), list[int]()
        for prompt in self.computing:
            request, start = prompt
            end = min(start + budget, self._isl[request])
            chunks.append((start, end))
            budget -= end - start
            prompt[1] = end
            if end == self._isl[request]:
                finished.append(request)
            if not budget:
                break
        self._compute(chunks)
        for request in finished:
            self.computing.popleft()
            self._first[request] = self.now
            steps = (self._osl[request] - 1) / self.engine.progress
            heappush(self.decoding, (self.step + steps, request))
            self.length += self._isl[request]

    def _compute(self, chunks: list[tuple[int, int]]) -> None:
        """The time of a step with prompts, and what the decoding requests gain in it."""
        engine, decoding = self.engine, len(self.decoding)
        if not decoding:
            self.now += engine.costs.mixed_ms(chunks, 0, 0.0)
            return
        length = self.length / decoding
        plain = engine.costs.decode_ms(decoding, length)
        if engine.prompts == "beside":
            delay = max(engine.costs.mixed_ms(chunks, decoding, length) - plain, 0.0)
            self.now += plain + engine.interference * delay
            self._progress(1.0)
        else:
            delay = engine.costs.mixed_ms(chunks, 0, 0.0)
            self.now += max(engine.interference, 1.0) * delay
            if engine.interference < 1.0:
                self._progress((1.0 - engine.interference) * delay / plain)

    def _decode_steps(self) -> None:
        """Equal steps up to the next event."""
        count = len(self.decoding)
        ahead = max(1.0, np.ceil(self.decoding[0][0] - self.step))
        one = self.engine.costs.decode_ms(count, self.length / count)
        until = self._next_event() - self.now
        if until < ahead * one:
            ahead = max(1.0, np.ceil(until / one))
        grown = ahead * self.engine.progress / 2.0
        self.now += ahead * self.engine.costs.decode_ms(count, self.length / count + grown)
        self._progress(ahead)

    def _progress(self, steps: float) -> None:
        """Every decoding request gains tokens; those whose answers end leave, and their clients ask anew."""
        self.step += steps
        self.length += steps * self.engine.progress * len(self.decoding)
        while self.decoding and self.decoding[0][0] <= self.step + 1e-9:
            mark, request = heappop(self.decoding)
            self._end[request] = self.now
            tokens = self._osl[request] - 1 + (self.step - mark) * self.engine.progress
            self.length -= self._isl[request] + tokens
            self.held -= self._reserved(request)
            if self.clients is not None:
                self._ask(self.now)
