"""Constraints that remove points: a point past one of them does not exist in the program.

The last feasible integer batch before a bound is always a point, so nothing is lost between two batches.
"""

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.order import SERVING_ROLES, rates
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.rows import POINT_FILTERS, point_filter
from aicfg.solver.unique import unique
from aicfg.solver.user import Filter, rules

BoolArray = NDArray[np.bool_]


@point_filter(r"\mathrm{ttft}_p \le T", "prefill and agg points", "ns")
def ttft_sla(points: Points, ask: Ask) -> BoolArray:
    """The first token comes no later than the bound."""
    return points.ttft_ns <= ask.ttft_ns if ask.ttft_ns is not None else np.ones(len(points), bool)


@point_filter(r"\mathrm{tpot}_p \le P", "decode and agg points", "ns")
def tpot_sla(points: Points, ask: Ask) -> BoolArray:
    """The next token comes no later than the bound."""
    return points.tpot_ns <= ask.tpot_ns if ask.tpot_ns is not None else np.ones(len(points), bool)


@point_filter(r"\mathrm{ttft}_p + L\,\mathrm{tpot}_p \le R", "agg points", "ns")
def agg_request_latency(points: Points, ask: Ask) -> BoolArray:
    """An agg worker's request ends no later than the bound; prefill and decode meet it together, in rows."""
    if ask.request_latency_ns is None:
        return np.ones(len(points), bool)
    return (points.role != Role.AGG) | (points.tpot_ns <= tpot_cap(points.ttft_ns, ask))


@point_filter(r"m_p \le M_p", "points", "bytes per GPU")
def memory(points: Points, ask: Ask) -> BoolArray:
    """What the worker holds fits its GPUs."""
    return points.memory_bytes <= points.memory_limit_bytes


@point_filter(r"g_p \le G_j,\ r_p > 0", "points of pool j", "GPUs")
def one_worker_fits(points: Points, ask: Ask) -> BoolArray:
    """One worker fits its pool, and serves at a measurable rate (at least one micro-unit)."""
    budget = np.array([pool.gpus for pool in ask.pools], np.int64)
    return (points.gpus <= budget[points.pool]) & (rates(points) > 0)


@point_filter(r"\text{what the constraint says of } p", "points of the role it names", "its unit")
def user_filter(points: Points, ask: Ask) -> BoolArray:
    """The user's constraints on one role's attributes hold at every point in use."""
    keep = np.ones(len(points), bool)
    for rule in rules(points, ask):
        if isinstance(rule, Filter):
            keep &= rule.keep
    return keep


def tpot_cap(ttft_ns: IntArray, ask: Ask) -> IntArray:
    """The highest TPOT with which a request that got its first token at ``ttft_ns`` still meets its bound.

    floor((R - ttft) / L): exact in integers, and no product can overflow. -1 where ttft alone is too much.
    """
    highest = np.iinfo(np.int64).max
    if ask.request_latency_ns is None:
        return np.full(len(ttft_ns), highest)
    left = ask.request_latency_ns - ttft_ns
    cap = left // ask.latency_tokens if ask.latency_tokens else np.full(len(left), highest)
    return np.where(left < 0, -1, cap)


def of_mode(points: Points, ask: Ask) -> IntArray:
    """Positions of the points whose role serves in the mode."""
    return np.flatnonzero(np.isin(points.role, SERVING_ROLES[ask.mode]))


def within(points: Points, ask: Ask) -> IntArray:
    """Positions of the points of the mode that every point filter keeps."""
    keep = np.isin(points.role, SERVING_ROLES[ask.mode])
    for each in POINT_FILTERS.values():
        keep &= each.function(points, ask)
    return np.flatnonzero(keep)


def is_coupled(ask: Ask) -> bool:
    """Whether the TTFT of the prefill and the TPOT of the decode point bound each other."""
    return ask.mode != "agg" and (ask.request_latency_ns is not None or ask.objective == "request_latency")


def in_time_with_a_partner(points: Points, ask: Ask) -> BoolArray:
    """Mask of the points that meet the request latency with the fastest partner of their transfer group."""
    keep = np.ones(len(points), bool)
    for group in unique(points.group[points.role != Role.AGG]):
        firsts, nexts = (
            np.flatnonzero((points.group == group) & (points.role == role))
            for role in (Role.PREFILL, Role.DECODE)
        )
        fastest_first = points.ttft_ns[firsts].min(initial=np.iinfo(np.int64).max // 2)
        fastest_next = points.tpot_ns[nexts].min(initial=np.iinfo(np.int64).max // 2)
        keep[nexts] = points.tpot_ns[nexts] <= tpot_cap(np.array([fastest_first]), ask)
        keep[firsts] = fastest_next <= tpot_cap(points.ttft_ns[firsts], ask)
    return keep


def latency(points: Points) -> IntArray:
    """The latency a point contributes in disagg: TTFT of prefill, TPOT of decode."""
    return np.where(points.role == Role.PREFILL, points.ttft_ns, points.tpot_ns)
