"""What a point must not be worse in to replace another one: the criteria of dominance, by what is asked.

Amounts are per worker and add up over workers: rates, and the user's rows with their sign turned so that more
is better. Levels are of the type: latencies where the stage weighs them, and what a user constraint compares.
"""

from typing import NamedTuple

import numpy as np

from aicfg.solver.order import rates
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.user import Comparison, Row, rules
from aicfg.solver.within import is_coupled, latency


class Criteria(NamedTuple):
    """Criteria of dominance over points."""

    amounts: IntArray
    """(criterion, point): the more the better."""
    levels: IntArray
    """(criterion, point): the lower the better."""
    by_type: bool
    """Whether only points of one type replace each other: the set of types in use is itself asked about."""
    counts_types: bool
    """Whether a constraint asks for many types."""
    is_simple: bool
    """One amount, the rate, and no level but the latency that couples prefill and decode."""


def criteria(points: Points, ask: Ask) -> Criteria:
    """The criteria that ``ask`` makes of ``points``."""
    given = rules(points, ask)
    rows = [rule for rule in given if isinstance(rule, Row)]
    comparisons = [rule for rule in given if isinstance(rule, Comparison)]
    amounts = [*_rates(points, ask, rows), *_of_rows(rows)]
    levels = [*_latencies(points, ask), *_compared(points, comparisons)]
    counts_types = any(row.types < 0 or bool(row.types and row.equal) for row in rows)
    by_type = bool(ask.excluded) or counts_types
    simple = len(amounts) == 1 and len(levels) == (1 if is_coupled(ask) else 0)
    size = len(points)
    return Criteria(
        np.array(amounts, np.int64).reshape(len(amounts), size),
        np.array(levels, np.int64).reshape(len(levels), size),
        by_type,
        counts_types,
        simple and ask.objective != "request_latency",
    )


def _rates(points: Points, ask: Ask, rows: list[Row]) -> list[IntArray]:
    """Tokens/s or requests/s of an agg point, both where both are asked about."""
    asked = {bound.quantity for bound in ask.reached} | {ask.objective}
    by_tokens = "tokens_per_s" in asked or any(row.tokens for row in rows)
    by_requests = ask.load is not None or "requests_per_s" in asked or any(row.requests for row in rows)
    found = [rates(points)] if by_tokens or not by_requests else []
    return (
        [*found, points.request_rate]
        if (by_requests and (points.role == Role.AGG).any()) or not found
        else found
    )


def _of_rows(rows: list[Row]) -> list[IntArray]:
    found = []
    for row in rows:
        if row.per_worker.any():
            found += [-row.per_worker, row.per_worker] if row.equal else [-row.per_worker]
    return found


def _latencies(points: Points, ask: Ask) -> list[IntArray]:
    """Latencies that are weighed, not only bounded."""
    found = [np.where(points.role == Role.AGG, 0, latency(points))] if is_coupled(ask) else []
    if ask.objective == "ttft":
        found.append(points.ttft_ns)
    if ask.objective == "tpot":
        found.append(points.tpot_ns)
    if ask.objective == "request_latency":
        whole = points.ttft_ns + ask.latency_tokens * points.tpot_ns
        found.append(np.where(points.role == Role.AGG, whole, 0))
    return found


def _compared(points: Points, comparisons: list[Comparison]) -> list[IntArray]:
    found = []
    for each in comparisons:
        low = np.where(points.role == each.lower_role, each.lower, 0)
        high = np.where(points.role == each.upper_role, -each.upper, 0)
        found += [low + high, -low - high] if each.equal else [low + high]
    return found


def undominated(cls: IntArray, weighed: Criteria) -> IntArray:
    """Positions of the points that no other of their class is as good as in everything.

    Of equal points the first one stays.
    """
    gains = np.concatenate((weighed.amounts, -weighed.levels))
    changing = [row for row in gains if _differs(cls, row)]
    gains = np.array(changing, np.int64).reshape(len(changing), len(cls))
    if len(gains) <= 2:
        first, second = (gains[i] if i < len(gains) else np.zeros(len(cls), np.int64) for i in range(2))
        return _front_of_two(cls, first, second)
    order = np.lexsort((*(-gains[::-1]), cls))
    kept: list[int] = []
    for each in np.split(order, np.flatnonzero(np.diff(cls[order])) + 1):
        kept += _front_of_many(gains, each)
    return np.sort(np.array(kept, np.int64))


def _differs(cls: IntArray, values: IntArray) -> bool:
    """Whether ``values`` differ within some class."""
    first = np.zeros(int(cls.max(initial=-1)) + 1, np.int64)
    first[cls] = values
    return bool((first[cls] != values).any())


def _front_of_two(cls: IntArray, first: IntArray, second: IntArray) -> IntArray:
    """By (class, first falling, second falling): what has more of the second than all before it."""
    order = np.lexsort((-second, -first, cls)).astype(np.int64)
    rank = np.unique(second, return_inverse=True)[1][order] + cls[order] * (len(cls) + 1)
    before = np.maximum.accumulate(np.concatenate(([-1], rank)))[:-1]
    new_class = np.ones(len(cls), bool)
    new_class[1:] = cls[order][1:] != cls[order][:-1]
    return np.sort(order[(rank > before) | new_class])


def _front_of_many(gains: IntArray, order: IntArray) -> list[int]:
    """Of positions sorted by gains falling, those that no kept one matches in every gain."""
    kept = np.zeros((len(gains), len(order)), np.int64)
    found: list[int] = []
    for p in order:
        if not (kept[:, : len(found)] >= gains[:, [p]]).all(axis=0).any():
            kept[:, len(found)] = gains[:, p]
            found.append(int(p))
    return found
