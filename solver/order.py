"""The canonical order of operating points: the last tie-break, so that an answer is unique."""

import numpy as np

from aicfg.solver.points import DEGREES, IntArray, Points

SERVING_ROLES = {"agg": (0,), "disagg": (1, 2), "mixed": (0, 1, 2)}
"""Roles of a mode, in the order in which plans list them."""


def canonical_keys(points: Points) -> tuple[IntArray, ...]:
    """The keys, most significant first: role, tp, pp, dp, cp, moe_tp, moe_ep, batch, chunk, quantisation,
    pool, group, worker type. Smaller comes first: fewer GPUs work together, smaller batches.
    """
    degrees = tuple(points.degrees[name] for name in DEGREES)
    return (
        points.role,
        *degrees,
        points.batch,
        points.chunk_tokens,
        points.quant,
        points.pool,
        points.group,
        points.worker_type,
    )


def canonical_order(points: Points) -> IntArray:
    """Positions of the points, first in canonical order first."""
    return np.lexsort(canonical_keys(points)[::-1]).astype(np.int64)


def first_canonical(points: Points, positions: IntArray) -> int:
    """Which of ``positions`` (at least one) comes first."""
    return int(positions[canonical_order(points.take(positions))[0]])


def canonical_key(points: Points, position: int) -> tuple[int, ...]:
    """The key of one point, to compare in Python."""
    return tuple(int(key[position]) for key in canonical_keys(points))


def rates(points: Points) -> IntArray:
    """What a worker adds to its role: micro-tokens/s of an agg point, else micro-requests/s."""
    return np.where(points.role == 0, points.token_rate, points.request_rate)


def canonical_weight(points: Points) -> IntArray:
    """Whole numbers, one for each point: of one of each role the lowest sum is that which comes first.

    The rank in canonical order within its role, prefill (and agg) above decode.
    """
    order, weight = canonical_order(points), np.zeros(len(points), np.int64)
    for role in np.flatnonzero(np.bincount(points.role, minlength=1)):
        own = order[points.role[order] == role]
        weight[own] = (np.arange(len(own)) + 1) * (1 if role == 2 else len(points) + 1)
    return weight
