"""A load over time from a CSV file: when each step begins, and the requests/s of it, of each class if wanted.

    time,requests_per_s          time,chat,batch
    00:00,12                     0,10,2
    06:30,20                     6.5,15,5

A time is HH:MM (or a date with it), or hours as a number. A step ends where the next begins; the last one is
as long as the one before it, and the first one follows it: a day after the other.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from aicfg.model_specs.errors import InputError, nearest

TOTAL = "requests_per_s"
MOST_STEPS = 1000


@dataclass(frozen=True)
class DayStep:
    """One line of a profile."""

    name: str
    hours: float
    requests_per_s: tuple[float, ...]
    """Of all requests together, or of each class."""


def read_profile(path: str | Path, classes: Sequence[str]) -> list[DayStep]:
    """The steps of a profile; rates in the order of ``classes`` where the file has their names.

    Raises
    ------
    InputError
        Naming the file, the line and what would be accepted.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"load.profile: {path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"load.profile: {path}: not text with rows: {error}") from None
    head, body = [each.strip() for each in rows[0]] if rows else [], rows[1:]
    at = _columns(path, head, classes)
    if not 2 <= len(body) <= MOST_STEPS:
        raise InputError(f"load.profile: {path}: got {len(body)} steps; expected 2 to {MOST_STEPS:,}")
    starts = [_hours(path, line, row[0]) for line, row in enumerate(body, 2)]
    late = next((i for i in range(1, len(starts)) if starts[i] <= starts[i - 1]), None)
    if late is not None:
        raise InputError(
            f"load.profile: {path}:{late + 2}: {body[late][0]!r} is not after the step before it"
        )
    lengths = [end - start for start, end in pairwise(starts)]
    lengths.append(lengths[-1])
    rates = [tuple(_rate(path, line, row, column) for column in at) for line, row in enumerate(body, 2)]
    if not any(any(each) for each in rates):
        raise InputError(f"load.profile: {path}: no step has any requests")
    return [
        DayStep(row[0].strip(), hours, rate) for row, hours, rate in zip(body, lengths, rates, strict=True)
    ]


def _columns(path: str | Path, head: list[str], classes: Sequence[str]) -> list[int]:
    if head[:1] != ["time"]:
        raise InputError(
            f"load.profile: {path}:1: expected the columns time, {TOTAL} (or one for each class)"
        )
    if TOTAL in head:
        return [head.index(TOTAL)]
    missing = next((name for name in classes if name not in head), None)
    if missing is not None or not classes:
        known = [TOTAL, *classes]
        close = next((nearest(name, known) for name in head[1:] if name not in known), "")
        expected = f"expected {TOTAL}" + (f", or {', '.join(classes)}" if classes else "")
        raise InputError(f"load.profile: {path}:1: got {', '.join(head)}; {expected}{close}")
    return [head.index(name) for name in classes]


def _hours(path: str | Path, line: int, text: str) -> float:
    """Hours since the first midnight."""
    text = text.strip()
    if match := re.fullmatch(r"(\d{1,3}):(\d{2})(?::(\d{2}))?", text):
        hours, minutes, seconds = (int(each or 0) for each in match.groups())
        return hours + minutes / 60 + seconds / 3600
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None).timestamp() / 3600
    except ValueError:
        raise InputError(
            f"load.profile: {path}:{line}: got {text!r}; expected a time such as 06:30 or hours such as 6.5"
        ) from None


def _rate(path: str | Path, line: int, row: list[str], column: int) -> float:
    try:
        rate = float(row[column])
    except (IndexError, ValueError):
        given = row[column] if column < len(row) else "nothing"
        raise InputError(f"load.profile: {path}:{line}: got {given!r}; expected requests/s") from None
    if not 0 <= rate <= 1e6:
        raise InputError(
            f"load.profile: {path}:{line}: got {rate:g}; expected requests/s from 0 to 1,000,000"
        )
    return rate
