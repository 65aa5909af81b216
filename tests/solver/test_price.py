"""Prices: at each breakpoint the optimum changes as said, and not before it."""

from dataclasses import replace

import oracle
import pytest
from instances import AGG, AGG_POINTS, DISAGG, MICRO, MS, PAIR
from synthetic import fleet, small

from aicfg.solver.axes import axes
from aicfg.solver.objectives import objective_of
from aicfg.solver.points import Ask, Points
from aicfg.solver.price import Price, prices
from aicfg.solver.ways import Ways, ways


def figure(points: Points, asked: Ways) -> int | None:
    """The best figure by brute force, over all ways."""
    asks = ways(asked)
    found = [best[0] for ask in asks if (best := oracle.best(points, ask))]
    return (max if objective_of(asks[0]).maximize else min)(found) if found else None


def check(points: Points, ask: Ask) -> int:
    """Every price against brute force; returns how many bounds had one."""
    value, found = figure(points, ask), prices(points, ask)
    if value is None:
        assert found == ()
        return 0
    by_name = {axis.name: axis for axis in axes(points, ask)}
    assert [each.constraint for each in found] == [name for name in by_name if name != ask.objective]
    for each in found:
        check_one(points, ask, by_name[each.constraint], each, value)
    return sum(each.looser is not None or each.tighter is not None for each in found)


def check_one(points: Points, asked: Ways, axis, price: Price, value: int) -> None:
    """The figure holds from ``keeps`` up to just before the looser step, and changes at both steps."""
    assert price.value == value

    def at(bound: int) -> int | None:
        applied = [axis.apply(points, ask, bound) for ask in ways(asked)]
        return figure(applied[0][0], [ask for _, ask in applied])

    maximize = objective_of(ways(asked)[0]).maximize
    assert at(price.keeps) == value
    if price.tighter is not None:
        assert price.tighter.bound == price.keeps - axis.looser
        assert at(price.tighter.bound) == price.tighter.value
        assert price.tighter.value is None or (price.tighter.value < value) == maximize
    if price.looser is not None:
        assert at(price.looser.bound) == price.looser.value != value
        assert at(price.looser.bound - axis.looser) == value
        assert price.looser.value is not None and (price.looser.value > value) == maximize
    elif axis.name in ("ttft", "tpot", "request_latency", "load"):
        assert at(axis.loosest) == value


@pytest.mark.parametrize("seed", range(40))
def test_with_one_type_a_role(seed):
    """Agg and disagg on one pool: latencies, request latency and GPUs."""
    points, ask = small(seed, ("agg", "disagg")[seed % 2])
    check(points, replace(ask, pools=(replace(ask.pools[0], gpus=min(ask.pools[0].gpus, 8)),)))


@pytest.mark.parametrize("seed", range(0, 140, 7))
def test_of_fleets(seed):
    """Fleets: several modes, types and pools, objectives, loads, nodes and user constraints."""
    check(*fleet(seed))


def test_in_figures():
    """At 8 GPUs and 15 ms: 100 tokens/s more for 4 GPUs more, 40 more for 15 ms more; none below 10 ms."""
    found = {each.constraint: each for each in prices(AGG_POINTS, replace(AGG, tpot_ns=15 * MS))}
    tpot, gpus = found["tpot"], found["gpus(h100_sxm)"]
    assert (tpot.value, tpot.keeps) == (200 * MICRO, 15 * MS)
    assert tpot.looser is not None and (tpot.looser.bound, tpot.looser.value) == (30 * MS, 240 * MICRO)
    assert tpot.looser.per_unit == 40 * MICRO / (15 * MS)
    assert tpot.tighter is not None and (tpot.tighter.bound, tpot.tighter.value) == (15 * MS - 1, 80 * MICRO)
    assert gpus.looser is not None and (gpus.looser.bound, gpus.looser.value) == (12, 300 * MICRO)
    assert gpus.tighter is not None and (gpus.tighter.bound, gpus.tighter.value) == (7, 100 * MICRO)


def test_a_user_constraint_has_a_price():
    """Of at most 6 GPUs: two more give the pair its optimum, and the constraint is told as it would read."""
    (gpus, user) = prices(PAIR, replace(DISAGG, constraints=("gpus <= 6",)))
    assert (user.constraint, user.asked) == ("user(1)", 6)
    assert user.looser is not None and user.looser.text == f"gpus <= {user.looser.bound}"
    assert user.looser.value == figure(PAIR, replace(DISAGG, constraints=(user.looser.text,)))
    assert (gpus.keeps, gpus.looser) == (4, None)  # 80 tokens/s take four
