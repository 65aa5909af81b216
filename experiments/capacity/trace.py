"""Recorded requests from a file: prompt and output tokens, and when they arrived.

Read by the names of columns or keys, so that the common public traces work as they are:

========================  =======================================================  ==============
trace                     columns                                                  time
========================  =======================================================  ==============
own CSV                   isl, osl, arrival (s), prefix                            seconds
Azure LLM inference       TIMESTAMP, ContextTokens, GeneratedTokens                date and time
BurstGPT                  Timestamp, Request tokens, Response tokens               seconds
Mooncake (JSONL)          timestamp, input_length, output_length, hash_ids         milliseconds
========================  =======================================================  ==============
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aicfg.model_specs.errors import InputError, nearest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COLUMNS: dict[str, tuple[str, ...]] = {
    "isl": ("isl", "input_length", "contexttokens", "request tokens", "input_tokens", "prompt_tokens",
            "prompt_len", "num_prefill_tokens"),
    "osl": ("osl", "output_length", "generatedtokens", "response tokens", "output_tokens",
            "completion_tokens", "output_len", "num_decode_tokens"),
    "arrival": ("arrival", "arrival_s", "timestamp", "arrived_at", "arrival_time", "time"),
    "prefix": ("prefix", "cached_tokens"),
}  # fmt: skip
"""Names that each quantity goes by, in lower case."""
LEAST_OUTPUT = 2


@dataclass(frozen=True)
class Trace:
    """N requests, and how many rows were no request that can be served."""

    isl: IntArray
    osl: IntArray
    prefix: IntArray
    arrival_s: FloatArray | None
    """Ascending, from 0; None where the file has no times."""
    left_out: int
    """Rows with fewer than one token in, or fewer than two out (failed requests)."""

    def __len__(self) -> int:
        return len(self.isl)

    @property
    def requests_per_s(self) -> float | None:
        """Mean rate from the first to the last arrival; None without times."""
        if self.arrival_s is None or len(self) < 2 or self.arrival_s[-1] <= 0:
            return None
        return (len(self) - 1) / float(self.arrival_s[-1])

    @property
    def arrival_cv2(self) -> float:
        """Squared coefficient of variation of the times between arrivals; 1 (Poisson) without times."""
        if self.arrival_s is None or len(self) < 3:
            return 1.0
        between = np.diff(self.arrival_s)
        mean = float(between.mean())
        return float(between.var()) / mean**2 if mean > 0 else 1.0


def read_trace(path: str | Path) -> Trace:
    """The requests of a CSV or JSONL file.

    Raises
    ------
    InputError
        When the file cannot be read, lacks a column, or holds no request.
    """
    try:
        columns = _jsonl(path) if Path(path).suffix.lower() in (".jsonl", ".ndjson") else _csv(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not text with rows: {error}") from None
    isl, osl = (_numbers(path, name, columns[name]) for name in ("isl", "osl"))
    prefix = _numbers(path, "prefix", columns["prefix"]) if "prefix" in columns else np.zeros(len(isl))
    served = (isl >= 1) & (osl >= LEAST_OUTPUT)
    if not served.any():
        raise InputError(f"{path}: no request with at least 1 token in and {LEAST_OUTPUT} out")
    arrival = _seconds(path, columns["arrival"], "hash_ids" in columns) if "arrival" in columns else None
    if arrival is not None:
        arrival = np.sort(arrival[served])
        arrival -= arrival[0]
    whole = [np.rint(each[served]).astype(np.int64) for each in (isl, osl, prefix)]
    prefixes = np.clip(whole[2], 0, whole[0] - 1)
    return Trace(whole[0], whole[1], prefixes, arrival, int(len(isl) - served.sum()))


def _csv(path: str | Path) -> dict[str, Sequence[Any]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        head = next(rows, [])
        found = _found(path, head)
        width = max(found.values()) + 1
        body = [row for row in rows if len(row) >= width]
    return {name: [row[at] for row in body] for name, at in found.items()}


def _jsonl(path: str | Path) -> dict[str, Sequence[Any]]:
    decode = msgspec.json.Decoder().decode
    rows: list[Any] = []
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    rows.append(decode(line))
                except msgspec.DecodeError as error:
                    raise InputError(f"{path}:{number}: not JSON: {error}") from None
    if not rows or not isinstance(rows[0], dict):
        raise InputError(f"{path}: expected a JSON object on each line")
    head = list(rows[0])
    found = _found(path, head)
    columns: dict[str, Sequence[Any]] = {
        name: [row.get(head[at]) for row in rows] for name, at in found.items()
    }
    if "hash_ids" in head:
        columns["hash_ids"] = ()
    return columns


def _found(path: str | Path, head: Sequence[str]) -> dict[str, int]:
    """Which column holds each quantity."""
    lower = [str(each).strip().lower() for each in head]
    found = {}
    for name, known in COLUMNS.items():
        at = next((lower.index(each) for each in known if each in lower), None)
        if at is not None:
            found[name] = at
        elif name in ("isl", "osl"):
            given = ", ".join(head[:12]) or "none"
            close = nearest(name, lower)
            raise InputError(
                f"{path}: no column {name} (or {', '.join(known[1:])}); there are {given}{close}"
            )
    return found


def _numbers(path: str | Path, name: str, values: Sequence[Any]) -> FloatArray:
    try:
        found = np.array(values, np.float64)
    except (ValueError, TypeError):
        row, given = next((i, v) for i, v in enumerate(values) if not _is_number(v))
        raise InputError(f"{path}: {name} of request {row + 1}: got {given!r}; expected a number") from None
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def _seconds(path: str | Path, values: Sequence[Any], milliseconds: bool) -> FloatArray:
    """Times in seconds: numbers as they are (Mooncake's in ms), or dates with times of day."""
    if len(values) and _is_number(values[0]):
        return _numbers(path, "arrival", values) / (1000.0 if milliseconds else 1.0)
    try:
        texts = [str(value).strip().replace(" ", "T").removesuffix("Z").partition("+")[0] for value in values]
        return np.array(texts, "datetime64[us]").astype(np.float64) / 1e6
    except ValueError:
        raise InputError(
            f"{path}: arrival of request 1: got {values[0]!r}; expected seconds, or a time such as "
            "2024-05-10 00:00:00.5"
        ) from None
