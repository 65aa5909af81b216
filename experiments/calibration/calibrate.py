"""``aicfg calibrate``: from measured runs to a profile with its error bars, and what that changed."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aicfg.experiments.calibration.decisions import best_margin
from aicfg.experiments.calibration.error_bars import FEWEST_CASES, Compared, error_bars
from aicfg.experiments.calibration.fit import coefficients, fit, out_of_fold
from aicfg.experiments.calibration.samples import Samples, cases, read_samples
from aicfg.experiments.progress import Advance
from aicfg.hardware.intervals import ByData, Intervals, Mode
from aicfg.hardware.profile import Profile
from aicfg.hardware.runs import Latency

FOLDS = 8
"""Parts that the cases are dealt out to; residuals of each are of a fit to the others."""
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
FEWEST_ROWS = 10
"""From as many, and ``FEWEST_CASES``, an engine's error bars are made anew; below, the prior's stay."""


@dataclass(frozen=True)
class Scored:
    """Rows of one engine and mode: predictions of the prior, of the fit, and out of fold."""

    samples: Samples
    before: Latency
    after: Latency
    out_of_fold: Latency


@dataclass(frozen=True)
class Calibration:
    """A fitted profile and what it rests on."""

    profile: Profile
    prior: Profile
    scored: tuple[Scored, ...]
    digest: str
    """Of the measured file: SHA-256."""

    @property
    def rows(self) -> int:
        """Measured rows that had a part in it."""
        return sum(len(each.samples.rows) for each in self.scored)


def calibrate(
    path: str, prior: Profile, name: str, advance: Advance = lambda done, of, what: None
) -> Calibration:
    """The profile ``name`` fitted to the measured runs of a CSV file.

    Parameters
    ----------
    path
        The columns of a batch file, and ``ttft_ms`` and ``tpot_ms``.
    prior
        What the coefficients are pulled to; its law must be ``flow``.

    Raises
    ------
    InputError
        If the file cannot be read or no row of it can be priced.
    """
    samples = read_samples(path, prior, advance)
    fitted = fit(prior, samples)
    scored = tuple(
        Scored(
            each,
            each.predicted(prior),
            each.predicted(fitted),
            out_of_fold(prior, each, folds(each), samples),
        )
        for each in samples
    )
    profile = msgspec.structs.replace(
        fitted,
        name=name,
        extends=prior.name,
        intervals=_intervals(prior, scored),
        tpot_margin=best_margin([(each.samples, each.out_of_fold) for each in scored]),
    )
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Calibration(profile, prior, scored, digest)


def folds(samples: Samples) -> list[str]:
    """The fold of each row: cases (model, system, lengths) are dealt out in turn, whole."""
    names = cases(samples)
    dealt = {case: str(number % FOLDS) for number, case in enumerate(sorted(set(names)))}
    return [dealt[name] for name in names]


def _intervals(prior: Profile, scored: Sequence[Scored]) -> Intervals:
    """Quantiles of the residuals out of fold by engine; the prior's for an engine with too few rows."""
    levels = prior.intervals.levels if prior.intervals else LEVELS
    modes: dict[Mode, dict[str, ByData]] = {"agg": {}, "disagg": {}}
    if prior.intervals:
        modes = {"agg": dict(prior.intervals.agg), "disagg": dict(prior.intervals.disagg)}
    found = [Compared.of(each.samples, each.out_of_fold) for each in scored]
    for own in found:
        enough = len(own.cases) >= FEWEST_ROWS and len(set(own.cases)) >= FEWEST_CASES
        if enough or own.backend not in modes[own.mode]:
            others = [each for each in found if each.mode == own.mode and each is not own]
            modes[own.mode][own.backend] = error_bars(own, others, levels)
    return Intervals(levels=levels, agg=modes["agg"], disagg=modes["disagg"])


def profile_yaml(found: Calibration, command: str) -> str:
    """The fitted profile as a file: what differs from the one that it extends, each with its meaning."""
    profile, prior = found.profile, found.prior
    lines = [
        f"# Fitted by `{command}` to {found.rows} measured rows",
        f"# (SHA-256 of the file: {found.digest}). What is not here is of {prior.name}.",
        f"name: {profile.name}",
        f"extends: {prior.name}",
        "",
        *_coefficient_lines(profile),
        "",
        f"tpot_margin: {profile.tpot_margin:g}  # choices under a TPOT limit earn most with it (out of fold)",
        "",
        *_interval_lines(profile.intervals),
    ]
    return "\n".join(lines) + "\n"


def _coefficient_lines(profile: Profile) -> Iterator[str]:
    """The fitted coefficients as nested YAML, in the order of ``coefficients.yaml``."""
    facts = msgspec.to_builtins(profile)
    tree: dict[str, object] = {}
    notes: dict[tuple[str, ...], str] = {}
    for stage in coefficients().values():
        for each in stage:
            for number, backend in enumerate(each.backends or sorted(profile.aggregated)):
                keys = each.keys(backend)
                node, value = tree, facts
                for key in keys[:-1]:
                    node = node.setdefault(key, {})  # type: ignore[assignment]
                    value = value[key]
                node[keys[-1]] = float(f"{value[keys[-1]]:.4g}")
                if not number:  # once for all engines
                    notes[keys] = f"{each.unit}: {each.meaning}"
    for path in sorted(profile.aggregated):
        tree["aggregated"][path] = {"law": "flow", **tree["aggregated"][path]}  # type: ignore[index]
    yield from _yaml_lines(tree, (), notes)


def _yaml_lines(
    node: dict[str, object], path: tuple[str, ...], notes: dict[tuple[str, ...], str]
) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in node.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _yaml_lines(value, here, notes)
        else:
            text = f"{indent}{key}: {value}"
            yield f"{text}  # {notes[here]}" if here in notes else text


def _interval_lines(intervals: Intervals | None) -> Iterator[str]:
    """The error bars, one line for each engine, kind of data and figure."""
    assert intervals is not None
    yield "intervals:  # quantiles of log(measured / predicted), where the rows had no part in the fit"
    yield f"  levels: {list(intervals.levels)}"
    for mode, engines in (("agg", intervals.agg), ("disagg", intervals.disagg)):
        yield f"  {mode}:" if engines else f"  {mode}: {{}}"
        for backend, known in sorted(engines.items()):
            yield f"    {backend}:"
            for data in known.__struct_fields__:
                yield f"      {data}:"
                residuals = getattr(known, data)
                for name in residuals.__struct_fields__:
                    yield f"        {name}: {list(getattr(residuals, name))}"
