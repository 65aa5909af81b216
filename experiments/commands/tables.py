"""``aicfg tables``: what silicon tables there are, and new ones from a source."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from aicfg.experiments.progress import progress
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from aicfg.hardware.tables.listing import TableRow


def add_tables_arguments(tables: ArgumentParser) -> None:
    """The grammar of ``aicfg tables``."""
    from aicfg.experiments.commands.doctor import run_tables_doctor

    actions = tables.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = actions.add_parser("list", help="what is there, with rows and ranges")
    listing.set_defaults(run=run_tables_list)
    importing = actions.add_parser("import", help="import a systems folder of aiconfigurator-core 0.12")
    importing.set_defaults(run=run_tables_import)
    importing.add_argument("source", metavar="SOURCE", help="an installed or unpacked systems folder")
    importing.add_argument("--out", metavar="DIR", help="where to write (default: the tables of this aicfg)")
    doctor = actions.add_parser("doctor", help="which measurements are implausible, and what replaces them")
    doctor.set_defaults(run=run_tables_doctor)
    doctor.add_argument(
        "folder", metavar="DIR", nargs="?", help="tables of your own (default: those of this aicfg)"
    )
    doctor.add_argument("--family", help="only this family of tables; shows its worst rows")
    for command in (listing, importing, doctor):
        command.add_argument("--system", help="only this GPU system")
        command.add_argument("--backend", help="only this serving engine")
    for command in (listing, doctor):
        command.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run_tables_list(options: Namespace) -> int:
    """Print the tables: one line an engine, or one line a family when a system is named."""
    from aicfg.hardware.system import load_system
    from aicfg.hardware.tables.listing import list_tables

    system = None if options.system is None else load_system(options.system).name
    rows = list_tables(system, options.backend)
    if options.json:
        print(_json(rows))
        return 0
    from aicfg.experiments.reports.parts import print_on

    print_on(_engines(rows) if system is None else _families(rows), sys.stdout, plain_width=200)
    if system is None:
        print("\naicfg tables list --system NAME shows every family with its ranges.")
    return 0


def _json(rows: Iterable["TableRow"]) -> str:
    import msgspec

    plain = [{**msgspec.to_builtins(row, enc_hook=str), "ranges": _ranges(row)} for row in rows]
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()


def _ranges(row: "TableRow") -> dict[str, list[int]]:
    return {axis: [least, most] for axis, least, most in row.ranges}


def plain_table(left: tuple[str, ...], right: tuple[str, ...], last: tuple[str, ...] = ()) -> "Table":
    """A table of columns to the left, figures, and texts that may wrap."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in (*left, *right, *last):
        table.add_column(head, justify="right" if head in right else "left", no_wrap=head not in last)
    return table


def _engines(rows: list["TableRow"]) -> "Table":
    table = plain_table(("system", "engine", "version"), ("families", "keys", "rows", "MB"))
    for (system, backend), group in groupby(rows, lambda row: (row.system, row.backend)):
        families = list(group)
        version = next((row.version for row in families if not row.newer), "-")
        megabytes = sum(row.size_bytes for row in families) / 1e6
        keys, points = sum(row.keys for row in families), sum(row.rows for row in families)
        table.add_row(
            system, backend, version, f"{len(families)}", f"{keys:,}", f"{points:,}", f"{megabytes:.2f}"
        )
    return table


def _families(rows: list["TableRow"]) -> "Table":
    table = plain_table(("engine", "version", "family"), ("keys", "rows"), ("ranges",))
    for row in rows:
        ranges = ", ".join(f"{axis} {least:,}…{most:,}" for axis, least, most in row.ranges)
        table.add_row(row.backend, row.version, row.family, f"{row.keys:,}", f"{row.rows:,}", ranges)
    return table


def run_tables_import(options: Namespace) -> int:
    """Import a source's tables; they replace what ``--out`` held."""
    from aicfg.hardware.system import FOLDER
    from aicfg.hardware.tables.importer import import_tables
    from aicfg.hardware.tables.store import DATA

    systems = [options.system] if options.system else None
    backends = [options.backend] if options.backend else None
    if options.out is None and (systems or backends):
        raise InputError("--system and --backend need --out: the tables of this aicfg are replaced whole")
    out = DATA if options.out is None else Path(options.out)
    systems_out = FOLDER if options.out is None else None
    with progress("importing") as advance:
        import_tables(
            Path(options.source),
            out,
            systems,
            backends,
            lambda what, done, total: advance(done, total, what),
            systems_out,
        )
    print(f"aicfg: wrote {out}", file=sys.stderr)
    return 0
