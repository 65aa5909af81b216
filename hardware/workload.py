"""The requests a worker serves, and how it decodes them."""

from msgspec import Struct


class Workload(Struct, frozen=True):
    """Requests of one length, in tokens.

    Prompt, answer, and the part of the prompt found in the prefix cache.
    """

    isl: int
    osl: int
    prefix: int = 0


class Speculative(Struct, frozen=True):
    """Speculative decoding: every decode step verifies ``nextn`` drafted tokens beside the one it makes.

    ``accepted`` is the mean number of drafted tokens that are kept.
    """

    nextn: int = 0
    accepted: float = 0.0

    @property
    def queries(self) -> int:
        """Tokens of one request in a decode step."""
        return self.nextn + 1

    @property
    def progress(self) -> float:
        """Tokens that a request gains in a decode step."""
        return 1.0 + self.accepted


NO_DRAFTS = Speculative()
