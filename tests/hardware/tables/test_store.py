"""Reading the shipped tables: what is there, what is missing, how fast, and that it is whole."""

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest

from aicfg.hardware.tables.listing import list_tables
from aicfg.hardware.tables.store import DATA, MissingDataError, open_tables

MIB = 1 << 20


def test_a_measured_point() -> None:
    """The grid holds the latency that aiconfigurator 0.12.0 gives for a measured point (check_values.csv)."""
    grid = open_tables("h200_sxm", "vllm").grid("gemm", ("bfloat16",))
    n, k, m = (int(np.searchsorted(axis, x)) for axis, x in zip(grid.axes, (4096, 4096, 64), strict=True))
    assert grid.values[n, k, m] == pytest.approx(0.01204711116022534, rel=2**-24)


def test_axes_ascend_and_grids_are_read_only() -> None:
    """Axes ascend strictly; a cached grid cannot be changed by accident."""
    tables = open_tables("h100_sxm", "sglang")
    for family in tables.families:
        for key in tables.keys(family):
            grid = tables.grid(family, key)
            assert grid.values.shape == tuple(len(axis) for axis in grid.axes)
            assert all((np.diff(axis) > 0).all() for axis in grid.axes)
            assert not np.isnan(grid.values).all()
    with pytest.raises(ValueError, match="read-only"):
        grid.values[...] = 0


def test_grids_are_cached() -> None:
    """Asking twice gives the same object."""
    tables = open_tables("h200_sxm", "vllm")
    assert tables.grid("gemm", ("fp8",)) is tables.grid("gemm", ("fp8",))


def test_families_with_several_values() -> None:
    """Each value of a point is read by its name; the first is the default."""
    tables = open_tables("h200_sxm", "vllm")
    key = tables.keys("moe_a2a")[0]
    latency = tables.grid("moe_a2a", key)
    assert np.array_equal(latency.values, tables.grid("moe_a2a", key, value="latency").values, equal_nan=True)
    notify = tables.grid("moe_a2a", key, value="notify_us")
    assert np.nanmax(notify.values) == 0 and np.nanmin(latency.values) > 0


@pytest.mark.parametrize(
    ("family", "key", "options", "message"),
    [
        ("gem", ("fp8",), {}, "table gem of vllm 0.24.0 on h200_sxm: no such table; did you mean 'gemm'"),
        ("gemm", ("fp4",), {}, r"no rows for \(gemm_dtype\) = \('fp4',\); nearest is \('bfloat16',\)"),
        (
            "context_attention",
            ("bfloat16", "bfloat16", 3, 128, 0),
            {},
            r"n_kv, .* = \('bfloat16', 'bfloat16', 3, 128, 0\); nearest is .*'bfloat16', 4, 128, 0\)",
        ),
        ("gemm", ("fp8",), {"lane": "triton"}, "has no lane 'triton'"),
        ("gemm", ("fp8",), {"value": "latencies"}, "no value 'latencies'; did you mean 'latency'"),
    ],
)
def test_missing_data(family: str, key: tuple[str | int, ...], options: dict[str, str], message: str) -> None:
    """What is not there is named, with the nearest that is."""
    with pytest.raises(MissingDataError, match=message):
        open_tables("h200_sxm", "vllm").grid(family, key, **options)


@pytest.mark.parametrize(
    ("system", "backend", "version", "message"),
    [
        ("h100", "vllm", None, "no tables for system 'h100' in .*; did you mean 'h100_sxm'"),
        ("h100_pcie", "vllm", None, "no tables for system 'h100_pcie'"),
        ("b60", "trtllm", None, "no tables for 'trtllm' on b60; there are: vllm"),
        ("h100_sxm", "vllm", "0.11.0", "no tables for vllm 0.11.0 on h100_sxm; there is 0.24.0"),
    ],
)
def test_missing_tables(system: str, backend: str, version: str | None, message: str) -> None:
    """A system, engine or version without tables says what there is."""
    with pytest.raises(MissingDataError, match=message):
        open_tables(system, backend, version)


def test_keys_of_an_absent_family() -> None:
    """A family that has no data has no keys."""
    assert open_tables("a100_sxm", "vllm").keys("mhc") == ()


def test_checksums() -> None:
    """Every shipped file is the one that was imported; there are no others."""
    rows = list_tables()
    assert {row.path for row in rows} == set(DATA.glob("*/*/*.npz"))
    for row in rows:
        data = row.path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row.size_bytes, row.sha256), row.path


def test_size() -> None:
    """All tables take at most 39 MB, each file less than 4 MiB."""
    sizes = [path.stat().st_size for path in DATA.rglob("*") if path.is_file()]
    assert sum(sizes) <= 39e6 and max(sizes) < 4 * MIB


def test_speed_of_a_dense_model() -> None:
    """Opening and reading what a dense model needs takes less than 50 ms (best of three)."""

    def read() -> float:
        start = time.perf_counter()
        tables = open_tables("h100_sxm", "vllm")
        tables.grid("gemm", ("bfloat16",))
        tables.grid("context_attention", ("bfloat16", "bfloat16", 8, 128, 0))
        tables.grid("generation_attention", ("bfloat16", 8, 128, 0))
        tables.grid("custom_allreduce", ("half",))
        return time.perf_counter() - start

    assert min(read() for _ in range(3)) < 0.050


def test_reading_imports_nothing_heavy() -> None:
    """Reading tables imports neither pyarrow nor pandas nor yaml."""
    code = (
        "import sys; from aicfg.hardware.tables.store import open_tables;"
        "open_tables('h100_sxm', 'vllm').grid('gemm', ('fp8',));"
        "print([name for name in ('pyarrow', 'pandas', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
