"""The bounds of an ask as axes: each can be set to any value, the looser the more plans.

Explanations, prices and what-if ask along them. Units are native: ns, GPUs, micro-requests/s, bytes per GPU;
a user constraint moves by the smallest step that its numbers and quantities can tell apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import lcm

import numpy as np

from aicfg.solver.answer import Answer
from aicfg.solver.constraints import numbered, parse
from aicfg.solver.names import pool_names
from aicfg.solver.objectives import LATENCIES, bounded
from aicfg.solver.order import rates
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.unique import unique
from aicfg.solver.ways import Ways, ways
from aicfg.solver.within import of_mode

MEMORY = "memory"
MICRO = 1_000_000
MOST_GPUS = 2**17
NOTHING = "gpus >= 0"
"""A constraint that every plan keeps, in the place of one that is dropped."""
FINE = ("tokens_per_s", "requests_per_s", "cost", "ttft_ms", "tpot_ms")
"""Quantities with a resolution of a millionth."""


@dataclass(frozen=True)
class Axis:
    """One bound, as a number that can move."""

    name: str
    """``ttft``, ``tpot``, ``request_latency``, ``memory``, ``load``, ``gpus(<pool>)`` or ``user(<n>)``."""
    asked: int
    loosest: int
    """Where it binds nothing that matters."""
    tightest: int
    apply: Callable[[Points, Ask, int], tuple[Points, Ask]]
    values: IntArray | None = None
    """Where something can change, ascending; None: at any whole number."""
    text: Callable[[int], str] = lambda value: ""
    """How a user constraint reads when it is moved."""

    pool: int | None = None
    """Whose GPUs it bounds."""
    scale: int = 1
    """Of a user constraint: native units in 1 of its right side."""

    def used(self, points: Points, answer: Answer, bound: int) -> int:
        """What a plan that keeps ``bound`` takes of it; of a user constraint the bound itself."""
        if self.pool is not None:
            own = zip(answer.points, answer.workers, strict=True)
            return sum(n * int(points.gpus[p]) for p, n in own if points.pool[p] == self.pool)
        if self.name == "load":
            return answer.requests or bound
        return int(getattr(answer, LATENCIES[self.name])) if self.name in LATENCIES else bound

    @property
    def looser(self) -> int:
        """+1 where a higher bound is looser, else -1."""
        return 1 if self.loosest >= self.asked else -1


def axes(points: Points, asked: Ways, memory: bool = False) -> list[Axis]:
    """The bounds that are asked for: latencies, load, memory, GPUs of each pool, user constraints.

    Several ways to serve have the same bounds; something can change wherever it can in one of them.
    """
    each_way = [_axes(points, ask, memory) for ask in ways(asked)]
    return [reduce(_joined, same) for same in zip(*each_way, strict=True)]


def _joined(one: Axis, other: Axis) -> Axis:
    ends = max if one.loosest >= one.asked and other.loosest >= other.asked else min
    values = None
    if one.values is not None and other.values is not None:
        values = np.union1d(one.values, other.values)
    return replace(one, loosest=ends(one.loosest, other.loosest), values=values)


def _axes(points: Points, ask: Ask, memory: bool) -> list[Axis]:
    of = points.take(of_mode(points, ask))
    found = [_latency(of, ask, name) for name in LATENCIES if getattr(ask, LATENCIES[name]) is not None]
    if ask.load is not None:
        found.append(Axis("load", ask.load, 1, _most_load(of, ask), _set_load))
    if memory:
        over = unique(np.maximum(of.memory_bytes - of.memory_limit_bytes, 0))
        values = unique(np.concatenate(([0], over)))
        found.append(Axis(MEMORY, 0, int(values[-1]), 0, _set_memory, values))
    found += [_gpus(of, ask, j, name) for j, name in enumerate(pool_names(ask))]
    return found + [_user(of, ask, number) for number in range(1, len(ask.constraints) + 1)]


def _latency(points: Points, ask: Ask, name: str) -> Axis:
    asked = getattr(ask, LATENCIES[name])
    whole = points.ttft_ns.max(initial=0) + ask.latency_tokens * points.tpot_ns.max(initial=0)
    values, most = None, int(whole)
    if name == "ttft":
        values = unique(points.ttft_ns[points.role != Role.DECODE])
    if name == "tpot":
        values = unique(points.tpot_ns[points.role != Role.PREFILL])
    if values is not None:
        most = int(values.max(initial=0))

    def apply(points: Points, ask: Ask, value: int) -> tuple[Points, Ask]:
        return points, bounded(ask, name, value)

    return Axis(name, asked, max(most, asked), 0, apply, values)


def _most_load(points: Points, ask: Ask) -> int:
    """More than any plan can serve."""
    gpus = sum(pool.gpus for pool in ask.pools)
    return max(int(points.request_rate.max(initial=0)) * gpus + 1, ask.load or 0)


def _set_load(points: Points, ask: Ask, value: int) -> tuple[Points, Ask]:
    return points, replace(ask, load=value)


def _set_memory(points: Points, ask: Ask, value: int) -> tuple[Points, Ask]:
    return replace(points, memory_limit_bytes=points.memory_limit_bytes + value), ask


def _gpus(points: Points, ask: Ask, j: int, name: str) -> Axis:
    """Loosest: as many workers of the largest need as each role could use."""
    own = points.take((points.pool == j) & (rates(points) > 0) & (points.request_rate > 0))
    enough = ask.pools[j].gpus + 64
    for role in unique(own.role):
        of_role = own.take(own.role == role)
        enough += int((of_role.gpus * -(-(ask.load or 1) // of_role.request_rate)).max())
    enough = max(min(2 * enough, MOST_GPUS), ask.pools[j].gpus)

    def apply(points: Points, ask: Ask, value: int) -> tuple[Points, Ask]:
        pools = tuple(replace(pool, gpus=value) if i == j else pool for i, pool in enumerate(ask.pools))
        return points, replace(ask, pools=pools)

    return Axis(f"gpus({name})", ask.pools[j].gpus, enough, 0, apply, pool=j)


def _user(points: Points, ask: Ask, number: int) -> Axis:
    """The right side of a constraint with <= or >=; of any other, whether it holds (0) or is dropped (1)."""
    text = ask.constraints[number - 1]
    sides = numbered(text)
    if sides is None:
        reads: Callable[[int], str] = lambda value: f"without: {text}" if value else text  # noqa: E731
        values = np.array([0, 1], np.int64)
        return Axis(f"user({number})", 0, 1, 0, _put(number, lambda v: NOTHING if v else text), values, reads)
    left, operator, right = sides
    constraint = parse(text)
    figures = [f for side in (constraint.left, *constraint.right) for f in side.values()]
    names = [n for side in (constraint.left, *constraint.right) for monomial in side for n in monomial]
    fine = MICRO if any(name.rpartition(".")[2] in FINE for name in names) else 1
    step = Fraction(1, lcm(*(f.denominator for f in figures), fine))
    (side,) = constraint.right
    number_only = set(side) <= {()}
    base = side.get((), Fraction(0)) if number_only else Fraction(0)

    def moved(value: int) -> str:
        shift = value * step
        if number_only:
            return f"{left} {operator} {_decimal(shift)}"
        return f"{left} {operator} {right}" + (f" + {_decimal(shift)}" if shift else "")

    asked = int(base / step)
    far = 2**40 if fine > 1 else 2**30
    end = asked + far if operator == "<=" else asked - far
    put = _put(number, moved)
    return Axis(f"user({number})", asked, end, 2 * asked - end, put, None, moved, scale=step.denominator)


def _decimal(value: Fraction) -> str:
    """``value`` as the grammar reads it back, exactly."""
    if value < 0:
        return f"(-{_decimal(-value)})"
    for digits in range(10):
        if (value * 10**digits).denominator == 1:
            whole = str(int(value * 10**digits)).rjust(digits + 1, "0")
            return f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
    return f"{value.numerator} / {value.denominator}"


def _put(number: int, text: Callable[[int], str]) -> Callable[[Points, Ask, int], tuple[Points, Ask]]:
    def apply(points: Points, ask: Ask, value: int) -> tuple[Points, Ask]:
        changed = list(ask.constraints)
        changed[number - 1] = text(value)
        return points, replace(ask, constraints=tuple(changed))

    return apply


def loosest_that(axis: Axis, good: Callable[[int], bool], start: int, end: int) -> int | None:
    """The value nearest to ``start``, on the way to ``end``, that is ``good``; None when ``end`` is not.

    ``good`` never turns back from true to false on that way.
    """
    if axis.values is not None:
        inside = axis.values[(axis.values > min(start, end)) & (axis.values < max(start, end))]
        ladder: Sequence[int] = [start, *(inside if end > start else inside[::-1]).tolist(), end]
    else:
        step = 1 if end >= start else -1
        ladder = range(start, end + step, step)
    if not good(end):
        return None
    low, high = 0, len(ladder) - 1
    if axis.pool is not None:  # further and further: of GPUs few more are enough, and many are costly
        last, high = high, min(1, high)
        while high < last and not good(int(ladder[high])):
            low, high = high, min(3 * high, last)
    while high - low > 1:
        middle = (low + high) // 2
        if good(int(ladder[middle])):
            high = middle
        else:
            low = middle
    return int(ladder[high])
