"""Waiting: how long a request queues, on average and at a percentile, and what that makes of TTFT and TPOT.

Times of a queue are in units of one service. ``rho`` is the share of the time that a server is busy.

One server with Poisson arrivals and a constant service (a rank that computes prompts): the distribution of
the wait is Erlang's, exact. Several servers behind one line: Allen and Cunneen's approximation. In a closed
loop ``n`` clients ask anew when their answers end: a prompt meets n - 1 others, its wait has a shorter tail,
and what decoding is interrupted by hardly varies. Checked against ``aicfg.hardware.simulation``: see
docs/queueing.md.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, factorial, log
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray

Loop = Literal["closed", "open"]
MOST_BUSY = 0.98
"""Beyond it a queue is no steady state that a percentile could describe."""
EXACT_UNTIL = 12.0
"""Services up to which the wait's distribution is computed; beyond, its exponential tail."""
CLOSED_TAIL = 0.8
"""Wait of a closed loop over that of Poisson arrivals where little is going on: clients come back evenly."""
CLOSED_ORDER = 0.5
"""How much of the wait goes as the rank fills up: the more prompts, the evener they come."""
MEAN_DIFFERENCE = 2.0 / np.sqrt(np.pi)
"""Mean difference of two draws over their standard deviation: how often a client asks twice, or never."""
MOST_ELASTIC = 0.9
"""Where TPOT grows with all requests in flight the number of them has no steady state."""
_GRID = 0.02


def waiting_share(rho: ArrayLike, servers: int = 1) -> FloatArray:
    """Share of requests that wait at all (Erlang C)."""
    busy = np.clip(np.asarray(rho, dtype=np.float64), 0.0, MOST_BUSY)
    offered = servers * busy
    terms = sum((offered**k / factorial(k) for k in range(servers)), start=np.zeros_like(offered))
    last = offered**servers / factorial(servers) / (1.0 - busy)
    return np.asarray(last / (terms + last))


def mean_wait(rho: ArrayLike, servers: int = 1, variation: float = 0.0) -> FloatArray:
    """Mean wait in services; ``variation`` is the squared coefficient of variation of the service time."""
    busy = np.clip(np.asarray(rho, dtype=np.float64), 0.0, MOST_BUSY)
    per_waiting = (1.0 + variation) / (2.0 * servers * (1.0 - busy))
    return waiting_share(busy, servers) * per_waiting


def wait_quantile(rho: ArrayLike, level: float, servers: int = 1, variation: float = 0.0) -> FloatArray:
    """Wait in services that a share ``level`` of the requests stays below.

    One server with constant service: exact. Otherwise those that wait do so exponentially.
    """
    busy = np.clip(np.asarray(rho, dtype=np.float64), 0.0, MOST_BUSY)
    if servers == 1 and variation == 0.0:
        grid, waits = _constant_service(level)
        return np.interp(busy, grid, waits)
    waiting = waiting_share(busy, servers)
    per_waiting = (1.0 + variation) / (2.0 * servers * (1.0 - busy))
    beyond = np.maximum(waiting / (1.0 - level), 1.0)
    return np.asarray(per_waiting * np.log(beyond))


@lru_cache(maxsize=64)
def _constant_service(level: float) -> tuple[FloatArray, FloatArray]:
    """Quantiles of the wait over a grid of ``rho``."""
    grid = np.linspace(0.0, MOST_BUSY, 99)
    return grid, np.array([_erlang_quantile(float(rho), level) for rho in grid])


def _erlang_quantile(rho: float, level: float) -> float:
    """P(W <= t) = (1 - rho) sum_k (-rho (t - k))^k / k! exp(rho (t - k)), k up to t (Erlang, 1909)."""
    if 1.0 - rho >= level:
        return 0.0
    reached, at = 1.0 - rho, 0.0
    while reached < level and at < EXACT_UNTIL:
        at += _GRID
        terms = ((-rho * (at - k)) ** k / factorial(k) * exp(rho * (at - k)) for k in range(int(at) + 1))
        reached = (1.0 - rho) * sum(terms)
    if reached >= level:
        return at
    return at + log((1.0 - reached) / (1.0 - level)) / _decay(rho)


def _decay(rho: float) -> float:
    """Rate at which the wait's tail falls: the positive root of rho (e^x - 1) = x."""
    x = 2.0 * (1.0 - rho) / rho
    for _ in range(50):
        x -= (rho * (exp(x) - 1.0) - x) / (rho * exp(x) - 1.0)
    return x


@dataclass(frozen=True)
class Flow:
    """A rank that computes prompts beside decoding requests, at N operating points."""

    ttft_ms: FloatArray
    """Mean, with its mean wait."""
    tpot_ms: FloatArray
    """Mean."""
    mean_wait_ms: FloatArray
    """Of a prompt for those before it."""
    prompt_ms: FloatArray
    """What one prompt keeps the rank busy for."""
    busy: FloatArray
    """Share of the time in which the others' prompts are computed."""
    step_ms: FloatArray
    """A decode step: what a request that comes at any time waits for, on average half of."""
    interference_ms: FloatArray
    """Part of TPOT that the others' prompts cause."""
    others: FloatArray
    """Requests in flight beside the one."""
    slope_ms: FloatArray
    """What one more request in flight adds to TPOT."""
    length_variation: float
    """Coefficient of variation of the answers' lengths."""

    def ttft_quantile(self, level: float, loop: Loop) -> FloatArray:
        """Without waits, plus the place in the step that is running, plus the wait at the level."""
        base = self.ttft_ms - self.mean_wait_ms + self.step_ms * (level - 0.5)
        tail = CLOSED_TAIL * (1.0 - CLOSED_ORDER * self.busy) if loop == "closed" else 1.0
        return np.asarray(base + tail * self.prompt_ms * wait_quantile(self.busy, level))

    def tpot_quantile(self, level: float, loop: Loop) -> FloatArray:
        """Closed: how many prompts an answer meets. Open: also how many requests are in flight.

        In a closed loop each other client asks once in the time of an answer, but for the answers' lengths.
        With Poisson arrivals the prompts met are Poisson too; the number in flight has the variance
        n / (1 - e), e the elasticity of TPOT to it, and a mean 1 / (1 - e) above what the clients of a closed
        loop see: TPOT is log-normal.
        """
        score, met = NormalDist().inv_cdf(level), np.maximum(self.others, 1.0)
        if loop == "closed":
            variation = min(1.0, MEAN_DIFFERENCE * self.length_variation)
            return np.asarray(self.tpot_ms + score * self.interference_ms * np.sqrt(variation / met))
        mean, in_flight = self.open_mean_ms, np.sqrt(self.others / (1.0 - self.elasticity))
        spread = np.hypot(self.slope_ms * in_flight, self.interference_ms / np.sqrt(met)) / mean
        return np.asarray(mean * np.exp(score * spread - spread**2 / 2.0))

    @property
    def elasticity(self) -> FloatArray:
        """By how many percent TPOT grows with one percent more requests in flight."""
        return np.minimum(self.slope_ms * self.others / self.tpot_ms, MOST_ELASTIC)

    @property
    def open_mean_ms(self) -> FloatArray:
        """Mean TPOT with Poisson arrivals at the rate of the point."""
        return np.asarray(self.tpot_ms + self.slope_ms / (1.0 - self.elasticity))
