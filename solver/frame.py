"""The indices of the program's columns, and the names of points, types, lanes and pools.

A plain ask has one class of requests and one step in time: then n(p) counts the workers at point p. With
``Ask.capacity`` workers(w) counts the workers of a type in each step, and n(p) is the time of theirs, in
workers, that they spend at point p, which is of one class.
"""

from functools import cached_property

import numpy as np

from aicfg.solver import frame_names, frame_totals
from aicfg.solver.objectives import LATENCIES, objective_of
from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.packing import Nodes, Pattern, nodes_of
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.rows import Columns, FloatArray
from aicfg.solver.unique import unique
from aicfg.solver.user import Comparison, Row, rules

MICRO = 1e6
"""Micro-units of a unit, ns of a ms."""


class Frame:
    """Where each variable of the program stands, for points within the bounds.

    ``points`` are repeated for each step; the first ``size`` are those of the first step. A lane is a step, a
    class of requests and a transfer group; a site is a pool in one step.
    """

    def __init__(self, points: Points, ask: Ask) -> None:
        self.base, self.ask, self.size = points, ask, len(points)
        self.objective = objective_of(ask)
        self.roles = np.array(SERVING_ROLES[ask.mode])
        self.planned = ask.capacity is not None
        self.steps = len(ask.capacity.steps) if ask.capacity else 1
        self.by_type = ask.types_per_role != 1 or self.planned
        self.points = points.take(np.tile(np.arange(self.size), self.steps)) if self.steps > 1 else points
        self.step = np.repeat(np.arange(self.steps), self.size)
        self.types, self.type_first, self.type_of = np.unique(
            points.worker_type, return_index=True, return_inverse=True
        )
        self.type_role = points.role[self.type_first]
        self.agg = np.flatnonzero(self.points.role == Role.AGG)
        self.paired = np.flatnonzero(points.role != Role.AGG)
        self.groups = unique(points.group[self.paired])
        self.nodes: dict[int, Nodes] = nodes_of(points, ask)
        given = rules(points, ask)
        self.user_rows = [rule for rule in given if isinstance(rule, Row)]
        self.comparisons = [rule for rule in given if isinstance(rule, Comparison)]
        self._set_lanes()
        self._place()

    def _set_lanes(self) -> None:
        """The lane of each point, the lanes' group and class, and how tokens count in each."""
        groups, classes = int(self.points.group.max(initial=0)) + 2, 1
        if self.ask.capacity is not None:
            classes = len(self.ask.capacity.classes)
        key = (self.step * classes + self.points.request_class) * groups + self.points.group
        self.lanes = unique(key[self.points.role != Role.AGG])
        self.lane_of = np.searchsorted(self.lanes, key)
        self.lane_group = self.lanes % groups
        self.lane_class = self.lanes // groups % classes
        self.lane_step = self.lanes // groups // classes
        self.first_lanes = np.flatnonzero(self.lane_step == 0)
        each = self.ask.capacity.classes if self.ask.capacity else (self.ask,)
        self.tokens_per_request = np.array([of.tokens_per_request for of in each], np.float64)
        self.latency_tokens = np.array([of.latency_tokens for of in each], np.int64)
        self.latency_bounds = [of.request_latency_ns for of in each]

    @property
    def asked(self) -> str:
        """The objective that was asked for: that of the first stage."""
        return (self.ask.capacity.goal if self.ask.capacity else "") or self.objective.name

    @property
    def is_coupled(self) -> bool:
        """Whether the latencies of prefill and decode points in use bound each other."""
        bounded = any(bound is not None for bound in self.latency_bounds)
        return Role.PREFILL in self.roles and (bounded or self.objective.name == "request_latency")

    def _place(self) -> None:
        """The columns, block by block; a block that the statement does not need is empty."""
        capacity, lanes = self.ask.capacity, len(self.lanes) if Role.PREFILL in self.roles else 0
        coupled = len(self.first_lanes) if self.is_coupled else 0
        chooses = not self.planned or self.is_coupled or bool(self.comparisons)
        by_step = len(self.types) * self.steps if self.planned else 0
        reshuffles = capacity is not None and capacity.current is not None
        goes_on = capacity is not None and self.steps > 1
        sizes = {
            "workers": by_step,
            "n": self.size * self.steps,
            "u": self.size if chooses else 0,
            "type_used": len(self.types) if self.by_type else 0,
            "served": lanes,
            "tokens": 1 if Role.AGG in self.roles and self._counts_tokens() else 0,
            "requests": 1 if self.planned and self.asked == "tokens_per_s" else 0,
            "ttft": coupled,
            "generation": coupled,
            "started": by_step if goes_on else 0,
            "added": len(self.types) if reshuffles else 0,
            "removed": len(self.types) if reshuffles else 0,
            "bought": len(self.offered),
            "pattern": len(self.patterns),
            "level": len(self.comparisons),
            "worst": 1 if self.objective.name in LATENCIES else 0,
        }
        self.blocks: dict[str, IntArray] = {}
        at = 0
        for name, size in sizes.items():
            self.blocks[name] = np.arange(at, at + size)
            at += size
        self.width = at

    def __getattr__(self, name: str) -> IntArray:
        """The columns of a block: ``f.n``, ``f.u``, ``f.served``, ..."""
        blocks: dict[str, IntArray] = self.__dict__.get("blocks", {})
        if name not in blocks:
            raise AttributeError(name)
        return blocks[name]

    def _counts_tokens(self) -> bool:
        return (
            self.asked == "tokens_per_s"
            or any(bound.quantity == "tokens_per_s" for bound in self.ask.reached)
            or any(row.tokens for row in self.user_rows)
        )

    @cached_property
    def counted(self) -> IntArray:
        """The columns that count workers."""
        return self.blocks["workers"] if self.planned else self.blocks["n"]

    @cached_property
    def count_point(self) -> IntArray:
        """A point of the type that each of ``counted`` is of, among the repeated ones."""
        if not self.planned:
            return np.arange(self.size)
        first = np.arange(self.steps)[:, None] * self.size + self.type_first
        return first.ravel()

    @cached_property
    def count_gpus(self) -> IntArray:
        """GPUs of one worker of each of ``counted``."""
        return self.points.gpus[self.count_point]

    @cached_property
    def count_site(self) -> IntArray:
        """Step times pools plus pool of each of ``counted``."""
        at = self.count_point
        return self.step[at] * len(self.ask.pools) + self.points.pool[at]

    @cached_property
    def most_workers(self) -> IntArray:
        """As many workers of each of ``counted`` as its pool has GPUs for."""
        return self.most_of_point[self.count_point]

    @cached_property
    def most_of_point(self) -> IntArray:
        """As many workers at each point as its pool has GPUs for."""
        budget = np.array([pool.gpus for pool in self.ask.pools], np.int64)
        return budget[self.points.pool] // np.maximum(self.points.gpus, 1)

    @cached_property
    def packed_sites(self) -> list[tuple[int, Nodes]]:
        """The sites whose nodes need rows beside the budget."""
        return [(t * len(self.ask.pools) + j, n) for t in range(self.steps) for j, n in self.nodes.items()]

    @cached_property
    def chosen(self) -> tuple[IntArray, IntArray]:
        """The columns that choose, and a point that each is of: u(p); with capacity in_use(w)."""
        return (self.type_used, self.type_first) if self.planned else (self.u, np.arange(self.size))

    @cached_property
    def seconds(self) -> FloatArray:
        """Length of each step in what an objective counts by: 1, or hours."""
        if self.ask.capacity is None:
            return np.ones(1)
        return np.array([s.seconds for s in self.ask.capacity.steps]) / self.ask.capacity.time_unit

    @cached_property
    def offered(self) -> list[tuple[int, int, int]]:
        """Pool, step and offer of each quantity that is bought; a committed offer stands at step 0 only."""
        offers = self.ask.capacity.offers if self.ask.capacity else ()
        return [
            (j, t, number)
            for j, of_pool in enumerate(offers)
            for number, offer in enumerate(of_pool)
            for t in range(1 if offer.committed else self.steps)
        ]

    @cached_property
    def patterns(self) -> list[tuple[int, str, int, Pattern]]:
        """Site, kind of node, how many there are, and pattern, where patterns must be counted."""
        return [(site, *each) for site, nodes in self.packed_sites for each in nodes.all_patterns()]

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the transfer groups."""
        return [f"g{group}" for group in self.groups]

    @cached_property
    def lane_names(self) -> list[str]:
        """Names of the lanes: the group, with its class and step where there are several."""
        return frame_names.lane_names(self)

    @cached_property
    def pool_names(self) -> list[str]:
        """Names of the pools."""
        return frame_names.pool_names(self.ask)

    @cached_property
    def type_names(self) -> list[str]:
        """``role_name`` of each type: the caller's name, or its degrees other than 1."""
        return frame_names.type_names(self)

    @cached_property
    def point_names(self) -> list[str]:
        """``type_b48`` of each point of the first step, with chunk budget and class where there are any."""
        return frame_names.point_names(self)

    def site_name(self, site: int) -> str:
        """The pool, with its step where there are several."""
        step, pool = divmod(site, len(self.ask.pools))
        return self.pool_names[pool] + self.step_name(step)

    def step_name(self, step: int) -> str:
        """What stands behind a name at a step: nothing where there is one step."""
        return f"_t{step + 1}" if self.steps > 1 else ""

    def total(self, quantity: str) -> list[tuple[IntArray, FloatArray]]:
        """Columns and coefficients that sum up to a total of the plan, in its units."""
        return frame_totals.total(self, quantity)

    def per_unit(self, quantity: str) -> int:
        """Integers in one unit of a total of the plan."""
        return frame_totals.per_unit(self, quantity)

    def columns(self) -> Columns:
        """Names, bounds, kinds and costs of all columns."""
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        if not self.planned:
            upper[self.n] = self.most_workers
        upper[self.workers] = self.most_workers if self.planned else 0
        upper[self.u] = upper[self.type_used] = 1.0
        upper[self.pattern] = [most for _, _, most, _ in self.patterns]
        offers = self.ask.capacity.offers if self.ask.capacity else ()
        upper[self.bought] = np.array([offers[j][number].gpus for j, _, number in self.offered], np.float64)
        lower[self.level] = -np.inf
        lower[self.requests] = 1 / MICRO  # a plan serves
        integer = np.zeros(self.width, bool)
        for block in (self.counted, self.u, self.type_used, self.bought, self.pattern):
            integer[block] = True
        cost = np.zeros(self.width)
        for columns, coefficients in frame_totals.objective_terms(self):
            cost[columns] = coefficients
        return Columns(frame_names.column_names(self), lower, upper, integer, cost)
