"""How a plan is to be found, and what to find around it: what is asked beside the experiment itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Frontier = Literal["tpot", "ttft"]


@dataclass(frozen=True)
class Options:
    """How to solve; none of it changes what is best."""

    engine: str = "highs"
    time_limit_s: float | None = None
    explain: bool = True
    """Say what would make a plan exist when none does."""
    alternatives: int = 0
    """How many plans of another structure to find, in place of the best one of another mode."""
    frontier: Frontier | None = None
    """The axis of the frontier beside tokens/s: ``tpot``, or ``ttft`` for both; None: no frontier."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How dear a relative change of a bound is where nothing is feasible, by key; 1 unless given."""
