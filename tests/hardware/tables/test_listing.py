"""The list of tables."""

import pytest

from aicfg.hardware.tables.listing import list_tables
from aicfg.hardware.tables.store import MissingDataError, open_tables

VERSIONS = {"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20", "common": ""}
OLDER = {("a100_sxm", "vllm"): "0.14.0", ("a100_sxm", "sglang"): "0.5.10", ("a100_sxm", "trtllm"): "1.0.0"}
OLDER[("b60", "vllm")] = "0.26.0"


def test_every_system_and_engine_is_there() -> None:
    """Ten systems, three engines each (b60: one), at their default versions, with the system's own tables."""
    rows = list_tables()
    assert len({row.system for row in rows}) == 10
    assert len({(row.system, row.backend) for row in rows if row.backend != "common"}) == 28
    for row in rows:
        if row.backend != "common" and not row.newer:
            assert row.version == OLDER.get((row.system, row.backend), VERSIONS[row.backend])
    assert sum(row.rows for row in rows) > 11_000_000


def test_rows_and_ranges_are_those_of_the_arrays() -> None:
    """Keys, rows and axis ranges of a listed family are what its grids hold."""
    tables = open_tables("h200_sxm", "trtllm")
    for row in list_tables("h200_sxm", "trtllm"):
        grids = [
            tables.grid(row.family, key, lane=lane)
            for key in tables.keys(row.family)
            for lane in tables.lanes(row.family, key) or ("",)
        ]
        assert row.keys == len(tables.keys(row.family))
        assert row.rows == sum(int((grid.values == grid.values).sum()) for grid in grids)
        assert row.rows == sum(source.rows for source in row.sources)
        for i, (axis, least, greatest) in enumerate(row.ranges):
            assert axis == tables.axes(row.family)[i]
            assert least == min(grid.axes[i][0] for grid in grids)
            assert greatest == max(grid.axes[i][-1] for grid in grids)


def test_filters() -> None:
    """A system and an engine narrow the list; the system's own tables stay with every engine."""
    assert {row.backend for row in list_tables("gb200", "vllm")} == {"vllm", "common"}
    with pytest.raises(MissingDataError, match=r"no tables for system 'gb20' in .*; did you mean 'gb200'"):
        list_tables("gb20")
    with pytest.raises(MissingDataError, match="no tables for engine 'tgi'"):
        list_tables(backend="tgi")
