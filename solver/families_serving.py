"""Families of rows over transfer groups and roles: what is served, and by whom."""

import numpy as np

from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.points import Role
from aicfg.solver.rows import Rows, family, make_rows


def _served(f: Frame, role: Role) -> Rows:
    """served(g) - sum r_p n_p <= 0 over the points of ``role`` in g."""
    if role not in f.roles:
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
    size, at = len(f.groups), f.paired
    if not size:
        return make_rows([], [])
    partners = f.ask.types_per_role or len(f.types)
    index = [f"{group}_{role}" for role in ("prefill", "decode") for group in f.group_names]
    terms = []
    for first, role in ((0, Role.PREFILL), (size, Role.DECODE)):
        weight = np.where(f.points.role[at] == role, 1.0, -partners)
        terms.append((first + f.group_of[at], f.u[at], weight))
    return make_rows(index, terms, upper=0.0)


@family(
    r"\sum_{p \in \rho} u_p \ge 1 \quad (\mathrm{mixed}: \rho = \mathrm{agg} \cup \mathrm{prefill})",
    "role ρ of the mode",
    "points",
)
def service(f: Frame) -> Rows:
    """A plan serves: each role of the mode has a point in use; mixed, agg or prefill (and so decode) has."""
    if f.ask.mode == "mixed":
        alone = np.flatnonzero(f.points.role != Role.DECODE)
        return make_rows(["all"], [(0 * alone, f.u[alone], 1.0)], lower=1.0)
    row = np.searchsorted(f.roles, f.points.role)
    return make_rows([Role(role).name.lower() for role in f.roles], [(row, f.u, 1.0)], lower=1.0)


@family(r"\sum_g \lambda_g + \sum_{p \in \mathrm{agg}} r_p\, n_p \ge \Lambda", "", "requests/s")
def load_served(f: Frame) -> Rows:
    """The plan serves the demanded requests/s."""
    if f.ask.load is None:
        return make_rows([], [])
    terms = [(0 * columns, columns, each) for columns, each in f.total("requests_per_s")]
    return make_rows(["all"], terms, lower=(f.ask.load - 0.5) / MICRO)
