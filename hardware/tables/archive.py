"""The file of one family: an ``.npz`` with an index (JSON) and one blob of compressed blocks.

Values are float32. A block holds the values of consecutive groups: the float32 bit patterns, each minus the
one before it, the difference folded to an unsigned number (neighbours on a grid have close latencies, so the
high bytes become small), split in four byte planes, each plane deflated on its own. The points that exist on
the product of a group's axes are a packed bit mask; axes and mask are kept once for all groups that share
them. A reader inflates only the blocks of the groups it asks for; the blob is stored and read by range.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 1
_BLOCK_VALUES = 1 << 14
_LEVEL = 9
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Entry:
    """What is stored of one group: its axes, flat C-order positions of its points, and their values."""

    label: list[str | int]
    axes: tuple[tuple[int, ...], ...]
    points: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def write_archive(path: Path, head: dict[str, Any], entries: Sequence[Entry]) -> None:
    """Write one family file; the same input gives the same bytes (with the same zlib)."""
    blob = bytearray()
    grids: dict[tuple[Any, bytes], int] = {}
    grid_rows: list[list[Any]] = []
    groups: list[list[Any]] = []
    blocks: list[list[int]] = []
    pending: list[npt.NDArray[np.float32]] = []
    for entry in entries:
        mark = (entry.axes, entry.points.tobytes())
        if mark not in grids:
            grids[mark] = len(grid_rows)
            grid_rows.append([entry.axes, *_put(blob, _mask(entry))])
        start = sum(part.size for part in pending)
        groups.append([entry.label, grids[mark], len(blocks), start])
        pending.append(entry.values.astype(np.float32).ravel())
        if start + pending[-1].size >= _BLOCK_VALUES:
            blocks.append(_put(blob, pack(np.concatenate(pending))))
            pending = []
    if pending:
        blocks.append(_put(blob, pack(np.concatenate(pending))))
    index = {"format": FORMAT, **head, "grids": grid_rows, "groups": groups, "blocks": blocks}
    text = json.dumps(index, separators=(",", ":"), sort_keys=True).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        _member(file, "index", np.frombuffer(text, dtype=np.uint8), zipfile.ZIP_DEFLATED)
        _member(file, "blob", np.frombuffer(bytes(blob), dtype=np.uint8), zipfile.ZIP_STORED)


class Archive:
    """An open family file: the index at once, blocks when asked for.

    Parameters
    ----------
    path : a file that `write_archive` wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as file:
            with file.open("index.npy") as member:
                text: npt.NDArray[np.uint8] = np.lib.format.read_array(member)
            self._blob_start = _data_start(path, file.getinfo("blob.npy"))
        self.head: dict[str, Any] = json.loads(text.tobytes())
        self._blocks: dict[int, npt.NDArray[np.float32]] = {}

    def axes_and_points(self, grid: int) -> tuple[tuple[npt.NDArray[np.int64], ...], npt.NDArray[np.bool_]]:
        """Axes of a grid and the mask, of their product shape, of the points measured."""
        axes, offset, length = self.head["grids"][grid]
        arrays = tuple(np.array(axis, dtype=np.int64) for axis in axes)
        shape = tuple(len(axis) for axis in arrays)
        bits = np.frombuffer(zlib.decompress(self._read(offset, length)), dtype=np.uint8)
        return arrays, np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)

    def values(self, block: int, start: int, count: int) -> npt.NDArray[np.float32]:
        """`count` values of a block from `start` on."""
        if block not in self._blocks:
            self._blocks[block] = unpack(self._read(*self.head["blocks"][block]))
        return self._blocks[block][start : start + count]

    def _read(self, offset: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self._blob_start + offset)
            return file.read(length)


def pack(values: npt.NDArray[np.float32]) -> bytes:
    """One block's bytes (see the module's text)."""
    # Differences wrap around in 32 bits, so every bit pattern survives.
    step = np.diff(values.view(np.uint32), prepend=np.uint32(0)).view(np.int32)
    folded = ((step << 1) ^ (step >> 31)).astype("<i4").view(np.uint8).reshape(-1, 4)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    parts = []
    for plane in range(4):
        parts.append(deflate.compress(np.ascontiguousarray(folded[:, plane]).tobytes()))
        parts.append(deflate.flush(zlib.Z_FULL_FLUSH if plane < 3 else zlib.Z_FINISH))
    return b"".join(parts)


def unpack(data: bytes) -> npt.NDArray[np.float32]:
    """The values that `pack` was given."""
    planes = np.frombuffer(zlib.decompress(data, -15), dtype=np.uint8).reshape(4, -1)
    folded = np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.uint32)
    step = (folded >> 1) ^ np.negative(folded & 1)
    return np.cumsum(step, dtype=np.uint32).view(np.float32)


def _mask(entry: Entry) -> bytes:
    mask = np.zeros(int(np.prod([len(axis) for axis in entry.axes])), dtype=bool)
    mask[entry.points] = True
    return zlib.compress(np.packbits(mask).tobytes(), _LEVEL)


def _put(blob: bytearray, data: bytes) -> list[int]:
    blob += data
    return [len(blob) - len(data), len(data)]


def _member(file: zipfile.ZipFile, name: str, array: npt.NDArray[np.uint8], method: int) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0))
    info = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
    info.compress_type = method
    info.create_system = 3
    info.external_attr = 0o644 << 16
    file.writestr(info, buffer.getvalue(), compresslevel=_LEVEL)


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the array's bytes of a stored member begin: after the zip's local header and numpy's."""
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name_length, extra_length = np.frombuffer(file.read(4), dtype="<u2").tolist()
        file.seek(name_length + extra_length, io.SEEK_CUR)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{path}: not a table archive")
        np.lib.format.read_array_header_1_0(file)
        return file.tell()
