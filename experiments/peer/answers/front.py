"""The exact frontier of throughput over speed for one worker type a role, as the peer's options ask.

Beside what the solver's own frontier has (``aicfg.solver.pareto``): the latency of a whole request as the
axis, and a limit on the workers of a role.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from aicfg.solver.pairs import NO_LIMIT, served_by_pairs
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import strict_front
from aicfg.solver.scan import agg_tokens
from aicfg.solver.within import within


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
        As for ``solve``, with one worker type a role; pools share the budget of the first. Of the latency
        bounds those that ``ask`` has count; leave one out to see past it. Own constraints do not: give the
        points that they leave.
    by_request
        Speed is the latency of a whole request; otherwise it is the time per output token.
    most
        Most workers of ``prefill`` and of ``decode``.
    """
    ask = replace(ask, pools=ask.pools[:1], constraints=())
    points = replace(points, pool=np.zeros_like(points.pool))
    allowed = within(points, ask)
    of = points.take(allowed)
    if ask.mode == "agg":
        return _agg(of, allowed, ask, by_request)
    limits = most or {}
    return _disagg(
        of, allowed, ask, by_request, (limits.get("prefill", NO_LIMIT), limits.get("decode", NO_LIMIT))
    )


def _agg(of: Points, positions: IntArray, ask: Ask, by_request: bool) -> list[Corner]:
    """Each point with all the workers that there are GPUs for."""
    slow = of.ttft_ns + ask.latency_tokens * of.tpot_ns if by_request else of.tpot_ns
    workers = ask.pools[0].gpus // of.gpus
    return [Corner((int(positions[i]),), (int(workers[i]),)) for i in _maximal(slow, agg_tokens(of, ask))]


def _disagg(
    of: Points, positions: IntArray, ask: Ask, by_request: bool, most: tuple[int, int]
) -> list[Corner]:
    """Each pair with the fewest workers that serve the most that it can."""
    kept = strict_front(of, of.request_rate)
    firsts, nexts = (kept[of.role[kept] == role] for role in (Role.PREFILL, Role.DECODE))
    served = served_by_pairs(of, ask, firsts, nexts, most)
    slow = np.broadcast_to(of.tpot_ns[nexts], served.shape)
    if by_request:
        slow = of.ttft_ns[firsts][:, None] + ask.latency_tokens * slow
    corners = []
    for i in _maximal(slow.ravel(), served.ravel()):
        pair = [int(side[at]) for side, at in zip((firsts, nexts), divmod(int(i), len(nexts)), strict=True)]
        workers = (-(-int(served.flat[i]) // int(of.request_rate[p])) for p in pair)
        corners.append(Corner(tuple(int(positions[p]) for p in pair), tuple(workers)))
    return corners


def _maximal(slow: IntArray, value: IntArray) -> IntArray:
    """Positions of rising value by rising slowness."""
    order = np.lexsort((-value, slow))
    best = np.maximum.accumulate(value[order]) if len(order) else value
    return order[np.diff(best, prepend=0) > 0]
