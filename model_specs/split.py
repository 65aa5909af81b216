"""Which share of a step's tokens one rank works on."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Split:
    """The share of a step's tokens that one rank works on."""

    shards: int = 1
    """Ranks that share the token stream out, rounded down."""
    context: int = 1
    """Context-parallel ranks, rounded up: the busiest one counts."""

    def of(self, tokens: Any) -> Any:
        """The share of ``tokens`` (a number or an array)."""
        return -(-(tokens // self.shards) // self.context)


WHOLE = Split()
