"""Families of rows over transfer groups and roles: what is served, and by whom."""

from collections.abc import Sequence

import numpy as np

from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.frame_names import class_name
from aicfg.solver.points import Role
from aicfg.solver.rows import Rows, Term, family, make_rows


def _served(f: Frame, role: Role) -> Rows:
    """served(g) - sum r_p n_p <= 0 over the points of ``role`` in g."""
    if role not in f.roles:
        return make_rows([], [])
    at = np.flatnonzero(f.points.role == role)
    own = (np.arange(len(f.lanes)), f.served, 1.0)
    rate = (f.lane_of[at], f.n[at], -f.points.request_rate[at] / MICRO)
    return make_rows(f.lane_names, [own, rate], upper=0.0)


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
    if not len(f.tokens):
        return make_rows([], [])
    rate = (0 * f.agg, f.n[f.agg], -f.points.token_rate[f.agg] / MICRO)
    return make_rows(["all"], [(0, f.tokens, 1.0), rate], upper=0.0)


@family(
    r"\sum_{p \in \rho, g} u_p \le K \sum_{q \in \bar\rho, g} u_q",
    "transfer group g, role ρ (the other role is ρ̄)",
    "points",
)
def kv_transfer(f: Frame) -> Rows:
    """KV caches pass only within a transfer group: a point without a partner is not in use."""
    size, (columns, at) = len(f.groups), f.chosen
    if not size:
        return make_rows([], [])
    paired = f.base.role[at] != Role.AGG
    columns, at = columns[paired], at[paired]
    partners = f.ask.types_per_role or len(f.types)
    index = [f"{group}_{role}" for role in ("prefill", "decode") for group in f.group_names]
    group, terms = np.searchsorted(f.groups, f.base.group[at]), []
    for first, role in ((0, Role.PREFILL), (size, Role.DECODE)):
        weight = np.where(f.base.role[at] == role, 1.0, -partners)
        terms.append((first + group, columns, weight))
    return make_rows(index, terms, upper=0.0)


@family(
    r"\sum_{p \in \rho} u_p \ge 1 \quad (\mathrm{mixed}: \rho = \mathrm{agg} \cup \mathrm{prefill})",
    "role ρ of the mode",
    "points",
)
def service(f: Frame) -> Rows:
    """A plan serves: each role of the mode has a point in use; mixed, agg or prefill (and so decode) has."""
    columns, at = f.chosen
    role = f.base.role[at]
    if f.ask.mode == "mixed":
        alone = columns[role != Role.DECODE]
        return make_rows(["all"], [(0 * alone, alone, 1.0)], lower=1.0)
    row = np.searchsorted(f.roles, role)
    return make_rows([Role(each).name.lower() for each in f.roles], [(row, columns, 1.0)], lower=1.0)


@family(
    r"\sum_g \lambda_g + \sum_{p \in \mathrm{agg}} r_p\, n_p \ge \Lambda",
    "with capacity: class k of requests and step t",
    "requests/s",
)
def load_served(f: Frame) -> Rows:
    """The plan serves the demanded requests/s."""
    if f.ask.capacity is not None:
        steps = f.ask.capacity.steps
        wanted = [(t, k) for t, step in enumerate(steps) for k, load in enumerate(step.loads) if load]
        loads = np.array([steps[t].loads[k] for t, k in wanted])
        index = [(class_name(f, k) + f.step_name(t)).removeprefix("_") or "all" for t, k in wanted]
        return make_rows(index, served_terms(f, wanted), lower=(loads - 0.5) / MICRO)
    if f.ask.load is None:
        return make_rows([], [])
    terms = [(0 * columns, columns, each) for columns, each in f.total("requests_per_s")]
    return make_rows(["all"], terms, lower=(f.ask.load - 0.5) / MICRO)


def served_terms(f: Frame, wanted: Sequence[tuple[int, int]]) -> list[Term]:
    """The requests/s that are served of each (step, class), a row each."""
    row = {each: number for number, each in enumerate(wanted)}
    lanes = list(zip(f.lane_step.tolist(), f.lane_class.tolist(), strict=True))[: len(f.served)]
    of = zip(f.step[f.agg].tolist(), f.points.request_class[f.agg].tolist(), strict=True)
    terms: list[Term] = []
    for columns, rates, keys in (
        (f.served, np.ones(len(f.served)), lanes),
        (f.n[f.agg], f.points.request_rate[f.agg] / MICRO, list(of)),
    ):
        at = np.array([i for i, key in enumerate(keys) if key in row], np.int64)
        terms.append((np.array([row[keys[i]] for i in at], np.int64), columns[at], rates[at]))
    return terms
