"""Where a millisecond comes from: which data the user allows, and which data an answer really used."""

from enum import Enum, IntEnum


class DataMode(Enum):
    """What prices may rest on."""

    SILICON = "silicon"
    """Measured tables alone; an operation that they lack is an error."""
    HYBRID = "hybrid"
    """Measured tables; what they lack is estimated from what is nearest to it."""
    EMPIRICAL = "empirical"
    """The estimate for every operation that has one, as if its own point had not been measured."""
    SOL = "sol"
    """The speed of light: arithmetic and bytes over the GPU's peaks. Needs no table."""


class Source(IntEnum):
    """What a price rests on, the firmest first. Of a price with several parts, the greatest holds."""

    MEASURED = 0
    """A measured point."""
    INTERPOLATED = 1
    """Measured points on all sides."""
    EXTRAPOLATED = 2
    """Measured points of the same table on one side, carried on by the speed of light or by bandwidth."""
    REPLACED = 3
    """A measured point so implausible that an estimate stands in for it."""
    ESTIMATED = 4
    """The utilisation of other shapes or number formats."""
    FORMULA = 5
    """Bytes over the bandwidth that plain passes reach, plus a constant: what is in no table (norms)."""
    LIGHT = 6
    """The speed of light itself."""
