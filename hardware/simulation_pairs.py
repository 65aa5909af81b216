"""Prefill workers, the hand-over of the caches, and decode workers, simulated event by event.

Prompts wait in one line for any prefill rank, which computes up to its batch of them at once; their caches
cross to the decode rank with the fewest requests, where all requests gain tokens at one pace that depends on
how many there are.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count

import numpy as np

from aicfg.hardware.simulation import Requests, Trace
from aicfg.hardware.step_costs import Surface


@dataclass(frozen=True)
class PrefillSide:
    """All prefill ranks."""

    ranks: int
    batch: int
    """Prompts that a rank computes at once at most."""
    service_ms: Surface
    """Over the prompts at once and their mean length."""
    hand_over_ms: float
    """From the end of a prefill to the first token: the cache's transfer, and what is not computing."""


@dataclass(frozen=True)
class DecodeSide:
    """All decode ranks."""

    ranks: int
    batch: int
    """Requests in flight of a rank at most."""
    step_ms: Surface
    """Over the requests in flight and their mean cached length."""
    progress: float = 1.0
    """Tokens that a request gains in a step."""


def simulate_pair(
    prefill: PrefillSide, decode: DecodeSide, requests: Requests, clients: int | None = None
) -> Trace:
    """A run of ``requests``; ``clients`` as in `simulate`."""
    return _Pair(prefill, decode, requests, clients).trace()


@dataclass
class _Rank:
    """A decode rank between two changes."""

    since: float = 0.0
    step: float = 0.0
    """Decode steps so far, in fractions."""
    length: float = 0.0
    """Cached tokens of its requests."""
    answers: list[tuple[float, int]] = field(default_factory=list)
    """Heap of (step at which an answer ends, request)."""
    change: int = 0
    """Counts changes: an end that was foreseen before one is void."""


@dataclass
class _Pair:
    prefill: PrefillSide
    decode: DecodeSide
    requests: Requests
    clients: int | None
    asked: int = 0
    line: deque[int] = field(default_factory=deque)
    """Prompts that wait."""
    ready: deque[int] = field(default_factory=deque)
    """Requests with a cache and no place to decode."""
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.requests)
        self._arrival, self._first, self._end = (np.full(size, np.nan) for _ in range(3))
        self._isl, self._osl = self.requests.isl.tolist(), self.requests.osl.tolist()
        self._free, self._order = self.prefill.ranks, count()
        self._ranks = [_Rank() for _ in range(self.decode.ranks)]

    def trace(self) -> Trace:
        """Runs until every request has its answer."""
        if self.requests.arrival_ms is not None:
            for at in self.requests.arrival_ms.tolist():
                self._at(at, self._ask)
        for _ in range(min(self.clients or 0, len(self._isl))):
            self._at(0.0, self._ask)
        while self.events:
            at, _, happens = heappop(self.events)
            happens(at)
        return Trace(self._arrival, self._first, self._end, self.requests.osl)

    def _at(self, at: float, happens: Callable[[float], None]) -> None:
        heappush(self.events, (at, next(self._order), happens))

    def _ask(self, now: float) -> None:
        """The next request arrives."""
        if self.asked < len(self._isl):
            self._arrival[self.asked] = now
            self.line.append(self.asked)
            self.asked += 1
            self._start_prefill(now)

    def _start_prefill(self, now: float) -> None:
        """A free rank takes prompts from the line."""
        if self._free and self.line:
            taken = [self.line.popleft() for _ in range(min(self.prefill.batch, len(self.line)))]
            mean = sum(self._isl[request] for request in taken) / len(taken)
            self._free -= 1
            done = now + self.prefill.service_ms(len(taken), mean)
            self._at(done, partial(self._prefilled, taken=taken))

    def _prefilled(self, now: float, taken: list[int]) -> None:
        self._free += 1
        for request in taken:
            self._at(now + self.prefill.hand_over_ms, partial(self._arrived, request=request))
        self._start_prefill(now)

    def _arrived(self, now: float, request: int) -> None:
        """Its first token is there; decoding begins where there is room."""
        self._first[request] = now
        self.ready.append(request)
        self._place(now)

    def _place(self, now: float) -> None:
        while self.ready:
            rank = min(self._ranks, key=lambda each: len(each.answers))
            if len(rank.answers) >= self.decode.batch:
                return
            self._advance(rank, now)
            request = self.ready.popleft()
            heappush(rank.answers, (rank.step + (self._osl[request] - 1) / self.decode.progress, request))
            rank.length += self._isl[request]
            self._foresee(rank, now)

    def _pace(self, rank: _Rank) -> float:
        held = len(rank.answers)
        return self.decode.step_ms(held, rank.length / held)

    def _advance(self, rank: _Rank, now: float) -> None:
        """What the rank did since its last change."""
        if rank.answers:
            steps = (now - rank.since) / self._pace(rank)
            rank.step += steps
            rank.length += steps * self.decode.progress * len(rank.answers)
        rank.since = now

    def _foresee(self, rank: _Rank, now: float) -> None:
        """The next end of an answer, if nothing changes before."""
        rank.change += 1
        if rank.answers:
            change = rank.change
            left = max(rank.answers[0][0] - rank.step, 0.0)
            self._at(now + left * self._pace(rank), partial(self._ended, rank=rank, change=change))

    def _ended(self, now: float, rank: _Rank, change: int) -> None:
        if change != rank.change:
            return
        self._advance(rank, now)
        _, request = heappop(rank.answers)
        self._end[request] = now
        rank.length = max(rank.length - self._isl[request] - self._osl[request], 0.0)
        self._foresee(rank, now)
        self._place(now)
        if self.clients is not None:
            self._ask(now)
