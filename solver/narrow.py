"""Leaving out, once, what no stage of an ask would keep: a smaller set of points for many solves.

Lemma (slower). Point q is of p's type, has strictly higher rates (tokens/s and requests/s), no higher TTFT or
TPOT, and one of them lower. So q is within every latency bound that p is within. Pruning, whatever it weighs
of rates and latencies, keeps q or a better one and never p. The scan needs no more workers at q than at p,
and has a lower latency with q, so p is in no best plan. Where a user constraint counts or compares more than
rates this says nothing.
"""

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.user import Filter, rules
from aicfg.solver.within import latency

MOST_AT_ONCE = 1024
"""Points of an aggregated type up to which all pairs are compared."""


def worth_keeping(points: Points, ask: Ask) -> NDArray[np.bool_]:
    """Mask of the points that some stage could keep; all where the lemma says nothing.

    ``points`` are within what the user's constraints say of single points.
    """
    if all(isinstance(rule, Filter) for rule in rules(points.take(np.zeros(0, np.int64)), ask)):
        return not_slower(points)
    return np.ones(len(points), bool)


def why_whole(points: Points, ask: Ask) -> str | None:
    """Why all points must be looked at for ``ask``; None where those of ``narrowed`` do."""
    if ask.capacity is not None:
        return "points are of several classes of requests, or of several steps"
    for rule in rules(points, ask):
        if not isinstance(rule, Filter):
            return f"user({rule.number}) counts or compares more than rates and latencies"
        types = np.unique(points.worker_type[rule.keep])
        if np.isin(points.worker_type[~rule.keep], types).any():
            return f"user({rule.number}) leaves points out that others of their type could replace"
    return None


def narrowed(points: Points, beyond_memory: bool = False) -> IntArray:
    """Positions of points that fit and are not slower than another; if asked, of all that do not fit too."""
    fits = points.memory_bytes <= points.memory_limit_bytes
    within = np.flatnonzero(fits)
    kept = within[not_slower(points.take(within))]
    return np.sort(np.concatenate((kept, np.flatnonzero(~fits)))) if beyond_memory else kept


def not_slower(points: Points) -> NDArray[np.bool_]:
    """Mask of the points that are not slower than another one of their type (lemma: slower)."""
    keep = np.ones(len(points), bool)
    paired = np.flatnonzero(points.role != Role.AGG)
    keep[paired] = _not_slower(
        points.worker_type[paired], points.request_rate[paired], latency(points)[paired]
    )
    agg = np.flatnonzero(points.role == Role.AGG)
    agg = agg[np.argsort(points.worker_type[agg], kind="stable")]
    for own in np.split(agg, np.flatnonzero(np.diff(points.worker_type[agg])) + 1):
        if len(own) <= MOST_AT_ONCE:
            keep[own] = _not_slower_of_type(points, own)
    return keep


def _not_slower(types: IntArray, rate: IntArray, slow: IntArray) -> NDArray[np.bool_]:
    """Mask of the points whose rate none of their type reaches at a lower latency."""
    order = np.lexsort((-rate, slow, types))
    rank = (np.unique(rate, return_inverse=True)[1] + types * (len(rate) + 1))[order]
    of_type, slow = types[order], slow[order]
    new_run = np.ones(len(rank), bool)
    new_run[1:] = (of_type[1:] != of_type[:-1]) | (slow[1:] != slow[:-1])
    start = np.maximum.accumulate(np.where(new_run, np.arange(len(rank)), 0))
    before = np.concatenate(([-1], np.maximum.accumulate(rank)))[start]
    keep = np.zeros(len(rate), bool)
    keep[order] = rank >= before
    return keep


def _not_slower_of_type(points: Points, own: IntArray) -> NDArray[np.bool_]:
    """The same for one aggregated type, with two rates and two latencies."""
    tokens, requests, ttft, tpot = (
        values[own] for values in (points.token_rate, points.request_rate, points.ttft_ns, points.tpot_ns)
    )
    beats = (tokens[:, None] > tokens) & (requests[:, None] > requests)
    beats &= (ttft[:, None] <= ttft) & (tpot[:, None] <= tpot)
    beats &= (ttft[:, None] < ttft) | (tpot[:, None] < tpot)
    return np.logical_not(beats.any(axis=0))
