"""The family file: lossless to float32, small, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aicfg.hardware.tables.archive import Archive, Entry, pack, unpack, write_archive

FLOATS = hnp.arrays(np.float32, st.integers(0, 200), elements=st.floats(width=32, allow_nan=False))


@given(FLOATS)
def test_pack_keeps_every_bit(values: np.ndarray) -> None:
    """Any float32 values, negative ones and infinities too, come back bit by bit."""
    assert unpack(pack(values)).tobytes() == values.tobytes()


def _entries(groups: int) -> list[Entry]:
    rng = np.random.default_rng(3)
    points = np.array([0, 1, 3, 5], dtype=np.int64)
    return [Entry([f"k{i}", i], ((1, 2), (8, 16, 32)), points, rng.random((2, 4))) for i in range(groups)]


def test_round_trip(tmp_path: Path) -> None:
    """Axes, points and both values of every group come back, over more groups than one block holds."""
    entries = _entries(5000)
    write_archive(tmp_path / "t.npz", {"family": "t"}, entries)
    archive = Archive(tmp_path / "t.npz")
    assert archive.head["family"] == "t"
    assert len(archive.head["blocks"]) > 1 and len(archive.head["grids"]) == 1
    for entry, (label, grid, block, start) in zip(entries, archive.head["groups"], strict=True):
        axes, mask = archive.axes_and_points(grid)
        assert label == entry.label and [tuple(axis) for axis in axes] == list(entry.axes)
        assert np.array_equal(np.flatnonzero(mask), entry.points)
        assert np.array_equal(archive.values(block, start, 8), entry.values.astype(np.float32).ravel())


def test_same_input_gives_same_bytes(tmp_path: Path) -> None:
    """Two writes at different times are the same file."""
    for name in ("a.npz", "b.npz"):
        write_archive(tmp_path / name, {"family": "t"}, _entries(10))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_loads_it(tmp_path: Path) -> None:
    """The file is an ordinary npz: numpy finds the index and the blob."""
    write_archive(tmp_path / "t.npz", {"family": "t"}, _entries(3))
    with np.load(tmp_path / "t.npz") as file:
        assert sorted(file) == ["blob", "index"]
        assert file["index"].tobytes().startswith(b"{")


def test_smooth_curves_take_less_than_float32(tmp_path: Path) -> None:
    """A smooth curve of 100,000 points takes less than three bytes a point."""
    curve = np.linspace(1, 2, 100_000)[np.newaxis]
    entry = Entry(["k"], (tuple(range(100_000)),), np.arange(100_000), curve)
    write_archive(tmp_path / "t.npz", {}, [entry])
    blocks = Archive(tmp_path / "t.npz").head["blocks"]
    assert sum(length for _, length in blocks) < 3 * 100_000


def test_other_files_are_refused(tmp_path: Path) -> None:
    """An npz that was not written as an archive is no archive."""
    np.savez(tmp_path / "t.npz", index=np.zeros(1, np.uint8))
    with pytest.raises(KeyError):
        Archive(tmp_path / "t.npz")
