"""The points that a capacity question needs: within the bounds of their class, and not outdone.

Lemmas, each about one (pool, role, transfer group), because a plan with the point can be rewritten:

same type
    Of the points of one type and class within the class's bounds the one of the highest rate serves most in
    the same time. Where the request latency couples prefill and decode, ``prune.best_under_caps`` holds per
    class instead, with every type for itself.
other type
    Type q takes no more GPUs than p, and serves every class at no lower a rate. Put every worker of p at q,
    in every step. With k = floor(g_p / g_q) workers of q for each of p the same holds where k times q's rates
    are no lower and q loses at most k times p's spares: r_q (k N - s_q) >= k r_q (N - s_p) >= r_p (N - s_p).
    Starts, GPUs and types in use do not rise. Where each change of a worker costs something, k is 1.
own constraints
    What weighs or compares types by what all their points share leaves the first lemma as it is, and makes
    the second one void.
current
    A type that runs today and has a point within the bounds is never left out, but may replace others.
"""

import numpy as np

from aicfg.solver.capacity import class_ask, spares
from aicfg.solver.order import canonical_order
from aicfg.solver.packing import copies
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.prune import best_under_caps, with_partner
from aicfg.solver.user import Comparison, Filter, Row, rules
from aicfg.solver.within import is_coupled, within


def within_classes(points: Points, ask: Ask) -> IntArray:
    """Positions of the points that the bounds of their class of requests leave."""
    assert ask.capacity is not None
    kept = []
    for number in range(len(ask.capacity.classes)):
        own = np.flatnonzero(points.request_class == number)
        kept.append(own[within(points.take(own), class_ask(ask, number))])
    return np.sort(np.concatenate(kept))


def capacity_points(points: Points, ask: Ask) -> IntArray:
    """Positions of the points that the program of a capacity question is stated over, in canonical order."""
    assert ask.capacity is not None
    allowed = within_classes(points, ask)
    of = points.take(allowed)
    own = [rule for rule in rules(of, ask) if not isinstance(rule, Filter)]
    by_type = all(_is_of_types(of, rule) for rule in own)
    kept = allowed[_best_of_types(of, ask)] if by_type else allowed
    kept = np.union1d(kept, allowed[_of_today(of, ask)])
    if not own and not any(is_coupled(class_ask(ask, k)) for k in range(len(ask.capacity.classes))):
        kept = kept[_not_outdone(points.take(kept), ask)]
    return kept[canonical_order(points.take(kept))]


def _is_of_types(points: Points, rule: Row | Comparison) -> bool:
    """Whether a user's rule says the same of all points of a type."""
    weighed = (rule.per_worker,) if isinstance(rule, Row) else (rule.lower, rule.upper)
    first = np.unique(points.worker_type, return_index=True, return_inverse=True)
    return all((each[first[1]][first[2]] == each).all() for each in weighed)


def _best_of_types(points: Points, ask: Ask) -> IntArray:
    """Positions left by the lemma of the same type."""
    assert ask.capacity is not None
    kept = []
    for number in range(len(ask.capacity.classes)):
        own = np.flatnonzero(points.request_class == number)
        asked = class_ask(ask, number)
        if is_coupled(asked):
            own = own[with_partner(points.take(own))]
            of = points.take(own)
            agg = np.flatnonzero(of.role == 0)
            kept += [own[agg[fastest(of.take(agg))]], own[np.setdiff1d(_under_caps(of, asked), agg)]]
        else:
            kept.append(own[fastest(points.take(own))])
    return np.sort(np.concatenate(kept))


def _of_today(points: Points, ask: Ask) -> IntArray:
    """Positions of the fastest points of types that run today."""
    today = (ask.capacity.current if ask.capacity else None) or {}
    own = np.flatnonzero(np.isin(points.worker_type, list(today)))
    return own[fastest(points.take(own))]


def _under_caps(points: Points, ask: Ask) -> IntArray:
    paired = np.flatnonzero(points.role != 0)
    return paired[best_under_caps(points.take(paired), ask, by_type=True)]


def fastest(points: Points) -> IntArray:
    """The first point in canonical order of the highest rate of each type and class."""
    key = points.worker_type * (int(points.request_class.max(initial=0)) + 1) + points.request_class
    order = canonical_order(points)
    order = order[np.lexsort((-points.request_rate[order], key[order]))]
    return np.sort(order[np.unique(key[order], return_index=True)[1]])


def _not_outdone(points: Points, ask: Ask) -> IntArray:
    """Positions left by the lemma of other types; each type has at most one point a class."""
    assert ask.capacity is not None
    types, first, of_type = np.unique(points.worker_type, return_index=True, return_inverse=True)
    rates = np.zeros((len(ask.capacity.classes), len(types)), np.int64)
    rates[points.request_class, of_type] = points.request_rate
    one = points.take(first)
    lost, same = spares(one, ask), np.stack((one.pool, one.role, one.group))
    today = ask.capacity.current
    kept: list[int] = []
    for w in np.lexsort((np.arange(len(types)), *-rates, one.gpus)):
        others = np.array(kept, np.int64)
        others = others[(same[:, others] == same[:, [w]]).all(axis=0)]
        k = copies(int(one.gpus[w]), one.gpus[others], ask.pools[one.pool[w]].gpus_per_node)
        k = np.minimum(k, 1) if today is not None else k
        outdone = (
            (k * rates[:, others] >= rates[:, [w]]).all(axis=0) & (k > 0) & (lost[others] <= k * lost[w])
        )
        if not outdone.any() or (today and today.get(int(types[w]))):
            kept.append(int(w))
    return np.flatnonzero(np.isin(of_type, kept))
