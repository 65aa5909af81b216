"""Families of rows over choices: which types and points are in use."""

import numpy as np

from aicfg.solver.frame import Frame
from aicfg.solver.frame_names import class_name
from aicfg.solver.points import Role
from aicfg.solver.rows import Rows, Term, family, make_rows
from aicfg.solver.unique import unique


@family(r"\sum_{w \in \rho} u_w \le K \quad (K = 1:\ \sum_{p \in \rho} u_p \le 1)", "role ρ", "types")
def types_per_role(f: Frame) -> Rows:
    """A role has at most K worker types; one type runs one point, so one batch."""
    if f.ask.types_per_role is None:
        return make_rows([], [])
    roles = unique(f.base.role)
    index = [Role(role).name.lower() for role in roles]
    if f.by_type:
        row = np.searchsorted(roles, f.type_role)
        return make_rows(index, [(row, f.type_used, 1.0)], upper=float(f.ask.types_per_role))
    return make_rows(index, [(np.searchsorted(roles, f.base.role), f.u, 1.0)], upper=1.0)


@family(
    r"\sum_{p \in w} u_p \le u_w", "worker type w (K > 1), with capacity also class of requests", "points"
)
def one_batch(f: Frame) -> Rows:
    """All workers of a type run at one point, for each class of requests."""
    if not f.by_type or not len(f.u):
        return make_rows([], [])
    key = f.base.request_class * len(f.types) + f.type_of
    blocks, row = np.unique(key, return_inverse=True)
    classes, types = np.divmod(blocks, len(f.types))
    index = [f.type_names[w] + class_name(f, int(k)) for k, w in zip(classes, types, strict=True)]
    own = (np.arange(len(blocks)), f.type_used[types], -1.0)
    return make_rows(index, [own, (row, f.u, 1.0)], upper=0.0)


@family(r"n_p \le \lfloor G_j / g_p \rfloor\, u_p", "point p of pool j", "workers")
def point_limit(f: Frame) -> Rows:
    """Only a point in use has workers, and no more of them than its pool has GPUs for."""
    if not len(f.u):
        return make_rows([], [])
    row, most = np.arange(len(f.n)), f.most_of_point
    index = [f"{p}{f.step_name(t)}" for t in range(f.steps) for p in f.point_names]
    return make_rows(index, [(row, f.n, 1.0), (row, f.u[row % f.size], -most)], upper=0.0)


@family(r"u_p \le n_p", "point p", "workers")
def point_used(f: Frame) -> Rows:
    """A point in use has at least one worker."""
    if f.planned:
        return make_rows([], [])
    row = np.arange(f.size)
    return make_rows(f.point_names, [(row, f.n, 1.0), (row, f.u, -1.0)], lower=0.0)


@family(
    r"\sum_{w \in S} u_w - \sum_{w \notin S} u_w \le |S| - 1",
    "excluded set S of worker types (u_w = sum of its u_p)",
    "types",
)
def no_good(f: Frame) -> Rows:
    """A plan does not consist of just the types of a set that is excluded."""
    index: list[str] = []
    terms: list[Term] = []
    most: list[float] = []
    for number, excluded in enumerate(f.ask.excluded, 1):
        if excluded <= set(f.types.tolist()):
            columns, at = f.chosen
            inside = np.isin(f.base.worker_type[at], list(excluded))
            terms.append((len(index), columns, np.where(inside, 1.0, -1.0)))
            index.append(str(number))
            most.append(len(excluded) - 1.0)
    return make_rows(index, terms, upper=np.array(most))
