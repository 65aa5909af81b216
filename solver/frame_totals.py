"""Totals of a plan as sums of columns: what objectives, earlier stages and the user's rows weigh."""

from typing import TYPE_CHECKING

import numpy as np

from aicfg.solver.objectives import STAGES
from aicfg.solver.order import canonical_weight
from aicfg.solver.points import IntArray
from aicfg.solver.rows import FloatArray

if TYPE_CHECKING:
    from aicfg.solver.frame import Frame

MICRO = 1e6


def per_unit(f: "Frame", quantity: str) -> int:
    """Integers in one unit of a total of the plan."""
    if quantity == "goal":
        return per_unit(f, f.asked)
    if f.ask.capacity is None or quantity not in ("gpus", "cost"):
        return STAGES[quantity].per_unit
    return int(MICRO) * f.ask.capacity.time_unit


def total(f: "Frame", quantity: str) -> list[tuple[IntArray, FloatArray]]:
    """Columns and coefficients that sum up to a total of the plan, in its units."""
    served, agg = f.served, f.agg
    if quantity == "tokens_per_s":
        per_request = f.tokens_per_request[f.lane_class[: len(served)]]
        return [(served, per_request), (f.tokens, np.ones(len(f.tokens)))]
    if quantity == "requests_per_s":
        rate = f.points.request_rate[agg] / MICRO
        return [(served, np.ones(len(served))), (f.n[agg], rate)]
    if quantity in ("gpus", "cost"):
        return _spent(f, quantity == "cost")
    if quantity == "types":
        return [(f.chosen[0], np.ones(len(f.chosen[0])))]
    if quantity == "order":
        return [(f.type_used, canonical_weight(f.base.take(f.type_first)).astype(np.float64))]
    if quantity == "changes":
        changed = np.concatenate((f.added, f.removed))
        return [(changed, np.ones(len(changed)))]
    return _goal(f) if quantity == "goal" else []


def objective_terms(f: "Frame") -> list[tuple[IntArray, FloatArray]]:
    """Columns and coefficients of this stage's objective."""
    if len(f.worst):
        return [(f.worst, np.ones(1))]
    return _goal(f) if f.objective.name == f.asked else total(f, f.objective.name)


def _goal(f: "Frame") -> list[tuple[IntArray, FloatArray]]:
    """The total that was asked for, and what changes of today's workers cost."""
    cost = f.ask.capacity.change_cost if f.ask.capacity else None
    sign = -1.0 if STAGES[f.asked].maximize else 1.0
    changes = total(f, "changes") if cost else []
    penalty = [(columns, sign * (cost or 0) / MICRO * each) for columns, each in changes]
    return total(f, f.asked) + penalty


def _spent(f: "Frame", priced: bool) -> list[tuple[IntArray, FloatArray]]:
    """GPUs in use times how long (and their price); those of workers that start, and what is bought."""
    pools, capacity = f.ask.pools, f.ask.capacity
    price = np.array([(p.micro_price_per_gpu_hour or 0) / MICRO if priced else 1.0 for p in pools])
    step, pool = np.divmod(f.count_site, len(pools))
    each = price[pool] * f.count_gpus
    offers = capacity.offers if capacity and priced else ()
    rented = np.array([not (offers and offers[j]) for j in range(len(pools))])[pool]
    found = [(f.counted, each * f.seconds[step] * rented)]
    if capacity is not None and len(f.started):
        found.append((f.started, each * capacity.startup_s / capacity.time_unit))
    if capacity is not None and offers:
        bought = [
            offers[j][number].micro_price_per_gpu_hour
            * (f.seconds.sum() if offers[j][number].committed else f.seconds[t])
            / MICRO
            for j, t, number in f.offered
        ]
        found.append((f.bought, np.array(bought)))
    return found
