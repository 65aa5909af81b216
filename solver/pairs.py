"""What pairs of a prefill and a decode point can serve at most, exactly and for all pairs at once.

A pair in two pools fills each: min(r_p floor(G_a / g_p), r_d floor(G_b / g_d)). A pair in one pool splits it.
With x prefill workers, r_p x rises and the decode workers that still fit serve r_d floor((G - g_p x) / g_d),
which falls; so the lower of the two is highest at the last x with r_p x not above the other, or at the next
one.
"""

import numpy as np

from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.within import tpot_cap

NO_LIMIT = 2**31
Limits = tuple[int, int]
"""Most workers of prefill and of decode."""


def served_by_pairs(
    points: Points, ask: Ask, firsts: IntArray, nexts: IntArray, most: Limits = (NO_LIMIT, NO_LIMIT)
) -> IntArray:
    """Most micro-requests/s of each pair, (prefill, decode); 0 for a pair that cannot be a plan."""
    budget = np.array([pool.gpus for pool in ask.pools], np.int64)[points.pool]
    allowed = points.group[firsts][:, None] == points.group[nexts]
    allowed &= points.tpot_ns[nexts] <= tpot_cap(points.ttft_ns[firsts], ask)[:, None]
    i, j = np.nonzero(allowed)
    p, d = firsts[i], nexts[j]
    one_pool = points.pool[p] == points.pool[d]
    workers = budget // points.gpus
    served = np.minimum(
        points.request_rate[p] * np.minimum(workers[p], most[0]),
        points.request_rate[d] * np.minimum(workers[d], most[1]),
    )
    served[one_pool] = _split(points, budget[p[one_pool]], p[one_pool], d[one_pool], most)
    if ask.load is not None:
        served[served < ask.load] = 0
    found = np.zeros(allowed.shape, np.int64)
    found[i, j] = served
    return found


def _split(points: Points, budget: IntArray, p: IntArray, d: IntArray, most: Limits) -> IntArray:
    """Most that each pair in one pool serves, by bisection over the prefill workers."""
    first_gpus, next_gpus = points.gpus[p], points.gpus[d]
    first_rate, next_rate = points.request_rate[p], points.request_rate[d]

    def lower(x: IntArray) -> tuple[IntArray, IntArray]:
        left = np.maximum((budget - first_gpus * x) // next_gpus, 0)
        return first_rate * np.minimum(x, most[0]), next_rate * np.minimum(left, most[1])

    low, high = np.zeros(len(p), np.int64), budget // first_gpus + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        prefill, decode = lower(middle)
        below = prefill <= decode
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.maximum(np.minimum(*lower(low)), np.minimum(*lower(low + 1)))
