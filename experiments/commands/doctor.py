"""``aicfg tables doctor``: implausible measurements in tables, shipped or the user's own."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aicfg.experiments.progress import progress
from aicfg.model_specs.errors import InputError, nearest

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from aicfg.hardware.system import System
    from aicfg.hardware.tables.doctor import Examined, Place
    from aicfg.hardware.tables.store import Key

MOST_EXAMPLES = 5


@dataclass(frozen=True, order=True)
class Example:
    """One implausible row: times are in the table's unit."""

    times_too_long: float
    """Measured over estimate."""
    key: "Key"
    at: dict[str, int] = field(compare=False)
    measured: float
    estimate: float
    rule: str


@dataclass
class Diagnosis:
    """What was found in one table."""

    system: str
    backend: str
    family: str
    unit: str
    rows: int = 0
    implausible: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    """The farthest from their estimates, the worst first."""

    def add(self, found: "Examined") -> None:
        """Counts one key."""
        from aicfg.hardware.tables.plausible import Rule

        self.rows += int((~np.isnan(found.grid.values)).sum())
        self.implausible += int((found.rule > 0).sum())
        for rule in Rule:
            if rule and (count := int((found.rule == rule).sum())):
                name = rule.name.lower()
                self.by_rule[name] = self.by_rule.get(name, 0) + count
        self.examples = sorted([*self.examples, *_worst(found)], reverse=True)[:MOST_EXAMPLES]


def _worst(found: "Examined") -> Iterator[Example]:
    from aicfg.hardware.tables.families import families
    from aicfg.hardware.tables.plausible import Rule

    at = np.argwhere(found.rule > 0)
    measured, estimate = found.grid.values[found.rule > 0], found.estimate[found.rule > 0]
    for i in np.argsort(-np.abs(np.log(measured / estimate)), kind="stable")[:MOST_EXAMPLES]:
        point = zip(families()[found.family].axes, found.grid.axes, at[i], strict=True)
        yield Example(
            times_too_long=float(measured[i] / estimate[i]),
            key=found.key,
            at={name: int(axis[j]) for name, axis, j in point},
            measured=float(measured[i]),
            estimate=float(estimate[i]),
            rule=Rule(int(found.rule[tuple(at[i])])).name.lower(),
        )


def run_tables_doctor(options: Namespace) -> int:
    """Print what is implausible: one line a table, or the worst rows of one family."""
    found = diagnose(
        None if options.folder is None else Path(options.folder),
        options.system,
        options.backend,
        options.family,
    )
    if options.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    from aicfg.experiments.reports.parts import print_on

    print_on(_summary(found) if options.family is None else _examples(found), sys.stdout, plain_width=200)
    rows, bad = sum(each.rows for each in found), sum(each.implausible for each in found)
    print(
        f"\n{bad:,} of {rows:,} rows ({100 * bad / max(rows, 1):.1f} %) are implausible and have an estimate."
    )
    if options.family is None:
        print("aicfg tables doctor --family NAME shows the worst rows of a family.")
    return 0


def diagnose(
    folder: Path | None, system: str | None = None, backend: str | None = None, family: str | None = None
) -> list[Diagnosis]:
    """Examines the tables of a folder (None: the shipped ones), by system, engine and family.

    Raises
    ------
    InputError
        If ``folder`` holds no tables, or nothing in it goes by the names given.
    """
    from aicfg.hardware.tables.doctor import Shelf, examine
    from aicfg.hardware.tables.families import families

    roots, systems = _tables(folder)
    if system is not None:
        system = next((each.name for each in systems if system in (each.name, *each.aliases)), system)
    _check("system", system, {place[0] for place in roots})
    _check("engine", backend, {place[1] for place in roots})
    _check("family", family, families())
    asked = [place for place in roots if system in (None, place[0]) and backend in (None, place[1])]
    shelf = Shelf({place: root for place in asked if (root := roots[place]()) is not None})

    def wanted(of_system: str, of_backend: str, of_family: str) -> bool:
        return (of_system, of_backend) in shelf.own and family in (None, of_family)

    found: dict[tuple[Place, str], Diagnosis] = {}
    with progress("examining") as advance:
        for each in examine(shelf, systems, wanted, lambda what, done, of: advance(done, of, what)):
            place = (each.system, each.backend)
            unit = families()[each.family].unit
            found.setdefault((place, each.family), Diagnosis(*place, each.family, unit)).add(each)
    return [found[name] for name in sorted(found)]


def _tables(folder: Path | None) -> "tuple[dict[Place, Callable[[], Path | None]], list[System]]":
    """Where the tables of each system and engine are (converted only when asked for), and every system."""
    from aicfg.hardware.folders import open_folder
    from aicfg.hardware.system import load_system, system_names
    from aicfg.hardware.tables.doctor import places_of
    from aicfg.hardware.tables.store import DATA

    shipped = {name: load_system(name) for name in system_names()}
    if folder is None:
        return {place: lambda: DATA for place in places_of(DATA)}, [*shipped.values()]
    opened = open_folder(folder)
    described = {name: opened.describe(name) for name in opened.systems}
    roots: dict[Place, Callable[[], Path | None]] = {
        place: partial(opened.root, *place) for place in opened.tables
    }
    return roots, [system for system in {**shipped, **described}.values() if system is not None]


def _check(what: str, asked: str | None, known: Iterable[str]) -> None:
    names = sorted(known)
    if asked is not None and asked not in names:
        raise InputError(f"no tables for {what} {asked!r}{nearest(asked, names)}")


def _summary(found: list[Diagnosis]) -> "RichTable":
    from aicfg.experiments.commands.tables import plain_table
    from aicfg.hardware.tables.plausible import Rule

    rules = [rule.name.lower() for rule in Rule if rule]
    table = plain_table(("system", "engine", "family"), ("rows", "implausible", "share", *rules))
    for each in found:
        counts = (f"{each.by_rule[rule]:,}" if rule in each.by_rule else "" for rule in rules)
        share = f"{100 * each.implausible / each.rows:.1f} %"
        table.add_row(
            each.system, each.backend, each.family, f"{each.rows:,}", f"{each.implausible:,}", share, *counts
        )
    return table


def _examples(found: list[Diagnosis]) -> "RichTable":
    from aicfg.experiments.commands.tables import plain_table

    table = plain_table(
        ("system", "engine", "rule"), ("measured", "estimate", "ratio"), ("unit", "key", "at")
    )
    for each in found:
        for example in each.examples:
            at = ", ".join(f"{name}={value:,}" for name, value in example.at.items())
            times = (f"{time:.4g}" for time in (example.measured, example.estimate, example.times_too_long))
            key = " ".join(map(str, example.key))
            table.add_row(each.system, each.backend, example.rule, *times, each.unit, key, at)
    return table
