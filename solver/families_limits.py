"""Families of rows over totals: what earlier stages reached, and the user's own constraints."""

from math import gcd

import numpy as np

from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.points import IntArray, Role
from aicfg.solver.rows import FloatArray, Rows, Term, family, make_rows
from aicfg.solver.unique import unique
from aicfg.solver.user import Comparison
from aicfg.solver.user import Row as UserRow


@family(r"Q \ge Q^*\ (\text{or} \le)", "quantity Q that an earlier stage of the objective fixed", "its unit")
def reached(f: Frame) -> Rows:
    """What an earlier stage of the objective reached is kept, to half a unit of the integers."""
    index, terms = [], []
    lower, upper = np.full(len(f.ask.reached), -np.inf), np.full(len(f.ask.reached), np.inf)
    for row, bound in enumerate(f.ask.reached):
        terms += [(row + 0 * columns, columns, each) for columns, each in f.total(bound.quantity)]
        index.append(f"{bound.quantity}_{row + 1}")
        unit = f.per_unit(bound.quantity)
        if bound.at_least:
            lower[row] = (bound.value - 0.5) / unit
        else:
            upper[row] = (bound.value + 0.5) / unit
    return make_rows(index, terms, lower, upper)


@family(
    r"\sum_p a_p\, n_p + b \cdot \mathrm{rates} + c \sum_p u_p \le d", "user constraint on totals", "its unit"
)
def user(f: Frame) -> Rows:
    """The user's linear constraint on totals of the plan, multiplied by the common denominator."""
    given = [(row, t) for row in f.user_rows for t in range(f.steps)]
    lower, upper = np.full(len(given), -np.inf), np.zeros(len(given))
    terms: list[Term] = []
    for i, (row, t) in enumerate(given):
        here = np.flatnonzero(f.count_site // len(f.ask.pools) == t)
        each = row.per_worker[f.count_point[here] % max(f.size, 1)]
        terms.append((i + 0 * here, f.counted[here], each))
        for name, factor in (
            ("tokens_per_s", row.tokens),
            ("requests_per_s", row.requests),
            ("types", row.types),
        ):
            if factor:
                terms += [(i + 0 * columns, columns, factor * amount) for columns, amount in f.total(name)]
        upper[i], lower[i] = _ends(row)
    return make_rows([f"{row.number}{f.step_name(t)}" for row, t in given], terms, lower, upper)


def _ends(row: UserRow) -> tuple[float, float]:
    """Upper and lower end of a row, half a step of its whole numbers beyond the last one that holds.

    Rates are whole micro-units, so with them the row moves in millionths.
    """
    rates = (row.tokens, row.requests)
    if not any(rates):
        return float(row.most), float(row.most) if row.equal else -np.inf
    micro = int(MICRO)
    step = gcd(*rates, *(micro * int(each) for each in unique(row.per_worker)), micro * row.types)
    return (micro * row.most // step * step + step / 2) / micro, -np.inf


@family(
    r"l + \sum_{p \in w} (f_p - l)\, u_p \le z, \quad z \le h - \sum_{q \in w} (h - f_q)\, u_q",
    "user constraint that compares two roles, type w of either (l, h: lowest and highest f)",
    "of f",
)
def user_comparison(f: Frame) -> Rows:
    """A level z lies between what is compared: it holds for every pair of types in use of the two roles."""
    index: list[str] = []
    terms: list[Term] = []
    bounds: list[tuple[float, float]] = []
    for each, level in zip(f.comparisons, f.level, strict=True):
        for role, values, below in _sides(each):
            at = np.flatnonzero(f.base.role == role)
            end = _end(f, each, below)
            block = f.type_of[at] if f.by_type else 0 * at
            of_block, row = np.unique(block, return_inverse=True)
            rows = len(index) + np.arange(len(of_block))
            terms += [(rows, level, -1.0), (len(index) + row, f.u[at], values[at] - end)]
            side = "low" if below else "high"
            names = f.type_names if f.by_type else [role.name.lower()]
            index += [f"{each.number}_{names[b]}_{side}" for b in of_block]
            bounds += [(-np.inf, -end) if below else (-end, np.inf)] * len(of_block)
    lower, upper = np.array(bounds, np.float64).reshape(-1, 2).T
    return make_rows(index, terms, lower, upper)


def _sides(each: Comparison) -> list[tuple[Role, IntArray, bool]]:
    """Role, values, and whether they lie below the level; for equality every side lies on both."""
    sides = [(each.lower_role, each.lower, True), (each.upper_role, each.upper, False)]
    if each.equal:
        sides += [(role, values, not below) for role, values, below in sides]
    return sides


def _end(f: Frame, each: Comparison, lowest: bool) -> float:
    """The lowest (highest) of all values compared: with it a role that is not in use binds nothing."""
    both: FloatArray = np.concatenate(
        [
            each.lower[f.base.role == each.lower_role],
            each.upper[f.base.role == each.upper_role],
        ]
    ).astype(np.float64)
    return float(both.min() if lowest else both.max()) if len(both) else 0.0
