"""What the names in constraints mean: attributes of a worker type, and totals of a plan.

Attributes (``decode.tp``) are of the worker types in use; a constraint on them holds for every one in use,
and a comparison of two roles for every pair of them. Totals (``gpus``, ``prefill.workers``) are of the whole
plan.
"""

from collections.abc import Iterator

import numpy as np

from aicfg.model_specs.errors import InputError, nearest
from aicfg.solver.names import lp_safe
from aicfg.solver.objectives import check_prices
from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Role

ROLES = {role.name.lower(): role for role in Role}
FIELDS = {"gpus_per_worker": "gpus", "batch": "batch", "chunk_tokens": "chunk_tokens", "quant": "quant"}
LATENCY_FIELDS = {"ttft_ms": "ttft_ns", "tpot_ms": "tpot_ns"}
NUMBERS = (*DEGREES, *FIELDS, *LATENCY_FIELDS)
PLAN_TOTALS = ("gpus", "workers", "cost", "tokens_per_s", "requests_per_s", "types")
PART_TOTALS = ("gpus", "workers")
"""Totals that a role or a pool has too."""
NS_PER_MS = 1_000_000
MICRO = 1_000_000


class Quantities:
    """The names that constraints on ``points`` and ``ask`` can use."""

    def __init__(self, points: Points, ask: Ask) -> None:
        self.points, self.ask = points, ask
        self.pools = {pool.name: j for j, pool in enumerate(ask.pools)}
        self.pools = {lp_safe(pool.name): j for j, pool in enumerate(ask.pools)} | self.pools
        self.texts = {"pool", "system", *ask.labels}

    def role(self, name: str) -> Role | None:
        """The role that an attribute is of; None for what is no attribute."""
        role, _, attribute = name.partition(".")
        return ROLES[role] if role in ROLES and attribute in {*NUMBERS, *self.texts} else None

    def is_text(self, name: str) -> bool:
        """Whether ``name`` is an attribute with texts for values."""
        return self.role(name) is not None and name.partition(".")[2] in self.texts

    def is_total(self, name: str) -> bool:
        """Whether ``name`` is a total of the plan, of a role or of a pool."""
        part, _, total = name.rpartition(".")
        return name in PLAN_TOTALS or ((part in ROLES or part in self.pools) and total in PART_TOTALS)

    def attribute(self, name: str) -> tuple[IntArray, int]:
        """Values of a number at every point, and how many of its integers make one of the user's units."""
        key = name.partition(".")[2]
        if key in LATENCY_FIELDS:
            return getattr(self.points, LATENCY_FIELDS[key]), NS_PER_MS
        return self.points.degrees[key] if key in DEGREES else getattr(self.points, FIELDS[key]), 1

    def text(self, name: str) -> tuple[tuple[str, ...], IntArray]:
        """The texts that an attribute can have, and which one every point has."""
        key = name.partition(".")[2]
        if key in self.ask.labels:
            return self.ask.labels[key], self.points.worker_type
        return tuple(pool.name for pool in self.ask.pools), self.points.pool

    def per_worker(self, name: str) -> tuple[IntArray, int]:
        """What one worker at each point adds to a total (``types`` and rates are not of workers: 0)."""
        part, _, total = name.rpartition(".")
        where = np.ones(len(self.points), np.int64)
        if part in ROLES:
            where = (self.points.role == ROLES[part]).astype(np.int64)
        elif part:
            where = (self.points.pool == self.pools[part]).astype(np.int64)
        if total == "cost":
            check_prices(self.ask)
            prices = [pool.micro_price_per_gpu_hour or 0 for pool in self.ask.pools]
            return np.array(prices, np.int64)[self.points.pool] * self.points.gpus, MICRO
        if total == "gpus":
            return where * self.points.gpus, 1
        return where * (total == "workers"), 1

    def known(self, names: tuple[str, ...], text: str) -> None:
        """Every one of ``names`` has a meaning.

        Raises
        ------
        InputError
            Naming the constraint and the closest name that has one.
        """
        for name in names:
            if self.role(name) is None and not self.is_total(name):
                known = sorted(self._all_names())
                attributes = "|".join((*NUMBERS, *sorted(self.texts)))
                raise InputError(
                    f"constraint {text!r}: {name!r} is no quantity of a plan{nearest(name, known)}; "
                    f"there are agg|prefill|decode.({attributes}), {'|'.join(PLAN_TOTALS)}, "
                    f"and (a role or a pool).({'|'.join(PART_TOTALS)})"
                )

    def _all_names(self) -> Iterator[str]:
        yield from PLAN_TOTALS
        for role in ROLES:
            yield from (f"{role}.{each}" for each in (*NUMBERS, *self.texts, *PART_TOTALS))
        for pool in self.pools:
            yield from (f"{pool}.{each}" for each in PART_TOTALS)
