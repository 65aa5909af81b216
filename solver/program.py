"""The program, neutral of any engine: named variables, named constraint families, a linear objective.

Variables
    n(p)        workers at point p, a whole number
    u(p)        point p is in use, 0 or 1
    type(w)     worker type w is in use, 0 or 1 (only where a role may have several types)
    served(g)   requests/s that transfer group g serves (disagg)
    tokens      output tokens/s (agg)
    ttft(g)     worst TTFT in use in group g, ms (request latency in disagg only)
    generation(g)   L times the worst TPOT in use in group g, ms (likewise)

Rates are stated in requests/s and tokens/s and latencies in ms; every coefficient is a point's integer
(micro-units, nanoseconds) divided by 1e6, so a unit of the integers is 1e-6 in the rows.
The objective: output tokens/s, the highest: T * sum of served(g), or tokens.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aicfg.solver.frame import Frame, pool_names
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.rows import FAMILIES, Columns, FloatArray, Rows, family, make_rows

MICRO = 1e6
"""Micro-units of a unit, ns of a ms."""
HALF_NS = 0.5e-6
"""Half a nanosecond in ms: latencies are whole ns, so it tells R from R + 1 ns and forgives rounding."""


@dataclass(frozen=True)
class Program:
    """max cost.x over lower <= A x <= upper and the columns' bounds. ``columns[:points]`` are n(p)."""

    columns: Columns
    families: dict[str, Rows]
    """Only families with at least one row, in the order of their declaration."""
    points: int

    @cached_property
    def row_names(self) -> tuple[str, ...]:
        """``family(index)`` of every row."""
        return tuple(f"{name}({index})" for name, rows in self.families.items() for index in rows.index)

    @cached_property
    def row_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound of every row."""
        return (
            np.concatenate([rows.lower for rows in self.families.values()]),
            np.concatenate([rows.upper for rows in self.families.values()]),
        )

    @cached_property
    def matrix(self) -> tuple[IntArray, IntArray, FloatArray]:
        """A by rows (CSR): start of each row and the end, column of each entry, coefficient."""
        row, column, coefficient, first = [], [], [], 0
        for rows in self.families.values():
            row.append(rows.row + first)
            column.append(rows.column)
            coefficient.append(rows.coefficient)
            first += len(rows.index)
        order = np.lexsort((np.concatenate(column), np.concatenate(row)))
        counts = np.bincount(np.concatenate(row), minlength=first)
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return starts, np.concatenate(column)[order], np.concatenate(coefficient)[order]


def state(points: Points, ask: Ask) -> Program:
    """The program over ``points``, which are within the bounds; families in order of declaration."""
    frame = Frame(points, ask)
    stated = {each.name: each.function(frame) for each in FAMILIES.values()}
    return Program(
        frame.columns(), {name: rows for name, rows in stated.items() if len(rows.index)}, len(points)
    )


@family(r"\sum_{p \in P_j} g_p\, n_p \le G_j", "pool j", "GPUs")
def gpu_budget(f: Frame) -> Rows:
    """The workers of a pool take no more GPUs than the pool has."""
    pools = np.unique(f.points.pool)
    row = np.searchsorted(pools, f.points.pool)
    budget = np.array([f.ask.pools[j].gpus for j in pools], np.float64)
    names = pool_names(f.ask)
    return make_rows([names[j] for j in pools], [(row, f.n, f.points.gpus)], upper=budget)


def _served(f: Frame, role: Role) -> Rows:
    """served(g) - sum r_p n_p <= 0 over the points of ``role`` in g."""
    if f.ask.mode == "agg":
        return make_rows([], [])
    at = np.flatnonzero(f.points.role == role)
    own = (np.arange(len(f.groups)), f.served, 1.0)
    rate = (f.group_of[at], f.n[at], -f.points.request_rate[at] / MICRO)
    return make_rows(f.group_names, [own, rate], upper=0.0)


@family(r"\lambda_g \le \sum_{p \in \mathrm{prefill}, g} r_p\, n_p", "transfer group g", "requests/s")
def prefill_rate(f: Frame) -> Rows:
    """A transfer group serves no more requests than its prefill workers take."""
    return _served(f, Role.PREFILL)


@family(r"\lambda_g \le \sum_{p \in \mathrm{decode}, g} r_p\, n_p", "transfer group g", "requests/s")
def decode_rate(f: Frame) -> Rows:
    """A transfer group serves no more requests than its decode workers finish."""
    return _served(f, Role.DECODE)


@family(r"\mathrm{tokens} \le \sum_{p \in \mathrm{agg}} t_p\, n_p", "", "tokens/s")
def agg_rate(f: Frame) -> Rows:
    """Aggregated workers serve alone: their tokens add up."""
    if f.ask.mode == "disagg":
        return make_rows([], [])
    return make_rows(["all"], [(0, f.tokens, 1.0), (0 * f.n, f.n, -f.points.token_rate / MICRO)], upper=0.0)


@family(
    r"\sum_{p \in \rho, g} u_p \le K \sum_{q \in \bar\rho, g} u_q",
    "transfer group g, role ρ (the other role is ρ̄)",
    "points",
)
def kv_transfer(f: Frame) -> Rows:
    """KV caches pass only within a transfer group: a point without a partner is not in use."""
    if f.ask.mode == "agg":
        return make_rows([], [])
    size = len(f.groups)
    index = [f"{group}_{role}" for role in ("prefill", "decode") for group in f.group_names]
    terms = []
    for first, role in ((0, Role.PREFILL), (size, Role.DECODE)):
        weight = np.where(f.points.role == role, 1.0, -f.ask.types_per_role)
        terms.append((first + f.group_of, f.u, weight))
    return make_rows(index, terms, upper=0.0)


@family(
    r"\mathrm{ttft}_p\, u_p \text{ summed over a type} \le \mathrm{TTFT}_g",
    "transfer group g, type w",
    "ms",
)
def worst_ttft(f: Frame) -> Rows:
    """The TTFT of a group is at least that of its prefill point in use; of each type if there are several."""
    return _worst(f, Role.PREFILL, f.ttft, f.points.ttft_ns / MICRO)


@family(
    r"L\,\mathrm{tpot}_p\, u_p \text{ summed over a type} \le L\,\mathrm{TPOT}_g",
    "transfer group g, type w",
    "ms",
)
def worst_tpot(f: Frame) -> Rows:
    """L times the TPOT of a group is at least that of its decode point in use; of each type likewise."""
    return _worst(f, Role.DECODE, f.generation, f.ask.latency_tokens * f.points.tpot_ns / MICRO)


def _worst(f: Frame, role: Role, worst: IntArray, value: FloatArray) -> Rows:
    """sum value_p u_p <= worst(g): a type has one point in use, and with one type a role so has the role."""
    if not len(worst):
        return make_rows([], [])
    at = np.flatnonzero(f.points.role == role)
    blocks = f.type_of if f.several_types else f.group_of
    names = f.type_names if f.several_types else f.group_names
    of_block, row = np.unique(blocks[at], return_inverse=True)
    group = np.zeros(len(of_block), np.int64)
    group[row] = f.group_of[at]
    own = (np.arange(len(of_block)), worst[group], -1.0)
    return make_rows([names[b] for b in of_block], [own, (row, f.u[at], value[at])], upper=0.0)


@family(r"\mathrm{TTFT}_g + L\,\mathrm{TPOT}_g \le R", "transfer group g", "ms")
def request_latency(f: Frame) -> Rows:
    """A request ends no later than the bound, in every transfer group by its own workers."""
    if not len(f.ttft):
        return make_rows([], [])
    row = np.arange(len(f.groups))
    bound = (f.ask.request_latency_ns or 0) / MICRO + HALF_NS
    return make_rows(f.group_names, [(row, f.ttft, 1.0), (row, f.generation, 1.0)], upper=bound)


@family(r"\sum_{w \in \rho} u_w \le K \quad (K = 1:\ \sum_{p \in \rho} u_p \le 1)", "role ρ", "types")
def types_per_role(f: Frame) -> Rows:
    """A role has at most K worker types; one type runs one point, so one batch."""
    roles = np.unique(f.points.role)
    index = [Role(role).name.lower() for role in roles]
    if f.several_types:
        row = np.searchsorted(roles, f.type_role)
        return make_rows(index, [(row, f.type_used, 1.0)], upper=float(f.ask.types_per_role))
    return make_rows(index, [(np.searchsorted(roles, f.points.role), f.u, 1.0)], upper=1.0)


@family(r"\sum_{p \in w} u_p \le u_w", "worker type w (K > 1)", "points")
def one_batch(f: Frame) -> Rows:
    """All workers of a type run at one point."""
    if not f.several_types:
        return make_rows([], [])
    own = (np.arange(len(f.type_names)), f.type_used, -1.0)
    return make_rows(f.type_names, [own, (f.type_of, f.u, 1.0)], upper=0.0)


@family(r"n_p \le \lfloor G_j / g_p \rfloor\, u_p", "point p of pool j", "workers")
def point_limit(f: Frame) -> Rows:
    """Only a point in use has workers, and no more of them than its pool has GPUs for."""
    row = np.arange(f.size)
    return make_rows(f.point_names, [(row, f.n, 1.0), (row, f.u, -f.most_workers)], upper=0.0)


@family(r"u_p \le n_p", "point p", "workers")
def point_used(f: Frame) -> Rows:
    """A point in use has at least one worker."""
    row = np.arange(f.size)
    return make_rows(f.point_names, [(row, f.n, 1.0), (row, f.u, -1.0)], lower=0.0)


@family(r"\sum_{p \in \rho} u_p \ge 1", "role ρ of the mode", "points")
def service(f: Frame) -> Rows:
    """A plan serves: each role of the mode has a point in use."""
    roles = f.roles
    row = np.searchsorted(roles, f.points.role)
    return make_rows([Role(role).name.lower() for role in roles], [(row, f.u, 1.0)], lower=1.0)
