"""``aicfg calibrate``: a profile fitted to one's own measured runs."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from aicfg.experiments.calibration.calibrate import Calibration, Scored

VIEWS = ("prior", "fit", "out of fold")
GROUPS = ("engine", "system", "model")


def add_calibrate_arguments(command: ArgumentParser) -> None:
    """Its arguments."""
    command.set_defaults(run=run_calibrate)
    command.add_argument("measured", metavar="CSV", help="measured runs: a batch file with ttft_ms, tpot_ms")
    command.add_argument("--out", required=True, metavar="YAML", help="where the profile goes")
    command.add_argument("--name", metavar="NAME", help="what it is called (default: the file's name)")
    command.add_argument(
        "--profile", default=DEFAULT_PROFILE, metavar="NAME", help="what coefficients are pulled to"
    )
    command.add_argument("--png", metavar="FILE", help="also draw measured over predicted, before and after")


def run_calibrate(options: Namespace) -> int:
    """Fit, write the profile, and report what changed by engine, system and model."""
    from aicfg.experiments.calibration.calibrate import calibrate, profile_yaml
    from aicfg.experiments.progress import progress
    from aicfg.hardware.laws import FlowLaw
    from aicfg.hardware.profile import load_profile

    prior = load_profile(options.profile)
    if not all(isinstance(rule, FlowLaw) for rule in prior.aggregated.values()):
        raise InputError(f"--profile {options.profile}: only profiles with the law `flow` are calibrated")
    out = Path(options.out)
    if out.suffix not in (".yaml", ".yml"):
        raise InputError(f"--out {out}: expected a name that ends in .yaml")
    with progress("pricing rows") as advance:
        found = calibrate(options.measured, prior, options.name or out.stem, advance)
    words = f"aicfg calibrate {Path(options.measured).name} --profile {options.profile} --out {out.name}"
    _write(out, profile_yaml(found, words))
    _print_report(found)
    if options.png:
        from aicfg.experiments.reports.calibration_picture import draw

        draw(found, options.png)
    print(f"{found.rows} rows; profile {found.profile.name}: {out}", file=sys.stderr)
    return 0


def _write(out: Path, text: str) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None


def _print_report(found: "Calibration") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="mean / median error in %", title_justify="left", box=None, pad_edge=False)
    for name in ("mode", "of", "rows"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    for figure in ("TPOT", "TTFT"):
        for view in VIEWS:
            table.add_column(f"{figure} {view}", justify="right")
    for line in report_lines(found):
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def report_lines(found: "Calibration") -> Iterator[tuple[str, ...]]:
    """Errors before and after, and out of fold: of all rows, and by engine, system and model."""
    for mode in ("agg", "disagg"):
        scored = [each for each in found.scored if each.samples.mode == mode]
        if not scored:
            continue
        keys = [_keys(each) for each in scored]
        yield _line(mode, "all rows", scored, [np.full(len(k), True) for k in keys])
        for at, kind in enumerate(GROUPS):
            for value in sorted({str(name) for each in keys for name in each[:, at]}):
                yield _line(mode, f"{kind} {value}", scored, [each[:, at] == value for each in keys])


def _keys(scored: "Scored") -> "np.ndarray[tuple[int, int], np.dtype[np.str_]]":
    """Engine, system and model of each row."""
    samples = scored.samples
    return np.array([(samples.backend, row.system, row.model) for row in samples.rows])


def _line(
    mode: str, of: str, scored: "list[Scored]", chosen: "list[np.ndarray[tuple[int], np.dtype[np.bool_]]]"
) -> tuple[str, ...]:
    cells = []
    for figure in ("tpot_ms", "ttft_ms"):
        for view in ("before", "after", "out_of_fold"):
            ratios = [
                getattr(getattr(each, view), figure)[rows] / getattr(each.samples, figure)[rows]
                for each, rows in zip(scored, chosen, strict=True)
            ]
            error = 100 * np.abs(np.concatenate(ratios) - 1.0)
            cells.append(f"{error.mean():.1f} / {np.median(error):.1f}")
    return mode, of, str(sum(int(rows.sum()) for rows in chosen)), *cells
