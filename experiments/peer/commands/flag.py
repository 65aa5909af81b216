"""One flag of a command."""

from dataclasses import dataclass
from typing import Literal

from aicfg.experiments.peer.requests.keys import SHARED_KEYS, Use
from aicfg.experiments.peer.requests.kinds import Kind

Group = Literal["what to serve", "agreement", "output", "more"]


@dataclass(frozen=True)
class Flag:
    """One flag, with all its spellings in dashes."""

    names: tuple[str, ...]
    kind: Kind
    help: str
    key: str = ""
    """The flat key that it sets; empty for an option of the call."""
    use: Use = "solved"
    group: Group = "more"
    metavar: str | None = None
    required: bool = False
    negated: bool = False
    """A switch that sets its key to false."""
    repeated: bool = False
    optional_value: str | None = None
    """What the flag stands for when it is given without a value."""

    @property
    def dest(self) -> str:
        """Its name among the parsed options."""
        return self.names[0].removeprefix("--").replace("-", "_")


def key_flag(
    names: str,
    key: str,
    text: str,
    group: Group = "more",
    metavar: str | None = None,
    *,
    negated: bool = False,
) -> Flag:
    """A flag of a key that all roles share."""
    known = SHARED_KEYS[key]
    return Flag(tuple(names.split()), known.kind, text, key, known.use, group, metavar, negated=negated)
