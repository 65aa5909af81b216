"""Changes of an experiment: a bound relaxed, a key set, a key swept over many values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product
from math import floor

from aicfg.experiments.ask.loader import Source, load
from aicfg.experiments.ask.schema import Experiment
from aicfg.model_specs.errors import InputError, nearest

RELAXABLE = {
    "ttft": "sla.ttft_ms",
    "tpot": "sla.tpot_ms",
    "request_latency": "sla.request_latency_ms",
    "gpus": "fleet.gpus",
}
"""Short names of what a plan is bounded by, and their keys."""
MAX_POINTS = 10_000
_PERCENT = re.compile(r"([+-]\d+(?:\.\d+)?)\s*%")
_ABSOLUTE = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Change:
    """One change, as it was given, and as settings of the experiment."""

    label: str
    settings: tuple[str, ...]
    """``key.path=value`` each, with the value in YAML."""


@dataclass(frozen=True)
class Axis:
    """A key, and the values that it is swept over."""

    key: str
    values: tuple[float, ...]


def the_experiment(source: Source, settings: Iterable[str] = ()) -> Experiment:
    """The only experiment of ``source``. Raises ``InputError`` where there are several."""
    experiments = load(source, settings=settings)
    if len(experiments) > 1:
        names = ", ".join(each.name for each in experiments)
        raise InputError(f"{len(experiments)} experiments ({names}): expected a source with one")
    return experiments[0]


def relaxation(text: str, experiment: Experiment) -> Change:
    """The change that ``--relax NAME=VALUE`` asks of ``experiment``.

    VALUE is a number, or a share of what is asked, such as ``+20%``. A share of the GPUs is rounded down to
    whole ones, in each pool; those of one pool are ``POOL.gpus``.
    """
    name, equals, given = text.partition("=")
    keys, given = _relaxed_keys(text, name, experiment), given.strip()
    if equals and _ABSOLUTE.fullmatch(given):
        if len(keys) > 1:
            own = " or ".join(f"{pool.label}.gpus={given}" for pool in experiment.fleet.pools)
            raise InputError(f"--relax {text}: the fleet has {len(keys)} pools; give a share, or {own}")
        return Change(text, (f"{keys[0]}={given}",))
    percent = _PERCENT.fullmatch(given)
    if percent is None:
        raise InputError(f"--relax {text}: expected a number ({name}=40) or a share ({name}=+20%)")
    return Change(text, tuple(_share(text, key, float(percent[1]), experiment) for key in keys))


def _relaxed_keys(text: str, name: str, experiment: Experiment) -> list[str]:
    """The keys that a name stands for: of GPUs one a pool."""
    fleet = experiment.fleet
    gpus = {f"{pool.label}.gpus": f"fleet.pools.{number}.gpus" for number, pool in enumerate(fleet.pools)}
    if name == "gpus" and gpus:
        return list(gpus.values())
    names = RELAXABLE | gpus
    if name not in names:
        known, close = ", ".join(names), nearest(name.split(".")[-1].removesuffix("_ms"), names)
        raise InputError(f"--relax {text}: unknown name{close}; expected one of {known}")
    return [names[name]]


def _share(text: str, key: str, percent: float, experiment: Experiment) -> str:
    asked = value_at(experiment, key)
    if not asked:
        raise InputError(f"--relax {text}: the experiment has no {key} to take a share of; give a number")
    value = round(asked * (1 + percent / 100), 6)
    return f"{key}={floor(value) if key.endswith('.gpus') else value!r}"


def setting(text: str) -> Change:
    """The change that ``--set KEY=VALUE`` asks for; the loader checks it."""
    return Change(text, (text,))


def changed(experiment: Experiment, changes: Sequence[Change]) -> Experiment:
    """``experiment`` with ``changes``, checked. The message of an error begins with what was changed."""
    try:
        return load(experiment, settings=[setting for each in changes for setting in each.settings])[0]
    except InputError as error:
        where = ", ".join(each.label for each in changes)
        lines = (line.removeprefix("experiment: ") for line in str(error).splitlines())
        raise InputError("\n".join(f"{where}: {line}" for line in lines)) from None


def value_at(experiment: Experiment, key: str) -> float | None:
    """What the experiment says at a dotted key of numbers; entries of a list go by their numbers."""
    value: object = experiment
    for name in key.split("."):
        value = value[int(name)] if isinstance(value, tuple) else getattr(value, name, None)
    return value if isinstance(value, int | float) else None


def axis(text: str) -> Axis:
    """The axis that ``--sweep KEY=START:STOP:STEP`` (both ends included) or ``KEY=A,B,C`` stands for."""
    name, equals, given = text.partition("=")
    key = RELAXABLE.get(name, name)
    expected = f"--sweep {text}: expected KEY=START:STOP:STEP or KEY=A,B,..., such as sla.tpot_ms=10:60:5"
    if not equals or not all(key.split(".")):
        raise InputError(expected)
    try:
        parts = [Decimal(part) for part in re.split("[:,]", given)]
    except InvalidOperation:
        raise InputError(expected) from None
    if not all(part.is_finite() for part in parts) or (":" in given and given.count(":") != 2):
        raise InputError(expected)
    return Axis(key, _plain(_range(text, *parts) if ":" in given else parts))


def _range(text: str, start: Decimal, stop: Decimal, step: Decimal) -> list[Decimal]:
    if not step or (stop - start) / step < 0:
        raise InputError(f"--sweep {text}: a step of {step} does not lead from {start} to {stop}")
    count = int((stop - start) / step) + 1
    if count > MAX_POINTS:
        raise InputError(f"--sweep {text}: {count:,} values; expected at most {MAX_POINTS:,}")
    return [start + number * step for number in range(count)]


def _plain(values: Iterable[Decimal]) -> tuple[float, ...]:
    """Each value once, whole numbers as such."""
    return tuple(dict.fromkeys(int(x) if x == x.to_integral_value() else float(x) for x in values))


def axes_of(values: Mapping[str, Iterable[float]]) -> tuple[Axis, ...]:
    """The axes of a mapping from keys to their values."""
    return tuple(Axis(RELAXABLE.get(key, key), tuple(each)) for key, each in values.items())


def grid(experiment: Experiment, axes: Sequence[Axis]) -> tuple[list[tuple[float, ...]], list[Experiment]]:
    """Every combination of the axes' values, the last axis fastest, and its experiment."""
    if len({each.key for each in axes}) < len(axes):
        raise InputError("--sweep: a key is given twice")
    points = list(product(*(each.values for each in axes)))
    if not 1 <= len(points) <= MAX_POINTS:
        raise InputError(f"--sweep: {len(points):,} points; expected 1 to {MAX_POINTS:,}")
    keys = [each.key for each in axes]
    return points, [changed(experiment, _at(keys, point)) for point in points]


def _at(keys: Sequence[str], point: Sequence[float]) -> list[Change]:
    words = [f"{key}={value!r}" for key, value in zip(keys, point, strict=True)]
    return [Change(f"--sweep {word}", (word,)) for word in words]
