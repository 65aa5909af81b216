"""The direct formulation on CP-SAT: degrees, batch, chunk, quantisation and counts are the variables.

It is a second statement of the same problem. It reads the points' data and nothing of the program: no
filter, no pruning, no column a point. Memory, latency bounds, transfer groups and budgets are constraints, so
an error in a filter, in a lemma of ``prune`` or in a family of ``program`` shows as a disagreement.

Domains are shrunk first, by arguments of its own: a (batch, chunk) of a worker type is left out that exceeds
the memory or a latency bound by itself, serves nobody, or is beaten by another one of the same type that is
no slower. The constraints are stated all the same, and ``shrink=False`` leaves the domains whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Role

ENDED = {
    "UNKNOWN": Ended.TIME_LIMIT,
    "MODEL_INVALID": Ended.ERROR,
    "FEASIBLE": Ended.TIME_LIMIT,
    "INFEASIBLE": Ended.PROVEN_INFEASIBLE,
    "OPTIMAL": Ended.PROVEN_OPTIMAL,
}
"""Every member of CpSolverStatus. Nothing but time ends this search early."""


@dataclass(frozen=True)
class _Role:
    """The variables of one role's worker type and its count."""

    positions: IntArray
    """Position in the points of each value of ``at``."""
    at: Any
    pool: Any
    group: Any
    workers: Any
    gpus_taken: Any
    rate: Any
    """Micro-units/s of all workers together."""
    ttft: Any
    tpot: Any


def solve_cpsat(points: Points, ask: Ask, shrink: bool = True) -> Outcome:
    """Solve over all points of the mode; counts by position in ``points``.

    Raises
    ------
    UnsupportedAskError
        For more than one type a role.
    """
    import ortools
    from ortools.sat.python import cp_model

    if ask.types_per_role != 1:
        raise UnsupportedAskError("engine cpsat: types_per_role above 1 is not supported; use highs")
    domains = [_domain(points, ask, role, shrink) for role in _serving(ask)]
    if not all(len(domain) for domain in domains):
        return Outcome("cpsat", ortools.__version__, Ended.PROVEN_INFEASIBLE, None, None)
    model = cp_model.CpModel()
    roles = [_add_role(model, points, ask, domain) for domain in domains]
    _add_budget(model, ask, roles)
    _add_latency(model, ask, roles)
    unit = _add_objective(model, ask, roles)
    solver = cp_model.CpSolver()
    if ask.time_limit_s is not None:
        solver.parameters.max_time_in_seconds = ask.time_limit_s
    status = solver.solve(model)
    ended = ENDED[solver.status_name(status)]
    counts = None
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        counts = {int(r.positions[solver.value(r.at)]): solver.value(r.workers) for r in roles}
    # Without a solution the engine's bound is a meaningless 0.
    bound = None if counts is None else unit * round(solver.best_objective_bound)
    return Outcome("cpsat", ortools.__version__, ended, counts, bound)


def _serving(ask: Ask) -> tuple[Role, ...]:
    return (Role.AGG,) if ask.mode == "agg" else (Role.PREFILL, Role.DECODE)


def _domain(points: Points, ask: Ask, role: Role, shrink: bool) -> IntArray:
    """Positions of the points of ``role`` that the variables range over."""
    positions = np.flatnonzero(points.role == role)
    if not shrink:
        return positions
    of = points.take(positions)
    keep = (of.memory_bytes <= of.memory_limit_bytes) & (_rate(of, role) > 0)
    if ask.ttft_ns is not None:
        keep &= of.ttft_ns <= ask.ttft_ns
    if ask.tpot_ns is not None:
        keep &= of.tpot_ns <= ask.tpot_ns
    if ask.request_latency_ns is not None:
        keep &= of.ttft_ns + ask.latency_tokens * of.tpot_ns <= ask.request_latency_ns
    positions = positions[keep]
    types = points.worker_type[positions]
    return np.concatenate(
        [positions[:0], *(_unbeaten(points, ask, role, positions[types == w]) for w in np.unique(types))]
    )


def _unbeaten(points: Points, ask: Ask, role: Role, positions: IntArray) -> IntArray:
    """Of one type's points, those that no faster one matches in latency, where two roles share a bound."""
    of = points.take(positions)
    rate = _rate(of, role)
    if role == Role.AGG or ask.request_latency_ns is None:
        return positions[rate.argmax() :][:1]
    keep, order = [], np.lexsort((of.tpot_ns, of.ttft_ns, -rate))
    kept_ttft, kept_tpot = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for p in order:
        if not ((kept_ttft <= of.ttft_ns[p]) & (kept_tpot <= of.tpot_ns[p])).any():
            keep.append(p)
            kept_ttft = np.append(kept_ttft, of.ttft_ns[p])
            kept_tpot = np.append(kept_tpot, of.tpot_ns[p])
    return positions[np.sort(keep)]


def _rate(points: Points, role: Role) -> IntArray:
    return points.token_rate if role == Role.AGG else points.request_rate


def _add_role(model: Any, points: Points, ask: Ask, positions: IntArray) -> _Role:
    """One role: the layout's table, and what its (batch, chunk) costs and gives, by element constraints."""
    of, role = points.take(positions), Role(points.role[positions[0]])
    at = model.new_int_var(0, len(of) - 1, f"{role.name}.at")

    def element(name: str, values: IntArray) -> Any:
        variable = _variable(model, f"{role.name}.{name}", values)
        model.add_element(at, values.tolist(), variable)
        return variable

    types, first, layout_of = np.unique(of.worker_type, return_index=True, return_inverse=True)
    layout = element("layout", layout_of)
    element("batch", of.batch)
    element("chunk_tokens", of.chunk_tokens)
    columns = {name: of.degrees[name][first] for name in DEGREES}
    columns |= {name: getattr(of, name)[first] for name in ("quant", "pool", "group", "gpus")}
    table = {name: _variable(model, f"{role.name}.{name}", values) for name, values in columns.items()}
    rows = np.column_stack((np.arange(len(types)), *columns.values()))
    model.add_allowed_assignments([layout, *table.values()], rows.tolist())
    spare = element("memory_spare", of.memory_limit_bytes - of.memory_bytes)
    model.add(spare >= 0)
    most = int((np.array([pool.gpus for pool in ask.pools])[of.pool] // of.gpus).max())
    workers = model.new_int_var(1, max(most, 1), f"{role.name}.workers")
    rate = element("rate", _rate(of, role))
    total = model.new_int_var(0, int(_rate(of, role).max()) * max(most, 1), f"{role.name}.total_rate")
    model.add_multiplication_equality(total, [workers, rate])
    taken = model.new_int_var(1, sum(pool.gpus for pool in ask.pools), f"{role.name}.gpus_taken")
    model.add_multiplication_equality(taken, [workers, table["gpus"]])
    best_per_gpu = int((-(-_rate(of, role) // of.gpus)).max())
    model.add(total <= best_per_gpu * taken)  # a valid bound, for the relaxation
    ttft, tpot = element("ttft", of.ttft_ns), element("tpot", of.tpot_ns)
    return _Role(positions, at, table["pool"], table["group"], workers, taken, total, ttft, tpot)


def _variable(model: Any, name: str, values: IntArray) -> Any:
    from ortools.sat.python import cp_model

    return model.new_int_var_from_domain(cp_model.Domain.from_values(np.unique(values).tolist()), name)


def _add_budget(model: Any, ask: Ask, roles: list[_Role]) -> None:
    """The workers placed in a pool take no more GPUs than it has."""
    for j, pool in enumerate(ask.pools):
        shares = []
        for i, role in enumerate(roles):
            here = model.new_bool_var(f"{i}.in.{j}")
            model.add(role.pool == j).only_enforce_if(here)
            model.add(role.pool != j).only_enforce_if(~here)
            share = model.new_int_var(0, pool.gpus, f"{i}.share.{j}")
            model.add(share == role.gpus_taken).only_enforce_if(here)
            model.add(share == 0).only_enforce_if(~here)
            shares.append(share)
        model.add(sum(shares) <= pool.gpus)


def _add_latency(model: Any, ask: Ask, roles: list[_Role]) -> None:
    """TTFT is the first role's, TPOT the last one's: the same one in agg; a request's latency is of both."""
    ttft, tpot = roles[0].ttft, roles[-1].tpot
    if ask.ttft_ns is not None:
        model.add(ttft <= ask.ttft_ns)
    if ask.tpot_ns is not None:
        model.add(tpot <= ask.tpot_ns)
    if ask.request_latency_ns is not None:
        model.add(ttft + ask.latency_tokens * tpot <= ask.request_latency_ns)


def _add_objective(model: Any, ask: Ask, roles: list[_Role]) -> int:
    """Maximise what all roles serve; returns the micro-tokens/s of one unit of the objective."""
    if ask.mode == "agg":
        goal, unit = roles[0].rate, 1
    else:
        most = max(int(1e18) // max(ask.tokens_per_request, 1), 1)
        goal, unit = model.new_int_var(1, most, "served"), ask.tokens_per_request
        model.add(roles[0].group == roles[1].group)
        for role in roles:
            model.add(goal <= role.rate)
    model.add(goal >= 1)
    model.maximize(goal)
    return unit
