"""Distinct values without numpy's masked arrays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aicfg.solver.unique import unique


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62)))
def test_the_distinct_values_ascending(values: list[int]) -> None:
    """Each value once, the smallest first; nothing of nothing."""
    assert unique(np.array(values, np.int64)).tolist() == sorted(set(values))
