"""What each bound costs: where the optimum next changes on either side of it, and by how much.

The optimum is a step function of each bound. It steps only at a latency that some plan has: a TTFT or TPOT of
a point, or the request latency of a point or a pair. Being monotone, the next step is found by bisection over
those values, each asked of the solver; nothing between two of them is missed. Of the budget every number of
GPUs is a candidate.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from aicfg.experiments.assemble import MICRO, NS_PER_MS, Mode
from aicfg.experiments.budgets import gpus_of, with_gpus
from aicfg.experiments.optima import Family, Outcome
from aicfg.experiments.prepare import prepare
from aicfg.experiments.schema import MAX_GPUS, Experiment
from aicfg.model_specs.errors import InputError
from aicfg.solver.answer import Answer
from aicfg.solver.points import Ask, IntArray, Points, Role

KEYS = {"ttft_ns": "sla.ttft_ms", "tpot_ns": "sla.tpot_ms", "request_latency_ns": "sla.request_latency_ms"}
GPUS = "fleet.gpus"
_MORE_GPUS = 256
"""How far above the budget the next step is looked for."""


@dataclass(frozen=True)
class Step:
    """The next change of the optimum on one side of a bound."""

    at: float
    """The first value of the bound with another optimum above; the lowest one with the same optimum below."""
    tokens_per_s: float | None
    """Beyond ``at``; None where no plan exists there."""
    change: float | None
    """Of the tokens/s, from the optimum as asked."""
    needs: float | None
    """What the plan beyond ``at`` needs of the bound: its own latency or GPUs."""
    price: float | None
    """|change| over |needs - asked|: tokens/s per ms, or per GPU."""
    plan: str


@dataclass(frozen=True)
class Price:
    """A bound, what its optimum uses of it, and the next steps."""

    bound: str
    asked: float
    used: float
    looser: Step | None
    """None: no looser bound is worth anything (of GPUs: none of the next few hundred)."""
    tighter: Step


@dataclass(frozen=True)
class Prices:
    """The prices of an experiment's bounds; none where it has no plan."""

    schema: int
    experiment: str
    outcome: Outcome
    prices: tuple[Price, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what ``aicfg price --json`` prints."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def prices_of(experiment: Experiment) -> Prices:
    """The price of every latency bound that ``experiment`` gives, and of its GPUs.

    Raises
    ------
    InputError
        For a name that does not exist, or an objective other than the tokens/s.
    """
    budgets = gpus_of(experiment.fleet)
    most = [min(budget + _MORE_GPUS, MAX_GPUS) for budget in budgets]
    fleet = with_gpus(experiment.fleet, most)
    pricer = _Pricer(Family(prepare(msgspec.structs.replace(experiment, fleet=fleet))), experiment)
    prices: list[Price] = []
    if pricer.base.points:
        prices = [pricer.of_latency(name) for name in KEYS if pricer.asked(name) is not None]
        prices += [pricer.of_gpus(pool, each) for pool, each in enumerate(most)]
    return Prices(1, experiment.name, pricer.family.outcome(experiment), tuple(prices))


class _Pricer:
    def __init__(self, family: Family, experiment: Experiment) -> None:
        self.family = family
        self._asks = family.asks(experiment)
        self._ask = next(iter(self._asks.values()))
        self.base = family.best(self._asks)[1]
        if self._ask.objective != "tokens_per_s":
            raise InputError(f"objective: prices are of tokens_per_s, the objective is {self._ask.objective}")

    def asked(self, name: str) -> int | None:
        """A latency bound as asked, ns."""
        bound: int | None = getattr(self._ask, name)
        return bound

    def of_latency(self, name: str) -> Price:
        """The price of one latency bound."""
        asked = self.asked(name)
        assert asked is not None
        used: Callable[[Answer], int] = attrgetter(name)
        values = thresholds(self.family.found.points, self._asks, name)

        def at(value: int) -> Answer:
            bound: Any = {name: value}
            return self.family.best({mode: replace(ask, **bound) for mode, ask in self._asks.items()})[1]

        above = self._above(values[bisect_right(values, asked) :], at)
        below = self._below(values[: bisect_right(values, asked)], at)
        looser = None if above is None else self._step(above, above, at, asked, NS_PER_MS, used)
        tighter = self._step(below, below - 1, at, asked, NS_PER_MS, used)
        return Price(KEYS[name], asked / NS_PER_MS, used(self.base) / NS_PER_MS, looser, tighter)

    def of_gpus(self, pool: int, most: int) -> Price:
        """The price of the budget of one pool."""
        asked, several = self._ask.pools[pool].gpus, len(self._ask.pools) > 1

        def at(gpus: int) -> Answer:
            asks = {mode: _with_gpus(ask, pool, gpus) for mode, ask in self._asks.items()}
            return self.family.best(asks)[1]

        def used(answer: Answer) -> int:
            return self.family.gpus_in(pool, answer)

        above = self._above(range(asked + 1, most + 1), at)
        below = self._below(range(1 if not several else 0, asked + 1), at)
        looser = None if above is None else self._step(above, above, at, asked, 1, used)
        tighter = self._step(below, below - 1, at, asked, 1, used)
        return Price(
            f"fleet.pools[{pool}].gpus" if several else GPUS, asked, used(self.base), looser, tighter
        )

    def _above(self, values: Sequence[int], at: Callable[[int], Answer]) -> int | None:
        """The lowest of ``values``, all looser than what is asked, with a better optimum."""
        return _first(values, lambda value: _tokens(at(value)) > _tokens(self.base))

    def _below(self, values: Sequence[int], at: Callable[[int], Answer]) -> int:
        """The lowest of ``values``, none looser than what is asked, with the same optimum."""
        lowest = _last_first(values, lambda value: _tokens(at(value)) == _tokens(self.base))
        assert lowest is not None  # the plan itself has such a value
        return lowest

    def _step(
        self,
        at: int,
        beyond: int,
        solved: Callable[[int], Answer],
        asked: int,
        unit: float,
        used: Callable[[Answer], int],
    ) -> Step:
        """The step at ``at``, to the optimum of ``beyond``."""
        answer = solved(beyond) if beyond >= 0 else None
        if answer is None or not answer.points:
            return Step(at / unit, None, None, None, None, "")
        change = (_tokens(answer) - _tokens(self.base)) / MICRO
        needs = at if beyond == at else used(answer)
        price = abs(change) / (abs(needs - asked) / unit)
        return Step(
            at / unit, _tokens(answer) / MICRO, change, needs / unit, price, self.family.words(answer)
        )


def thresholds(points: Points, asks: dict[Mode, Ask], name: str) -> list[int]:
    """Every value of a latency that some plan can have, ascending, ns; ``name`` is a bound of ``Ask``."""
    if name == "ttft_ns":
        found = [points.ttft_ns[points.role != Role.DECODE]]
    elif name == "tpot_ns":
        found = [points.tpot_ns[points.role != Role.PREFILL]]
    else:
        found = [_request_latencies(points, ask) for ask in asks.values()]
    values: list[int] = np.unique(np.concatenate(found)).tolist()
    return values


def _request_latencies(points: Points, ask: Ask) -> IntArray:
    """Of agg points; or of every pair of a prefill and a decode point of one transfer group."""
    agg = points.role == Role.AGG
    sums = [points.ttft_ns[agg] + ask.latency_tokens * points.tpot_ns[agg]]
    if ask.mode == "agg":
        return sums[0]
    for group in np.unique(points.group[points.role == Role.PREFILL]):
        mine = points.group == group
        ttft = np.unique(points.ttft_ns[mine & (points.role == Role.PREFILL)])
        tpot = np.unique(points.tpot_ns[mine & (points.role == Role.DECODE)])
        sums.append((ttft[:, None] + ask.latency_tokens * tpot).ravel())
    return np.concatenate(sums)


def _with_gpus(ask: Ask, pool: int, gpus: int) -> Ask:
    changed = replace(ask.pools[pool], gpus=gpus)
    return replace(ask, pools=(*ask.pools[:pool], changed, *ask.pools[pool + 1 :]))


def _tokens(answer: Answer) -> int:
    return -1 if answer.tokens is None else answer.tokens


def _first(values: Sequence[int], holds: Callable[[int], bool]) -> int | None:
    """The first of ``values`` that ``holds``, which then all later ones do; gallops, then bisects."""
    low, high, stride = 0, 0, 1
    while high < len(values) and not holds(values[high]):
        low, high, stride = high + 1, high + stride, 2 * stride
    if high >= len(values):
        high = len(values)
        if low >= high or not holds(values[-1]):
            return None
        high -= 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(values[middle]) else (middle + 1, high)
    return values[high]


def _last_first(values: Sequence[int], holds: Callable[[int], bool]) -> int | None:
    """As ``_first``, looked for from the end, which is near."""
    fails = _first(range(len(values)), lambda back: not holds(values[len(values) - 1 - back]))
    position = len(values) if fails is None else fails
    return values[len(values) - position] if position else None
