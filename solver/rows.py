"""The pieces a program is made of: columns, rows, and the registry of constraint families.

A family is one function with its formula; its name is the function's, and the same name stands in the rows,
the golden texts, the exported files and the documentation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.points import IntArray

FloatArray = NDArray[np.float64]
Stated = TypeVar("Stated", bound=Callable[..., Any])
Term = tuple[Any, Any, Any]
"""(row, column, coefficient): arrays or numbers that broadcast against each other."""


@dataclass(frozen=True)
class Columns:
    """Variables: name, bounds, whether integer, and the coefficient in the objective."""

    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    cost: FloatArray


@dataclass(frozen=True)
class Rows:
    """lower <= A x <= upper for the rows of one family, A in triplets."""

    index: tuple[str, ...]
    """What each row is about: the part of its name in brackets."""
    row: IntArray
    column: IntArray
    coefficient: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True)
class Family:
    """A constraint family: its name, the function that states it, and the formula for the documentation."""

    name: str
    function: Callable[..., Any]
    formula: str
    over: str
    unit: str

    @property
    def sentence(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


FAMILIES: dict[str, Family] = {}
"""Families of rows, in the order of the program."""
POINT_FILTERS: dict[str, Family] = {}
"""Families that remove points instead of adding rows."""


def _registrar(registry: dict[str, Family]) -> Callable[[str, str, str], Callable[[Stated], Stated]]:
    def declare(formula: str, over: str, unit: str) -> Callable[[Stated], Stated]:
        def register(function: Stated) -> Stated:
            name = function.__name__
            registry[name] = Family(name, function, formula, over, unit)
            return function

        return register

    return declare


family = _registrar(FAMILIES)
point_filter = _registrar(POINT_FILTERS)


def make_rows(
    index: Sequence[str],
    terms: Sequence[Term],
    lower: float | FloatArray = -np.inf,
    upper: float | FloatArray = np.inf,
) -> Rows:
    """Rows named ``index`` from ``terms``; a bound given as one number holds for every row."""
    parts = [np.broadcast_arrays(*term) for term in terms]
    row, column, coefficient = (
        np.concatenate([np.asarray(part[i]).ravel() for part in parts]) if parts else np.zeros(0)
        for i in range(3)
    )
    size = len(index)
    return Rows(
        tuple(index),
        row.astype(np.int64),
        column.astype(np.int64),
        coefficient.astype(np.float64),
        np.broadcast_to(np.asarray(lower, np.float64), (size,)),
        np.broadcast_to(np.asarray(upper, np.float64), (size,)),
    )
