"""The user's constraints on given points: filters, linear rows, or comparisons of two roles.

A constraint becomes exactly one of
    Filter      attributes of one role: points that break it do not exist
    Row         totals, and attributes times workers of the same role: sum of a_p n_p + ... <= b
    Comparison  attributes of two roles: f(p) <= h(q) for every p and q in use
Anything else is not linear and raises, naming the term and why. All figures are integers: a constraint is
multiplied by the common denominator of its numbers.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.points import Ask, IntArray, Points, Role


class Filter(NamedTuple):
    """Points that the n-th constraint leaves."""

    number: int
    keep: NDArray[np.bool_]


class Row(NamedTuple):
    """sum per_worker[p] n_p + tokens * tokens/s + requests * requests/s + types * types <= (or ==) most."""

    number: int
    per_worker: IntArray
    tokens: int
    requests: int
    types: int
    most: int
    equal: bool


class Comparison(NamedTuple):
    """lower[p] <= (or ==) upper[q] for all p of one role and q of the other in use."""

    number: int
    lower_role: Role
    lower: IntArray
    upper_role: Role
    upper: IntArray
    equal: bool


Rule = Filter | Row | Comparison


def rules(points: Points, ask: Ask) -> list[Rule]:
    """What each constraint of ``ask`` is on ``points``.

    Raises
    ------
    InputError
        For a name that has no meaning, or a term that is not linear.
    """
    if not ask.constraints:
        return []
    from aicfg.solver.linear import rule_of  # most asks have none: start-up is what a user waits for

    return [rule_of(number, text, points, ask) for number, text in enumerate(ask.constraints, 1)]
