"""Files that a command writes beside its output: whole or not at all."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aicfg.model_specs.errors import InputError


def write_file(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file beside ``path``, which then takes its place. Raises ``InputError``."""
    target = Path(path)
    fresh = target.with_name(f".{target.name}.part")
    try:
        write(fresh)
        fresh.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
    print(f"aicfg: wrote {path}", file=sys.stderr)


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same keys as a table."""

    def write(fresh: Path) -> None:
        with fresh.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write_file(path, write)


def check_png(path: str) -> None:
    """Raise ``InputError`` for a picture of another kind."""
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"--png {path}: expected a name that ends in .png")
