"""What a key or a flag of AIConfigurator's accepts: one small reader for each kind of value.

A reader takes a plain value (a flag's text is read as YAML reads a scalar first) and hands back the value
in its canonical type, or raises ``ValueError``; ``words`` says what would be accepted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aicfg.experiments.ask.checking import shown
from aicfg.experiments.ask.fields import MAX_GPUS, MAX_MS, MAX_TOKENS
from aicfg.model_specs.errors import InputError, nearest

UNBOUNDED = math.inf
"""A latency bound that is no constraint."""
_NOTHING = (None, "", "None", "none", "null")
_NO_BOUND = ("none", "inf", ".inf", "infinity", "0")


class RefusedError(ValueError):
    """A value that is not accepted; the message says all there is to say."""


@dataclass(frozen=True)
class Kind:
    """A kind of value."""

    words: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    switch: bool = False
    """Whether a flag of this kind takes no value."""
    several: bool = False
    """Whether a flag of this kind takes several values."""


def wrong(value: Any, kind: Kind, error: Exception) -> str:
    """What to say of a value that ``kind`` does not accept."""
    if isinstance(error, RefusedError):
        return str(error)
    close = nearest(value, kind.choices) if isinstance(value, str) and kind.choices else ""
    return f"got {shown(value)}; expected {kind.words}{close}"


def is_nothing(value: Any) -> bool:
    """Whether ``value`` says the same as leaving the key out; some files write ``None`` for it."""
    return value is None or value in _NOTHING


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return read


def whole(low: int, high: int, what: str = "a whole number") -> Kind:
    """Whole numbers from ``low`` to ``high``."""
    return Kind(f"{what} from {low:,} to {high:,}", _whole(low, high))


def number(high: float, words: str, *, zero: bool = False) -> Kind:
    """Numbers above 0 (or from 0 on) up to ``high``."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
            raise ValueError
        if value == 0 and not zero:
            raise ValueError
        return float(value)

    return Kind(words, read)


def _bound(value: Any) -> float:
    if isinstance(value, str) and value.lower() in _NO_BOUND:
        return UNBOUNDED
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ValueError
    if value in (0, math.inf):
        return UNBOUNDED
    if not 1e-6 <= value <= MAX_MS:
        raise ValueError
    return float(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError
    return str(value)


def one_of(*names: str) -> Kind:
    """One of ``names``, in any letter case."""
    by_folded = {name.casefold(): name for name in names}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.casefold() not in by_folded:
            raise ValueError
        return by_folded[value.casefold()]

    return Kind(f"one of {', '.join(names)}", read, choices=names)


def _listed(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= 64:
            raise ValueError
        return tuple(read(each) for each in value)

    return read_all


def wholes(low: int, high: int) -> Kind:
    """A list of whole numbers."""
    words = f"a list of whole numbers from {low:,} to {high:,}, such as [1, 2, 4]"
    return Kind(words, _listed(_whole(low, high)), several=True)


def _drafts(value: Any) -> int | str:
    return "auto" if value == "auto" else _whole(0, 32)(value)


def quant(component: str) -> Kind:
    """Number formats of one component, by the names that this aicfg knows."""

    def read(value: Any) -> str:
        from aicfg.model_specs.quantization import Quant

        try:
            name: str = getattr(Quant(**{component: value}), component)
        except (InputError, TypeError, AttributeError) as error:
            raise RefusedError(str(error).removeprefix(f"quant.{component}: ")) from None
        return name

    return Kind("the name of a number format, such as fp8", read)


def _anything(value: Any) -> Any:
    return value


SWITCH = Kind("true or false", _switch, switch=True)
TEXT = Kind("text", _text)
BOUND = Kind("milliseconds above 0 (none, inf or 0: no bound)", _bound)
TOKENS = whole(1, MAX_TOKENS, "a whole number of tokens")
OUTPUT = whole(2, MAX_TOKENS, "a whole number of tokens")
PREFIX = whole(0, MAX_TOKENS, "a whole number of tokens")
GPUS = whole(1, MAX_GPUS, "a whole number of GPUs")
COUNT = whole(0, MAX_GPUS)
SIZE = whole(1, 65_536)
SIZES = wholes(1, 1024)
REPLICAS = wholes(1, MAX_GPUS)
FRACTION = number(1, "a share above 0, up to 1")
FACTOR = number(100, "a factor above 0, up to 100")
RATE = number(1e9, "a number above 0")
DRAFTS = Kind("a whole number from 0 to 32, or auto", _drafts)
ACCEPTED = number(32, "a number of tokens from 0 to 32", zero=True)
RATES = Kind(
    "a list of shares from 0 to 1, such as [0.85, 0.3, 0, 0, 0]",
    _listed(number(1, "a share", zero=True).read),
    several=True,
)
ANYTHING = Kind("anything", _anything)
