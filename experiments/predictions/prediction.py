"""What is predicted of a row of a batch file, and the table of it."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aicfg.hardware.intervals import Metric
from aicfg.model_specs.errors import InputError

FIGURES: dict[str, Metric] = {
    "ttft_ms": "ttft_ms",
    "tpot_ms": "tpot_ms",
    "tokens_per_s_per_gpu": "tokens_per_s",
}
"""What is predicted, and what its residuals are called in a profile."""
SHARES = (80, 90)
"""Percent of the measured figures that the intervals are to cover."""
BOUNDS = tuple(f"{name}_{end}_{share}" for name in FIGURES for share in SHARES for end in ("low", "high"))
HEADER = ("row_id", *FIGURES, "tpot_ms_safe", *BOUNDS, "reason")


@dataclass(frozen=True)
class Prediction:
    """What one row does; without figures, why there are none."""

    row_id: str
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    tokens_per_s_per_gpu: float | None = None
    tpot_ms_safe: float | None = None
    """With the margin that the profile asks of choices."""
    bounds: tuple[float, ...] = ()
    """Ends of the intervals, as ``BOUNDS`` names them; empty under a profile without error bars."""
    reason: str = ""
    """Why there are no figures, or what they rest on beside measured tables, and what does not fit."""


def joined(*reasons: str) -> str:
    """The reasons that there are, as one."""
    return "; ".join(filter(None, reasons))


def write_predictions(path: str, predictions: Sequence[Prediction]) -> None:
    """A CSV of ``predictions``: written beside ``path``, then put in its place."""
    whole = Path(path)
    beside = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(HEADER)
            lines.writerows(_cells(each) for each in predictions)
        beside.replace(whole)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"--out {path}: cannot be written: {error.strerror}") from None


def _cells(prediction: Prediction) -> Iterator[str]:
    for name in HEADER[: -len(BOUNDS) - 1]:
        value = getattr(prediction, name)
        yield value if isinstance(value, str) else "" if value is None else f"{value:.6g}"
    yield from (f"{bound:.6g}" for bound in prediction.bounds)
    yield from [""] * (len(BOUNDS) - len(prediction.bounds))
    yield prediction.reason
