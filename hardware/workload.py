"""The requests a worker serves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one length, in tokens.

    Prompt, answer, and the part of the prompt found in the prefix cache.
    """

    isl: int
    osl: int
    prefix: int = 0
