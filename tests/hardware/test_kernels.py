"""One grid from the rows of several kernels."""

from typing import Any

import numpy as np
import pytest

from aicfg.hardware.kernels import grid_of_kernels
from aicfg.hardware.tables.store import Grid, Key, MissingDataError, TableSource


class TwoKernels:
    """A table whose key ends with the kernel; the first source timed ``new``."""

    backend, system = "vllm", "made"

    def __init__(self, grids: dict[Key, Grid]) -> None:
        self._grids = grids

    def keys(self, family: str) -> tuple[Key, ...]:
        """Every key."""
        return tuple(self._grids)

    def grid(self, family: str, key: Key) -> Grid:
        """One key's rows."""
        return self._grids[key]

    def sources(self, family: str) -> tuple[TableSource, ...]:
        """The most trusted first."""
        return (TableSource("vllm", "2", 2, ("new",)), TableSource("vllm", "1", 3, ("old",)))


def test_the_trusted_kernel_holds_where_both_timed_a_point() -> None:
    """Points of both, each from the first source that has it; what neither timed stays missing."""
    tables: Any = TwoKernels(
        {
            ("fp8", "old"): Grid((np.array([1, 2]), np.array([4])), np.array([[10.0], [20.0]])),
            ("fp8", "new"): Grid((np.array([2, 3]), np.array([4, 8])), np.array([[2.0, np.nan], [3.0, 4.0]])),
        }
    )
    merged = grid_of_kernels(tables, "module", ("fp8",))
    assert [axis.tolist() for axis in merged.axes] == [[1, 2, 3], [4, 8]]
    np.testing.assert_array_equal(merged.values, [[10.0, np.nan], [2.0, np.nan], [3.0, 4.0]])


def test_without_rows_the_key_is_named() -> None:
    """A format that no kernel timed is missing data."""
    tables: Any = TwoKernels({})
    with pytest.raises(MissingDataError, match=r"table module of vllm on made: no rows for \('fp8',\)"):
        grid_of_kernels(tables, "module", ("fp8",))
