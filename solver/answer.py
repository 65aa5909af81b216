"""What an engine and the solver hand back: why it stopped, what is in hand, and how good it is."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from aicfg.solver.objectives import STAGES


class Ended(Enum):
    """Why the engine stopped."""

    PROVEN_OPTIMAL = "proved that nothing is better"
    PROVEN_INFEASIBLE = "proved that no plan exists"
    TIME_LIMIT = "the time limit"
    OTHER_LIMIT = "a limit other than time: iterations, nodes, solutions, objective, memory"
    INTERRUPTED = "an interrupt"
    UNBOUNDED = "no finite optimum: the program is wrong, a plan is bounded by its GPUs"
    ERROR = "the engine failed or could not read the program"


class Holds(Enum):
    """What is in hand."""

    NONE = "neither a plan nor a proof"
    FEASIBLE = "a plan, not proved to be the best"
    OPTIMAL = "a plan, proved to be the best"
    INFEASIBLE = "a proof that no plan exists"


STATUS = {
    Holds.NONE: "unknown",
    Holds.FEASIBLE: "feasible",
    Holds.OPTIMAL: "optimal",
    Holds.INFEASIBLE: "infeasible",
}


def holds(ended: Ended, has_plan: bool) -> Holds:
    """What is in hand after ``ended``; a proof counts only when the engine gave it."""
    if ended is Ended.PROVEN_OPTIMAL and has_plan:
        return Holds.OPTIMAL
    if ended is Ended.PROVEN_INFEASIBLE:
        return Holds.INFEASIBLE
    return Holds.FEASIBLE if has_plan else Holds.NONE


@dataclass(frozen=True)
class Outcome:
    """One engine's end, in the terms of the points: ``counts`` maps a position in Points to its workers."""

    engine: str
    version: str
    ended: Ended
    counts: dict[int, int] | None
    bound: int | None
    """No plan is better than this, says the engine; in the objective's integers, None where it has none."""
    values: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """What every column of the program is, where the engine solved one."""

    @property
    def holds(self) -> Holds:
        """What the engine holds."""
        return holds(self.ended, self.counts is not None)


@dataclass(frozen=True)
class Statistics:
    """How large the problem was."""

    points_considered: int = 0
    """Points of the mode's roles that were given."""
    points_allowed: int = 0
    """Of these, points within the memory, the latency bounds and the pool."""
    points_in_program: int = 0
    """Of these, points that no other dominates."""
    worker_types: int = 0
    """Worker types among the points considered."""
    rows: int = 0
    columns: int = 0
    solve_ms: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The solver's answer. Without a plan ``points`` and ``workers`` are empty and the figures are None.

    Figures are integers in the points' own units: micro-tokens/s, micro-requests/s, nanoseconds, GPUs,
    micro-currency per hour.
    """

    ended: Ended
    holds: Holds
    engine: str
    version: str
    points: tuple[int, ...] = ()
    """Positions in the Points given to ``solve``: prefill before decode, then canonical order."""
    workers: tuple[int, ...] = ()
    """Workers at each of ``points``."""
    value: int | None = None
    """The objective's figure (by default micro-tokens/s), recomputed in integers from the plan alone."""
    bound: int | None = None
    """Proven bound on ``value`` of any plan: not more, or, where less is better, not less."""
    gpus_used: int | None = None
    ttft_ns: int | None = None
    tpot_ns: int | None = None
    request_latency_ns: int | None = None
    statistics: Statistics = Statistics()
    checked_by: tuple[str, ...] = ()
    """Other engines that found the same value."""
    objective: str = "tokens_per_s"
    mode: str = ""
    """The mode that was asked for."""
    tokens: int | None = None
    """Output micro-tokens/s."""
    requests: int | None = None
    """Micro-requests/s that the plan can serve."""
    cost: int | None = None
    """Micro-currency per hour of the GPUs used; pools without a price cost nothing."""

    def __post_init__(self) -> None:
        has_plan = self.holds in (Holds.FEASIBLE, Holds.OPTIMAL)
        if has_plan != bool(self.points) or has_plan != (self.value is not None):
            raise ValueError(f"an answer that holds {self.holds.name} cannot have plan {self.points}")
        if self.value is None or self.bound is None:
            return
        if self.bound < self.value if STAGES[self.objective].maximize else self.bound > self.value:
            side = "below" if STAGES[self.objective].maximize else "above"
            raise ValueError(f"bound {self.bound} {side} value {self.value}")

    @property
    def status(self) -> str:
        """``optimal``, ``feasible``, ``infeasible`` or ``unknown``."""
        return STATUS[self.holds]

    @property
    def gap(self) -> float | None:
        """|bound - value| / value; 0.0 at a proven optimum, None where either is missing."""
        if self.value is None or self.bound is None:
            return None
        return abs(self.bound - self.value) / self.value if self.value else 0.0
