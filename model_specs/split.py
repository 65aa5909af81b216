"""Which share of a step's tokens one rank works on."""

from typing import Any

from msgspec import Struct


class Split(Struct, frozen=True, cache_hash=True):
    """The share of a step's tokens that one rank works on."""

    shards: int = 1
    """Ranks that share the token stream out, rounded down."""
    context: int = 1
    """Context-parallel ranks, rounded up: the busiest one counts."""

    def of(self, tokens: Any) -> Any:
        """The share of ``tokens`` (a number or an array)."""
        if self.shards == self.context == 1:
            return tokens
        return -(-(tokens // self.shards) // self.context)


WHOLE = Split()
