"""The indices of the program's columns, and the names of points, types, groups and pools."""

import re
from functools import cached_property

import numpy as np

from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Role
from aicfg.solver.rows import Columns


def lp_safe(text: str) -> str:
    """``text`` with everything that an LP or MPS file cannot hold in a name replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", text)


def pool_names(ask: Ask) -> list[str]:
    """LP-safe names of the pools, distinct even when two pools are of one kind."""
    return _distinct([lp_safe(pool.name) for pool in ask.pools], np.arange(len(ask.pools)))


class Frame:
    """Where each variable of the program stands, for points within the bounds."""

    def __init__(self, points: Points, ask: Ask) -> None:
        self.points, self.ask, self.size = points, ask, len(points)
        self.roles = np.array(SERVING_ROLES[ask.mode])
        self.several_types = ask.types_per_role > 1
        budget = np.array([pool.gpus for pool in ask.pools], np.int64)
        self.most_workers = budget[points.pool] // np.maximum(points.gpus, 1)
        self.n = np.arange(self.size)
        self.u = self.size + self.n
        self.types, self.type_first, self.type_of = np.unique(
            points.worker_type, return_index=True, return_inverse=True
        )
        self.type_role = points.role[self.type_first]
        self.groups, self.group_of = np.unique(points.group, return_inverse=True)
        self._place(2 * self.size)

    def _place(self, at: int) -> None:
        """The columns after n and u; a block that the statement does not need is empty."""
        disagg, groups = self.ask.mode == "disagg", len(self.groups)
        coupled = disagg and self.ask.request_latency_ns is not None
        blocks: list[IntArray] = []
        for size in (
            len(self.types) if self.several_types else 0,
            groups if disagg else 1,
            groups if coupled else 0,
            groups if coupled else 0,
        ):
            blocks.append(np.arange(at, at + size))
            at += size
        self.type_used, flow, self.ttft, self.generation = blocks
        self.served, self.tokens = (flow, flow[:0]) if disagg else (flow[:0], flow)
        self.width = at

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the transfer groups."""
        return [f"g{group}" for group in self.groups]

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
        return _distinct(names, self.types)

    @cached_property
    def point_names(self) -> list[str]:
        """``type_b48``, with ``_c4000`` behind it where there is a chunk budget."""
        chunk = self.points.chunk_tokens
        names = [
            f"{self.type_names[self.type_of[p]]}_b{self.points.batch[p]}"
            + (f"_c{chunk[p]}" if chunk[p] else "")
            for p in range(self.size)
        ]
        return _distinct(names, np.arange(self.size))

    def columns(self) -> Columns:
        """Names, bounds, kinds and costs of all columns."""
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        upper[self.n] = self.most_workers
        upper[self.u] = upper[self.type_used] = 1.0
        integer = np.zeros(self.width, bool)
        integer[self.n] = integer[self.u] = integer[self.type_used] = True
        cost = np.zeros(self.width)
        cost[self.served], cost[self.tokens] = self.ask.tokens_per_request, 1.0
        return Columns(self._names(), lower, upper, integer, cost)

    def _names(self) -> tuple[str, ...]:
        names = [f"n({p})" for p in self.point_names] + [f"u({p})" for p in self.point_names]
        if self.several_types:
            names += [f"type({w})" for w in self.type_names]
        names += ["tokens"] if self.ask.mode == "agg" else [f"served({g})" for g in self.group_names]
        if len(self.ttft):
            names += [f"ttft({g})" for g in self.group_names] + [f"generation({g})" for g in self.group_names]
        return tuple(names)


def _distinct(names: list[str], identity: IntArray) -> list[str]:
    """``names``, with the identity behind those that are not unique."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name if seen[name] == 1 else f"{name}_{i}" for name, i in zip(names, identity, strict=True)]
