"""The indices of the program's columns, and the names of points, types, groups and pools."""

from functools import cached_property

import numpy as np

from aicfg.solver.names import distinct, lp_safe, pool_names
from aicfg.solver.objectives import LATENCIES, objective_of
from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.packing import Pattern, nodes_of
from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Role
from aicfg.solver.rows import Columns, FloatArray
from aicfg.solver.unique import unique
from aicfg.solver.user import Comparison, Row, rules

MICRO = 1e6
"""Micro-units of a unit, ns of a ms."""


class Frame:
    """Where each variable of the program stands, for points within the bounds."""

    def __init__(self, points: Points, ask: Ask) -> None:
        self.points, self.ask, self.size = points, ask, len(points)
        self.objective = objective_of(ask)
        self.roles = np.array(SERVING_ROLES[ask.mode])
        self.several_types = ask.types_per_role != 1
        budget = np.array([pool.gpus for pool in ask.pools], np.int64)
        self.most_workers = budget[points.pool] // np.maximum(points.gpus, 1)
        self.n = np.arange(self.size)
        self.u = self.size + self.n
        self.types, self.type_first, self.type_of = np.unique(
            points.worker_type, return_index=True, return_inverse=True
        )
        self.type_role = points.role[self.type_first]
        self.agg = np.flatnonzero(points.role == Role.AGG)
        self.paired = np.flatnonzero(points.role != Role.AGG)
        self.groups = unique(points.group[self.paired])
        self.group_of = np.searchsorted(self.groups, points.group)
        self.nodes = nodes_of(points, ask)
        given = rules(points, ask)
        self.user_rows = [rule for rule in given if isinstance(rule, Row)]
        self.comparisons = [rule for rule in given if isinstance(rule, Comparison)]
        self._place(2 * self.size)

    def _place(self, at: int) -> None:
        """The columns after n and u; a block that the statement does not need is empty."""
        bounded = self.ask.request_latency_ns is not None or self.objective.name == "request_latency"
        groups = len(self.groups) if Role.PREFILL in self.roles else 0
        sizes = {
            "type_used": len(self.types) if self.several_types else 0,
            "served": groups,
            "tokens": 1 if Role.AGG in self.roles and self._counts_tokens() else 0,
            "ttft": groups if bounded else 0,
            "generation": groups if bounded else 0,
            "pattern": len(self.patterns),
            "level": len(self.comparisons),
            "worst": 1 if self.objective.name in LATENCIES else 0,
        }
        self.blocks: dict[str, IntArray] = {}
        for name, size in sizes.items():
            self.blocks[name] = np.arange(at, at + size)
            at += size
        self.type_used, self.served, self.tokens = (self.blocks[b] for b in ("type_used", "served", "tokens"))
        self.ttft, self.generation = self.blocks["ttft"], self.blocks["generation"]
        self.pattern, self.level, self.worst = (self.blocks[b] for b in ("pattern", "level", "worst"))
        self.width = at

    def _counts_tokens(self) -> bool:
        return (
            self.objective.name == "tokens_per_s"
            or any(bound.quantity == "tokens_per_s" for bound in self.ask.reached)
            or any(row.tokens for row in self.user_rows)
        )

    @cached_property
    def patterns(self) -> list[tuple[int, str, int, Pattern]]:
        """Pool, kind of node, how many there are, and pattern, where patterns must be counted."""
        return [(j, *each) for j, nodes in self.nodes.items() for each in nodes.all_patterns()]

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the transfer groups."""
        return [f"g{group}" for group in self.groups]

    @cached_property
    def pool_names(self) -> list[str]:
        """Names of the pools."""
        return pool_names(self.ask)

    @cached_property
    def type_names(self) -> list[str]:
        """``role_name`` of each type: the caller's name, or its degrees other than 1."""
        names = []
        for worker_type, first in zip(self.types, self.type_first, strict=True):
            if worker_type < len(self.ask.names):
                name = lp_safe(self.ask.names[worker_type])
            else:
                degrees = {key: int(self.points.degrees[key][first]) for key in DEGREES}
                name = "_".join(f"{key}{value}" for key, value in degrees.items() if value != 1) or "tp1"
            names.append(f"{Role(self.points.role[first]).name.lower()}_{name}")
        return distinct(names, self.types)

    @cached_property
    def point_names(self) -> list[str]:
        """``type_b48``, with ``_c4000`` behind it where there is a chunk budget."""
        chunk = self.points.chunk_tokens
        names = [
            f"{self.type_names[self.type_of[p]]}_b{self.points.batch[p]}"
            + (f"_c{chunk[p]}" if chunk[p] else "")
            for p in range(self.size)
        ]
        return distinct(names, np.arange(self.size))

    def total(self, quantity: str) -> list[tuple[IntArray, FloatArray]]:
        """Columns and coefficients that sum up to a total of the plan, in its units."""
        points, price = self.points, np.array([p.micro_price_per_gpu_hour or 0 for p in self.ask.pools])
        one = np.ones(self.size)
        totals = {
            "tokens_per_s": [
                (self.served, self.ask.tokens_per_request * np.ones(len(self.served))),
                (self.tokens, np.ones(len(self.tokens))),
            ],
            "requests_per_s": [
                (self.served, np.ones(len(self.served))),
                (self.n[self.agg], points.request_rate[self.agg] / MICRO),
            ],
            "gpus": [(self.n, points.gpus * one)],
            "cost": [(self.n, price[points.pool] * points.gpus / MICRO)],
            "types": [(self.u, one)],
            "any": [],
        }
        return totals[quantity]

    def columns(self) -> Columns:
        """Names, bounds, kinds and costs of all columns."""
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        upper[self.n] = self.most_workers
        upper[self.u] = upper[self.type_used] = 1.0
        upper[self.pattern] = [most for _, _, most, _ in self.patterns]
        lower[self.level] = -np.inf
        integer = np.zeros(self.width, bool)
        for block in (self.n, self.u, self.type_used, self.pattern):
            integer[block] = True
        cost = np.zeros(self.width)
        if len(self.worst):
            cost[self.worst] = 1.0
        else:
            for columns, coefficients in self.total(self.objective.name):
                cost[columns] = coefficients
        return Columns(self._names(), lower, upper, integer, cost)

    def _names(self) -> tuple[str, ...]:
        names = [f"n({p})" for p in self.point_names] + [f"u({p})" for p in self.point_names]
        if self.several_types:
            names += [f"in_use({w})" for w in self.type_names]
        names += [f"served({g})" for g in self.group_names[: len(self.served)]]
        names += ["tokens"] * len(self.tokens)
        for block in ("ttft", "generation"):
            names += [f"{block}({g})" for g in self.group_names[: len(self.blocks[block])]]
        names += [self.pattern_name(i) for i in range(len(self.patterns))]
        names += [f"level({each.number})" for each in self.comparisons]
        return (*names, *["worst"] * len(self.worst))

    def pattern_name(self, i: int) -> str:
        """``pattern(pool_node_1x2_2x3)``: one worker of 2 GPUs and two of 3 in a whole node."""
        j, kind, _, counts = self.patterns[i]
        filled = "_".join(f"{n}x{s}" for n, s in zip(counts, self.nodes[j].small, strict=True) if n)
        return f"pattern({self.pool_names[j]}_{kind}_{filled or 'empty'})"
