"""Messages over a group of GPUs: measured by group and size, scaled by bandwidth past the largest group.

Rules: performance model of AIConfigurator 0.12, §3.5 and §4.
"""

from functools import partial

import numpy as np
from msgspec import Struct

from aicfg.hardware.estimate import Loan, by_nearness
from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.modes import Source
from aicfg.hardware.sweep import Sweep, sweep_of
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Grid, MissingDataError


class Ring(Struct, frozen=True):
    """Speed of light of a collective: GPUs in a ring over the slowest link between them."""

    system: System
    passes: float
    """How often each of r GPUs sends its (r-1)/r of the message: twice for a sum, else once."""
    element_bytes: float

    def __call__(self, elements: FloatArray, ranks: int) -> FloatArray:
        """Time in ms of a message of (Q,) elements over ``ranks`` GPUs."""
        sent = self.passes * self.element_bytes * elements * (ranks - 1) / ranks
        return np.asarray(sent / self.system.link_bytes_per_s(ranks) * 1000.0)


class GroupTable:
    """One collective in one element format."""

    def __init__(self, grid: Grid, light: Ring, name: str, hierarchical: bool = False) -> None:
        """``grid`` has axes (GPUs, elements); ``hierarchical`` says how groups past the largest are built."""
        self._hierarchical = hierarchical
        self._grid = grid
        self._ranks = [int(ranks) for ranks in grid.axes[0]]
        self._light = light
        self._name = name

    def __call__(self, elements: FloatArray, ranks: int) -> FloatArray:
        """Time in ms of a message of (Q,) elements over ``ranks`` > 1 GPUs.

        Past the largest measured group g: g's time · ((r-1)/r) / ((g-1)/g) · (g's bandwidth / r's); or, built
        in two levels where the link is slower there (not over the NVLink of a rack), g's time and a ring over
        the groups in which each GPU carries its g-th of the message.
        """
        most, link = self._ranks[-1], self._light.system.link_bytes_per_s
        times = self._sweep(min(ranks, most))(elements)
        if ranks <= most:
            return times
        if self.past_its_links(ranks):
            groups = -(-ranks // most)
            sent = self._light.passes * self._light.element_bytes * elements / most * (groups - 1) / groups
            hops = self._light.passes * (groups - 1) * self._light.system.p2p_latency_ms
            return times + sent / link(ranks) * 1000.0 + hops
        return times * ((ranks - 1) / ranks) / ((most - 1) / most) * (link(most) / link(ranks))

    def past_its_links(self, ranks: int) -> bool:
        """Whether a group is built in two levels: it is past every measured one, over a slower link."""
        most, link = self._ranks[-1], self._light.system.link_bytes_per_s
        return self._hierarchical and ranks > most and link(ranks) < link(most)

    def reach(self, elements: FloatArray, ranks: int) -> IntArray:
        """What the time of each message rests on."""
        most = self._ranks[-1]
        reach = self._sweep(min(ranks, most)).reach(elements)
        return reach if ranks <= most else np.maximum(reach, Source.EXTRAPOLATED)

    def loan(self, ranks: int) -> Loan:
        """Utilisation of the link by message size, of the measured group that is nearest to ``ranks``."""
        nearest = self._ranks[by_nearness((ranks,), [(each,) for each in self._ranks])[0]]
        return self._sweep(nearest).loan()

    def _sweep(self, ranks: int) -> Sweep:
        """The measured curve of one group."""
        if ranks not in self._ranks:
            raise MissingDataError(f"{self._name} over {ranks} GPUs was not measured (only {self._ranks})")
        at = self._ranks.index(ranks)
        times = self._grid.values[at]
        replaced = None if self._grid.replaced is None else self._grid.replaced[at]
        light = partial(self._light, ranks=ranks)
        return sweep_of(self._grid.axes[1], times, light, self._name, replaced=replaced)
