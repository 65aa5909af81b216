"""The program, neutral of any engine: named variables, named constraint families, a linear objective.

Variables
    n(p)        workers at point p, a whole number
    u(p)        point p is in use, 0 or 1
    in_use(w)   worker type w is in use, 0 or 1 (only where a role may have several types)
    served(g)   requests/s that transfer group g serves (disagg, mixed)
    tokens      output tokens/s of aggregated workers (agg, mixed)
    ttft(g)     worst TTFT in use in group g, ms (where request latency couples prefill and decode)
    generation(g)   L times the worst TPOT in use in group g, ms (likewise)
    pattern(k)  nodes filled by pattern k of worker sizes (only where sizes do not divide one another)
    level(n)    what the n-th user constraint compares two roles by lies on either side of it
    worst       the latency that is minimised, ms
and where there is capacity to plan (``capacity``)
    workers(w)  workers of type w (at a step), a whole number; n(p) is then their time at p, in workers
    requests    requests/s of all classes (objective tokens_per_s)
    started(w)  workers that start at a step
    bought(o)   GPUs taken of an offer, a whole number
    added(w), removed(w)   workers that there are more, or fewer, of than today

Rates are stated in requests/s and tokens/s and latencies in ms; every coefficient is a point's integer
(micro-units, nanoseconds) divided by 1e6, so a unit of the integers is 1e-6 in the rows.
The objectives are those of ``objectives``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aicfg.solver.families_capacity import (
    changed,
    class_share,
    purchase,
    startup,
    time_share,
    type_limit,
    type_works,
)
from aicfg.solver.families_choice import no_good, one_batch, point_limit, point_used, types_per_role
from aicfg.solver.families_fleet import gpu_budget, node_packing, node_pattern
from aicfg.solver.families_latency import request_latency, worst_case, worst_tpot, worst_ttft
from aicfg.solver.families_limits import reached, user, user_comparison
from aicfg.solver.families_serving import (
    agg_rate,
    decode_rate,
    kv_transfer,
    load_served,
    prefill_rate,
    service,
)
from aicfg.solver.frame import Frame
from aicfg.solver.objectives import Objective
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.rows import Columns, FloatArray, Rows

STATEMENT: tuple[Callable[[Frame], Rows], ...] = (
    gpu_budget, node_packing, node_pattern,
    prefill_rate, decode_rate, agg_rate, kv_transfer,
    worst_ttft, worst_tpot, request_latency, worst_case,
    types_per_role, one_batch, point_limit, point_used, service,
    time_share, type_limit, type_works, class_share, startup, purchase, changed,
    load_served, reached, user, user_comparison, no_good,
)  # fmt: skip
"""The families, in the order in which they stand in the program."""


@dataclass(frozen=True)
class Program:
    """The best cost.x over lower <= A x <= upper and the columns' bounds.

    ``columns[:points]`` count workers: n(p), or workers(w) where there is capacity to plan.
    """

    columns: Columns
    families: dict[str, Rows]
    """Only families with at least one row, in the order of ``STATEMENT``."""
    points: int
    objective: Objective
    lattice: int = 0
    """What every value of the objective is a multiple of, in its integers; 0 where it may be any number."""

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
    """The program over ``points``, which are within the bounds; families in order of the statement."""
    frame = Frame(points, ask)
    stated = {each.__name__: each(frame) for each in STATEMENT}
    families = {name: rows for name, rows in stated.items() if len(rows.index)}
    columns, objective = frame.columns(), frame.objective
    if not frame.planned:
        return Program(columns, families, len(frame.counted), objective)
    objective = objective._replace(per_unit=frame.per_unit(objective.name))
    return Program(columns, families, len(frame.counted), objective, _lattice(columns, objective))


def _lattice(columns: Columns, objective: Objective) -> int:
    """The common divisor of what columns cost that are whole: starts and changes are where workers are."""
    if objective.maximize:
        return 0
    return int(np.gcd.reduce(np.rint(columns.cost * objective.per_unit).astype(np.int64)))
