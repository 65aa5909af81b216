"""What goes wrong by the user's doing, in one line each."""

from collections.abc import Iterable
from difflib import get_close_matches


class AicfgError(Exception):
    """Anything aicfg can explain in one line."""


class InputError(AicfgError):
    """The input cannot be used as it stands (exit code 2)."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for a close choice, else an empty string."""
    by_folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
