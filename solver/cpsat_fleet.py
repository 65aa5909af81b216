"""The direct formulation's pools and nodes, prices, and the user's constraints."""

from typing import Any

import numpy as np

from aicfg.solver.cpsat_serving import Rates
from aicfg.solver.cpsat_slots import Slot, variable_of
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.packing import Nodes
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.user import Comparison, Filter, Row, rules

MOST_NODES = 16
"""Nodes of a pool that are filled one by one, where sizes do not divide."""
MICRO = 1_000_000


def add_budget(model: Any, ask: Ask, slots: list[Slot]) -> None:
    """The workers placed in a pool take no more GPUs than it has, and have places in its nodes."""
    for j, pool in enumerate(ask.pools):
        here = [_in_pool(model, slot, j, f"{i}.in.{j}") for i, slot in enumerate(slots)]
        shares = [_if(model, h, slot.gpus_taken, pool.gpus) for h, slot in zip(here, slots, strict=True)]
        model.add(sum(shares) <= pool.gpus)
        sizes = sorted({int(s) for slot in slots for s in slot.sizes[slot.pools == j]})
        nodes = Nodes(pool, tuple(sizes))
        if not nodes.is_free:
            _add_nodes(model, nodes, slots, here)


def _in_pool(model: Any, slot: Slot, j: int, name: str) -> Any:
    here = model.new_bool_var(name)
    model.add(slot.pool == j).only_enforce_if(here)
    model.add(slot.pool != j).only_enforce_if(~here)
    return here


def _if(model: Any, condition: Any, value: Any, most: int) -> Any:
    """``value`` under ``condition``, else 0."""
    found = model.new_int_var(0, most, "")
    model.add(found == value).only_enforce_if(condition)
    model.add(found == 0).only_enforce_if(~condition)
    return found


def _add_nodes(model: Any, nodes: Nodes, slots: list[Slot], here: list[Any]) -> None:
    """Every node by itself: how many workers of each slot lie in it, or whether one takes it whole."""
    size = nodes.pool.gpus_per_node
    capacities = [size] * nodes.whole + ([nodes.rest] if nodes.rest else [])
    if len(capacities) > MOST_NODES:
        raise UnsupportedAskError(
            f"engine cpsat: pool {nodes.pool.name} has {len(capacities)} nodes and workers of "
            f"{', '.join(map(str, nodes.sizes))} GPUs, which do not divide; it fills at most {MOST_NODES}"
        )
    filled: list[list[Any]] = [[] for _ in capacities]
    for slot, inside in zip(slots, here, strict=True):
        small = model.new_bool_var("")
        model.add(slot.gpus <= size).only_enforce_if(small)
        model.add(slot.gpus > size).only_enforce_if(~small)
        placed, whole = [], []
        for capacity, into in zip(capacities, filled, strict=True):
            count, gpus = model.new_int_var(0, capacity, ""), model.new_int_var(0, capacity, "")
            model.add_multiplication_equality(gpus, [count, slot.gpus])
            placed.append(count)
            into.append(gpus)
            if capacity == size:
                whole.append(model.new_bool_var(""))
                into.append(size * whole[-1])
        each, taken = model.new_int_var(0, 2**20, ""), model.new_int_var(0, 2**40, "")
        model.add_division_equality(each, slot.gpus + (size - 1), size)
        model.add_multiplication_equality(taken, [slot.workers, each])
        model.add(sum(placed) == slot.workers).only_enforce_if(inside, small)
        model.add(sum(placed) == 0).only_enforce_if(~small)
        model.add(sum(placed) == 0).only_enforce_if(~inside)
        model.add(sum(whole) == taken).only_enforce_if(inside, ~small)
        model.add(sum(whole) == 0).only_enforce_if(small)
        model.add(sum(whole) == 0).only_enforce_if(~inside)
    for capacity, into in zip(capacities, filled, strict=True):
        model.add(sum(into) <= capacity)


def price_terms(model: Any, ask: Ask, slots: list[Slot]) -> list[Any]:
    """What the GPUs of each slot cost an hour, in micro-currency."""
    prices = [pool.micro_price_per_gpu_hour or 0 for pool in ask.pools]
    terms = []
    for slot in slots:
        price = variable_of(model, "", np.array(prices, np.int64))
        model.add_element(slot.pool, prices, price)
        cost = model.new_int_var(0, max(prices) * sum(pool.gpus for pool in ask.pools), "")
        model.add_multiplication_equality(cost, [price, slot.gpus_taken])
        terms.append(cost)
    return terms


def add_user(model: Any, points: Points, ask: Ask, slots: list[Slot], rates: Rates) -> None:
    """The user's constraints on what the slots are and how many workers they have."""
    for rule in rules(points, ask):
        if isinstance(rule, Filter):
            for slot in slots:
                keep = _element(model, slot, rule.keep.astype(np.int64))
                model.add(keep == 1).only_enforce_if(slot.used)
        elif isinstance(rule, Row):
            _add_row(model, slots, rates, rule)
        else:
            _add_comparison(model, slots, rule)


def _element(model: Any, slot: Slot, values: IntArray) -> Any:
    """The value that ``values`` has at the slot's point."""
    own = values[slot.positions]
    found = variable_of(model, "", own)
    model.add_element(slot.at, own.tolist(), found)
    return found


def _add_row(model: Any, slots: list[Slot], rates: Rates, row: Row) -> None:
    scale = MICRO if row.tokens or row.requests else 1
    total: Any = row.tokens * rates.tokens + row.requests * rates.requests
    for slot in slots:
        own = row.per_worker[slot.positions]
        most = int(np.abs(own).max(initial=0)) * 2**20
        product = model.new_int_var(-most, most, "")
        model.add_multiplication_equality(product, [slot.workers, _element(model, slot, row.per_worker)])
        total = total + scale * product + scale * row.types * slot.used
    model.add(total <= scale * row.most)
    if row.equal:
        model.add(total >= scale * row.most)


def _add_comparison(model: Any, slots: list[Slot], rule: Comparison) -> None:
    for low in (slot for slot in slots if slot.role == rule.lower_role):
        for high in (slot for slot in slots if slot.role == rule.upper_role):
            lower, upper = _element(model, low, rule.lower), _element(model, high, rule.upper)
            model.add(lower <= upper).only_enforce_if(low.used, high.used)
            if rule.equal:
                model.add(lower >= upper).only_enforce_if(low.used, high.used)
