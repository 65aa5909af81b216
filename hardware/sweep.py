"""A measured curve over one size (tokens, message elements), and what carries it past its ends."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aicfg.hardware.estimate import Loan, Utilisation
from aicfg.hardware.interpolation import FloatArray, IntArray, along, reach_along
from aicfg.hardware.modes import Source
from aicfg.hardware.tables.store import MissingDataError

Light = Callable[[FloatArray], FloatArray]


class Sweep(Struct, frozen=True):
    """Times at ascending sizes: linear in between; beyond, the end point's utilisation or its slope.

    Parameters
    ----------
    sizes, times_ms : (K,) measured points.
    light : speed of light in ms at a size (for the curve itself only its ratios count).
    name : what was measured, for errors.
    slope : past the largest size, go on with the slope of the last octave, never faster than light.
    replaced : (K,) which times are estimates in place of implausible measurements; None: none.
    """

    sizes: FloatArray
    times_ms: FloatArray
    light: Light
    name: str
    slope: bool = False
    replaced: NDArray[np.bool_] | None = None

    def __call__(self, x: FloatArray) -> FloatArray:
        """Time in ms at each of (Q,) sizes.

        Raises
        ------
        MissingDataError
            For sizes below the only measured point: it says nothing of the time that even one token takes.
        """
        if len(self.sizes) == 1 and (x < self.sizes[0]).any():
            raise MissingDataError(
                f"{self.name}: measured at {self.sizes[0]:.0f} alone, and less is asked for"
            )
        times = along(self.sizes, self.times_ms, x)
        for outside, end in ((x < self.sizes[0], 0), (x > self.sizes[-1], -1)):
            if outside.any():
                held = self.times_ms[end] / self.light(self.sizes[[end]])
                times[outside] = held * self.light(x[outside])
        past = x > self.sizes[-1]
        if self.slope and len(self.sizes) > 1 and past.any():
            near = min(int(np.searchsorted(self.sizes, self.sizes[-1] / 2.0)), len(self.sizes) - 2)
            rise = (self.times_ms[-1] - self.times_ms[near]) / (self.sizes[-1] - self.sizes[near])
            on = self.times_ms[-1] + rise * (x[past] - self.sizes[-1])
            times[past] = np.maximum(on, self.light(x[past]))
        return times

    def reach(self, x: FloatArray) -> IntArray:
        """What the time at each size rests on."""
        return reach_along(self.sizes, x, self.replaced)

    def loan(self, scale: float = 1.0) -> Loan:
        """What another size or shape may borrow."""
        return Loan(Utilisation((self.sizes,), self.times_ms, self.light), scale)


class LentSweep(Sweep, frozen=True):
    """A curve made of another's: every time is an estimate."""

    def reach(self, x: FloatArray) -> IntArray:
        """What the time at each size rests on."""
        return np.full(len(x), int(Source.ESTIMATED))


def sweep_of(
    sizes: NDArray[np.int64],
    times_ms: FloatArray,
    light: Light,
    name: str,
    slope: bool = False,
    replaced: NDArray[np.bool_] | None = None,
) -> Sweep:
    """The measured points among times (K,) that hold NaN where nothing was measured.

    Raises
    ------
    MissingDataError
        If none was.
    """
    there = ~np.isnan(times_ms)
    if not there.any():
        raise MissingDataError(f"{name}: not measured")
    marks = None if replaced is None else replaced[there]
    return Sweep(sizes[there].astype(np.float64), times_ms[there], light, name, slope, marks)
