"""The distinct values of integers."""

import numpy as np

from aicfg.solver.points import IntArray


def unique(values: IntArray) -> IntArray:
    """The distinct ones of (N,) values, ascending.

    ``np.unique(values)`` is the same, but imports numpy's masked arrays, which takes longer than the sort.
    """
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]
