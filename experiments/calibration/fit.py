"""The fit of a profile's coefficients to measured runs: robust, pulled to a prior, cross-validated.

Each engine is fitted by itself, TPOT before TTFT. The loss of a row is its relative error, flattened where it
is so large that the row, or its tables, must be wrong (``CAPS``); a coefficient costs the square of its
distance from the prior, in spreads, as much as ``PRIOR_ROWS`` rows. The search is a pattern search.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from aicfg.experiments.calibration.samples import Samples
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.profile import Profile
from aicfg.hardware.runs import Latency

CAPS = {"tpot": 0.4, "ttft": 0.8, "disagg": 0.8}
"""Relative errors beyond which a row steers no more."""
PRIOR_ROWS = 0.2
STEPS = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Of the search, in spreads."""


class Coefficient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number of a profile that is fitted, once for each engine."""

    path: str
    unit: str
    spread: float
    least: float
    meaning: str
    backends: tuple[str, ...] = ()
    """Engines that have it; all if none is named."""

    def keys(self, backend: str) -> tuple[str, ...]:
        """Where it is in a profile."""
        return tuple(self.path.format(backend=backend).split("."))


@cache
def coefficients() -> dict[str, tuple[Coefficient, ...]]:
    """All coefficients that are fitted, by the stage of the fit."""
    import yaml

    text = Path(__file__).with_name("coefficients.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, tuple[Coefficient, ...]])


def coefficients_of(stage: str, backend: str) -> list[Coefficient]:
    """Those of one stage that an engine has."""
    return [each for each in coefficients()[stage] if not each.backends or backend in each.backends]


@dataclass(frozen=True)
class Stage:
    """What is fitted at once."""

    name: str
    figure: str

    def wants(self, samples: Samples) -> bool:
        """Whether rows of this kind say something."""
        return (samples.mode == "disagg") == (self.name == "disagg")


STAGES = (Stage("tpot", "tpot_ms"), Stage("ttft", "ttft_ms"), Stage("disagg", "ttft_ms"))


def fit(prior: Profile, samples: Iterable[Samples], leave_out: Sequence[str] = ()) -> Profile:
    """``prior`` with the coefficients that the rows ask for; those whose path is in ``leave_out`` stay."""
    facts = msgspec.to_builtins(prior)
    for each in samples:
        for stage in STAGES:
            if stage.wants(each) and len(each.rows):
                chosen = [c for c in coefficients_of(stage.name, each.backend) if c.path not in leave_out]
                facts = _fitted(facts, each, stage, chosen)
    return msgspec.convert(facts, Profile)


def _fitted(
    facts: dict[str, Any], samples: Samples, stage: Stage, chosen: Sequence[Coefficient]
) -> dict[str, Any]:
    """The profile with one engine's coefficients of one stage fitted."""
    prior = [_get(facts, each.keys(samples.backend)) for each in chosen]
    measured = getattr(samples, stage.figure)

    def placed(x: FloatArray) -> dict[str, Any]:
        changed = facts
        for each, start, moved in zip(chosen, prior, x, strict=True):
            value = max(each.least, start + float(moved) * each.spread)
            changed = _put(changed, each.keys(samples.backend), value)
        return changed

    def loss(x: FloatArray) -> float:
        found = samples.predicted(msgspec.convert(placed(x), Profile))
        error = _error(getattr(found, stage.figure) / measured, CAPS[stage.name])
        return float(error.mean() + PRIOR_ROWS * (x**2).sum() / len(measured))

    return placed(descend(loss, len(chosen)))


def _error(ratio: FloatArray, cap: float) -> FloatArray:
    return cap * np.tanh(np.abs(ratio - 1.0) / cap)


def descend(loss: Callable[[FloatArray], float], size: int) -> FloatArray:
    """Where ``loss`` is least near 0: coordinates are moved while that helps, by ever smaller steps."""
    x = np.zeros(size)
    best = loss(x)
    for step in STEPS:
        moved = True
        while moved:
            moved = False
            for at in range(size):
                for sign in (1.0, -1.0):
                    other = x.copy()
                    other[at] += sign * step
                    value = loss(other)
                    if value < best - 1e-9:
                        x, best, moved = other, value, True
                        break
    return x


def out_of_fold(prior: Profile, samples: Samples, fold: Sequence[str], every: Sequence[Samples]) -> Latency:
    """Predictions of rows that had no part in the fit: each by the profile fitted to all other folds.

    An engine whose rows are all in one fold keeps the prior.
    """
    names = np.array(fold)
    ttft, tpot = np.empty(len(names)), np.empty(len(names))
    for name in sorted(set(fold)):
        inside = names == name
        others = [samples.at(~inside), *(each for each in every if each is not samples)]
        found = samples.at(inside).predicted(fit(prior, (e for e in others if e.backend == samples.backend)))
        ttft[inside], tpot[inside] = found.ttft_ms, found.tpot_ms
    return Latency(ttft, tpot)


def _get(facts: Any, keys: Sequence[str]) -> float:
    for key in keys:
        facts = facts[key]
    return float(facts)


def _put(facts: dict[str, Any], keys: Sequence[str], value: float) -> dict[str, Any]:
    first, *rest = keys
    return {**facts, first: _put(facts[first], rest, value) if rest else value}
