"""A record of what was priced: each operation, its share of the step, and what the price rests on.

Kept only when asked for (``Pricing.recording``), so that the plain path pays nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.modes import Source
from aicfg.model_specs.operations import Operation


@dataclass(frozen=True)
class Entry:
    """One operation of a step at Q queries."""

    operation: Operation
    ms: FloatArray
    """(Q,) of one call."""
    by_source: FloatArray
    """(sources, Q) of one call; sums to ``ms``."""
    parts: tuple["Entry", ...] = ()
    """What a compound operation was priced from."""


@dataclass
class _Frame:
    """What was noted since an operation's pricing began."""

    notes: list[FloatArray] = field(default_factory=list)
    parts: list[Entry] = field(default_factory=list)


class Ledger:
    """Entries of the operations priced so far, in order."""

    def __init__(self, rest: Source = Source.FORMULA) -> None:
        """``rest`` is the source of what no pricer notes: operations that are in no table."""
        self.rest = rest
        self.sheets: list[list[Entry]] = []
        """The entries of each list of operations that was priced."""
        self._frames: list[_Frame] = []

    @property
    def entries(self) -> list[Entry]:
        """The entries of all sheets."""
        return [entry for sheet in self.sheets for entry in sheet]

    def begin(self) -> None:
        """A list of operations is priced from here on; one within an operation is part of its entry."""
        if not self._frames:
            self.sheets.append([])

    def note(self, ms: FloatArray, sources: IntArray | Source) -> None:
        """Part of the price of the operation at hand: (Q,) ms that rest on (Q,) sources (or one)."""
        if self._frames:
            self._frames[-1].notes.append(_spread(ms, sources))

    def record(self, operation: Operation, price: Callable[[], FloatArray]) -> FloatArray:
        """Prices ``operation`` and enters it; what was not noted rests on ``rest``."""
        ms, frame = self._framed(price)
        entry = Entry(operation, ms, self._reconciled(frame, ms), tuple(frame.parts))
        if self._frames:
            self._frames[-1].parts.append(entry)
            self._frames[-1].notes.append(operation.count * entry.by_source)
        else:
            if not self.sheets:
                self.begin()
            self.sheets[-1].append(entry)
        return ms

    def slowest(self, streams: list[Callable[[], FloatArray]]) -> FloatArray:
        """The greatest of the streams' times; only the one that counts is noted."""
        priced = [self._framed(stream) for stream in streams]
        times = np.array([ms for ms, _ in priced])
        by_source = np.array([self._reconciled(frame, ms) for ms, frame in priced])
        slowest = times.argmax(axis=0)
        every = np.arange(times.shape[1])
        if self._frames:
            self._frames[-1].parts += [part for _, frame in priced for part in frame.parts]
            self._frames[-1].notes.append(by_source[slowest, :, every].T)
        return np.asarray(times[slowest, every])

    def _framed(self, price: Callable[[], FloatArray]) -> tuple[FloatArray, _Frame]:
        frame = _Frame()
        self._frames.append(frame)
        try:
            return price(), frame
        finally:
            self._frames.pop()

    def _reconciled(self, frame: _Frame, ms: FloatArray) -> FloatArray:
        """The notes made to sum to ``ms``: cut in proportion if more, filled up with ``rest`` if less."""
        noted = np.zeros((len(Source), len(ms)))
        for each in frame.notes:
            noted += each
        total = noted.sum(axis=0)
        over = total > ms
        noted[:, over] *= ms[over] / total[over]
        noted[self.rest] += np.where(over, 0.0, ms - total)
        return noted


def _spread(ms: FloatArray, sources: IntArray | Source) -> FloatArray:
    """(sources, Q): each query's ms in the row of its source."""
    rows = np.arange(len(Source))[:, None]
    return np.where(rows == np.asarray(sources), np.asarray(ms, dtype=np.float64), 0.0)
