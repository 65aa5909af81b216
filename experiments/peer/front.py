"""The exact frontier of throughput over speed, for one worker type a role.

With the operating points chosen, the best counts follow: for ``y`` decode workers the rest of the GPUs
prefill, and the slower role decides. What prefill lets through falls as ``y`` grows while what decode lets
through rises, so the best ``y`` is where they cross, found by bisection for all pairs of points at once.
Points that another of the same size beats in rate and latency are left out first. The plan itself comes
from the solver; that the frontier passes through it, and through the solver's answers at other bounds, is
what the tests hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.points import Ask, IntArray, Points, Role

FREE = 2**31
"""No limit on workers."""


@dataclass(frozen=True)
class Corner:
    """One plan of the frontier."""

    points: tuple[int, ...]
    workers: tuple[int, ...]


def front(
    points: Points, ask: Ask, *, by_request: bool = False, most: Mapping[str, int] | None = None
) -> list[Corner]:
    """Plans of which none is at once faster for a user and higher in throughput, the fastest first.

    Parameters
    ----------
    points, ask
        As for ``solve``, with one pool and one worker type a role. Of the latency bounds those that ``ask``
        has count; leave one out to see past it.
    by_request
        Speed is the latency of a whole request; otherwise it is the time per output token.
    most
        Most workers of ``prefill`` and of ``decode``.
    """
    fits = points.memory_bytes <= points.memory_limit_bytes
    if ask.ttft_ns is not None:
        fits &= points.ttft_ns <= ask.ttft_ns
    if ask.tpot_ns is not None:
        fits &= points.tpot_ns <= ask.tpot_ns
    if ask.mode == "agg":
        found = _agg(points, ask, fits)
    else:
        most = most or {}
        found = _disagg(points, ask, fits, by_request, (most.get("prefill", FREE), most.get("decode", FREE)))
    ttft_ns, tpot_ns, value, chosen, workers = found
    latency = ttft_ns + ask.latency_tokens * tpot_ns
    if ask.request_latency_ns is not None:
        value = np.where(latency <= ask.request_latency_ns, value, 0)
    kept = _maximal(latency if by_request else tpot_ns, value)
    return [Corner(tuple(map(int, chosen[i])), tuple(map(int, workers[i]))) for i in kept]


Found = tuple[IntArray, IntArray, IntArray, IntArray, IntArray]
"""TTFT, TPOT, micro-tokens/s, and the points and workers of each plan, one row each."""


def _maximal(slowness: IntArray, value: IntArray) -> IntArray:
    """Positions of increasing value as slowness grows."""
    order = np.lexsort((-value, slowness))
    best = np.maximum.accumulate(value[order]) if len(order) else value
    rises = np.diff(best, prepend=0) > 0
    return order[rises]


def _agg(points: Points, ask: Ask, fits: NDArray[np.bool_]) -> Found:
    at = np.flatnonzero(fits & (points.role == Role.AGG) & (points.gpus <= ask.pools[0].gpus))
    workers = ask.pools[0].gpus // points.gpus[at]
    value = workers * points.token_rate[at]
    return points.ttft_ns[at], points.tpot_ns[at], value, at[:, None], workers[:, None]


def _disagg(
    points: Points, ask: Ask, fits: NDArray[np.bool_], by_request: bool, most: tuple[int, int]
) -> Found:
    parts: list[Found] = []
    for group in np.unique(points.group[points.role != Role.AGG]):
        mine = fits & (points.group == group)
        firsts = _undominated(
            points, np.flatnonzero(mine & (points.role == Role.PREFILL)), points.ttft_ns, by_request
        )
        nexts = _undominated(
            points, np.flatnonzero(mine & (points.role == Role.DECODE)), points.tpot_ns, True
        )
        parts.append(_pairs(points, ask, firsts, nexts, most))
    if not parts:
        nothing, nobody = np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
        return nothing, nothing, nothing, nobody, nobody
    ttft, tpot, value, chosen, workers = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ttft, tpot, value, chosen, workers


def _undominated(points: Points, at: IntArray, slowness: IntArray, by_latency: bool) -> IntArray:
    """Of each size of worker: the highest rate, and with ``by_latency`` the lower rates that are faster."""
    kept = []
    for gpus in np.unique(points.gpus[at]):
        same = at[points.gpus[at] == gpus]
        rates = points.request_rate[same]
        kept.append(same[_maximal(slowness[same], rates)] if by_latency else same[[rates.argmax()]])
    return np.concatenate(kept) if kept else at


def _pairs(
    points: Points, ask: Ask, firsts: IntArray, nexts: IntArray, most_workers: tuple[int, int]
) -> Found:
    """Every pair with its best counts, the fewest workers that give that throughput."""
    p, d = (side.ravel() for side in np.meshgrid(firsts, nexts, indexing="ij"))
    gpus = ask.pools[0].gpus
    p_gpus, d_gpus, p_rate, d_rate = (
        points.gpus[p],
        points.gpus[d],
        points.request_rate[p],
        points.request_rate[d],
    )
    low, high = np.zeros_like(p), np.minimum(np.maximum((gpus - p_gpus) // d_gpus, 0), most_workers[1])
    most = high.copy()

    def prefilled(y: IntArray) -> IntArray:
        return np.minimum((gpus - y * d_gpus) // p_gpus, most_workers[0]) * p_rate

    while (low < high).any():  # the last y at which decoding is still the slower role
        middle = (low + high + 1) // 2
        slower = middle * d_rate <= prefilled(middle)
        low, high = np.where(slower, middle, low), np.where(slower, high, middle - 1)
    rate = np.maximum(low * d_rate, np.where(low < most, prefilled(low + 1), 0))
    served = rate > 0
    workers = np.stack([-(-rate // np.maximum(p_rate, 1)), -(-rate // np.maximum(d_rate, 1))], axis=1)
    chosen = np.stack([p, d], axis=1)
    value = rate * ask.tokens_per_request
    return (
        points.ttft_ns[p][served],
        points.tpot_ns[d][served],
        value[served],
        chosen[served],
        workers[served],
    )
