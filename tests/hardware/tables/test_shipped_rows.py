"""The shipped arrays against their source: each point holds the row that the documented precedence picks.

With the source at hand (environment variable AICFG_SOURCE, or aiconfigurator_core installed) rows are drawn
from its parquet files; without it, from known_rows.jsonl. Run this file to write those anew from the
source.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from aicfg.hardware.tables.families import Family, families
from aicfg.hardware.tables.listing import TableRow, list_tables
from aicfg.hardware.tables.source import open_source
from aicfg.hardware.tables.store import COMMON, Tables, open_tables
from aicfg.model_specs.errors import InputError

KNOWN_ROWS = Path(__file__).parent / "data" / "known_rows.jsonl"
DRAWN = 200
KNOWN = 5
# float32 keeps a value to within 2^-24 of itself; the noted rows have twelve digits.
ROUNDING = 2.0**-24 * 1.0001
SHIPPED = list_tables()


ENGINES = sorted({(row.system, row.backend) for row in SHIPPED})


def _name(row: TableRow) -> str:
    return f"{row.system}-{row.backend}-{row.family}"


def _families(system: str, backend: str) -> list[TableRow]:
    return [row for row in SHIPPED if (row.system, row.backend) == (system, backend)]


@cache
def _source() -> Path | None:
    named = os.environ.get("AICFG_SOURCE")
    try:
        return open_source(Path(named) if named else None)
    except InputError:
        if named:
            raise
        return None


# ---- the precedence once more, plainly, on pandas


@cache
def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _frame(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def _pick(root: Path, system: str, backend: str, version: str, table: str) -> list[Path]:
    return sorted((root / "data" / system).glob(f"*/{backend}/{version}/{table}.parquet"))


def _admitted(root: Path, row: TableRow, table: str) -> list[tuple[Path, set[str] | None]]:
    """Files of one table in the order of trust, with the kernels that are let through."""
    from packaging.version import Version

    system, backend = row.system, row.backend
    if backend == COMMON:
        kind = table.split("_")[0]
        return [(path, None) for path in _pick(root, system, kind, row.version, table)]
    files: list[tuple[Path, set[str] | None]] = [
        (p, None) for p in _pick(root, system, backend, row.version, table)
    ]
    for sidecar in (root / "data" / system).glob(f"*/{backend}/{row.version}/reuse.yaml"):
        for entry in _yaml(sidecar)["reuse"]:
            if entry["table"] == table:
                files += [(p, None) for p in _pick(root, system, backend, entry["from_version"], table)]

    def newest_first(engine: str) -> list[Path]:
        return sorted(
            _pick(root, system, engine, "*", table), key=lambda p: Version(p.parent.name), reverse=True
        )

    files += [
        (p, None)
        for p in newest_first(backend)
        if Version(p.parent.name) < Version(row.version) and (p, None) not in files
    ]
    for engine in sorted({"vllm", "sglang", "trtllm"} - {backend}):
        shared = {
            group["kernel_source"]
            for group in _yaml(root / "perf_data_reuse_manifest.yaml")["groups"]
            if group["op_file"] == f"{table}.parquet"
            and {engine, backend} <= set(group["frameworks"])
            and group["tier"] != "absence_load_bearing"
        }
        if shared:
            files += [(p, shared) for p in newest_first(engine)]
    return files


def _rows(root: Path, row: TableRow) -> tuple[Family, pd.DataFrame]:
    """All rows that may serve a family, the most trusted first."""
    family = families()[row.family]
    parts = []
    for path, kernels in _admitted(root, row, family.table):
        part = _frame(path)
        part = part[part["kernel_source"].isin(kernels)] if kernels else part
        parts.append(part[::-1] if family.within == "last" else part)
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.reindex(columns=[*rows.columns, *(set(family.defaults) - set(rows.columns))])
    rows = rows.fillna(dict(family.defaults)).astype(dict.fromkeys(family.defaults, "int64"))
    for column, value in family.only.items():
        rows = rows[rows[column] == value]
    for column, value in family.exclude.items():
        rows = rows[rows[column] != value]
    eager = rows["kernel_source"].str.endswith("_eager")
    if family.only_ending:
        rows = rows[eager]
    if family.except_ending and row.system != "b60":
        rows = rows[~eager]
    rows = rows.copy()
    for rule in family.rewrite:
        chosen = np.logical_and.reduce([rows[column] == value for column, value in rule.when.items()])
        for column, value in rule.set.items():
            rows.loc[chosen, column] = value
    if "s" in family.axes:
        rows["s"] = rows["isl"] + rows["step"]
    if "n_kv" in family.key:
        rows["n_kv"] = rows["num_key_value_heads"].where(rows["num_key_value_heads"] != rows["num_heads"], 0)
    return family, rows


def _draw(root: Path, row: TableRow, count: int) -> tuple[Family, pd.DataFrame]:
    """`count` rows among those that hold (the first of their point over all files)."""
    family, rows = _rows(root, row)
    holding = rows.drop_duplicates([*family.key, *([family.lane] if family.lane else []), *family.axes])
    return family, holding.sample(min(count, len(holding)), random_state=7)


# ---- the tests


def _shipped(tables: Tables, family: str, key: list[Any], lane: str, value: str, at: list[int]) -> float:
    grid = tables.grid(family, tuple(key), lane=lane, value=value)
    where = tuple(int(np.searchsorted(axis, x)) for axis, x in zip(grid.axes, at, strict=True))
    assert [int(axis[i]) for axis, i in zip(grid.axes, where, strict=True)] == at
    return float(grid.values[where])


@cache
def _tables(system: str, backend: str) -> Tables:
    if backend == COMMON:
        backend = next(row.backend for row in SHIPPED if row.system == system and row.backend != COMMON)
    return open_tables(system, backend)


def _close(got: float, expected: float) -> bool:
    return abs(got - expected) <= ROUNDING * abs(expected)


@pytest.mark.parametrize(("system", "backend"), ENGINES)
def test_drawn_rows_of_the_source(system: str, backend: str) -> None:
    """Of every family, each of 200 rows drawn from the source (all, if fewer) is found within rounding."""
    root = _source()
    if root is None:
        pytest.skip("the source is not there: set AICFG_SOURCE or install aiconfigurator-core 0.12.0")
    tables = _tables(system, backend)
    for row in _families(system, backend):
        family, drawn = _draw(root, row, DRAWN)
        assert len(drawn) == min(DRAWN, row.rows), row.family
        for found in drawn.to_dict("records"):
            key, at = [found[name] for name in family.key], [found[name] for name in family.axes]
            lane = found[family.lane] if family.lane else ""
            for value in family.values:
                got = _shipped(tables, row.family, key, lane, value, at)
                assert _close(got, found[value]), (row.family, key, lane, at, value)


@pytest.mark.parametrize(("system", "backend"), ENGINES)
def test_known_rows(system: str, backend: str) -> None:
    """Of every family, five rows (all, if fewer) noted from the source are found within float32 rounding."""
    tables = _tables(system, backend)
    for row in _families(system, backend):
        noted = _known()[_name(row)]
        assert len(noted) >= min(KNOWN, row.rows)
        for key, lane, at, value, expected in noted:
            got = _shipped(tables, row.family, key, lane, value, at)
            assert _close(got, expected), (row.family, key, lane, at, value)


def test_known_rows_cover_what_is_shipped() -> None:
    """The noted rows are of the shipped families, neither more nor fewer."""
    assert set(_known()) == {_name(row) for row in SHIPPED}


@cache
def _known() -> dict[str, list[Any]]:
    lines = KNOWN_ROWS.read_text(encoding="utf-8").splitlines()
    return dict(json.loads(line) for line in lines)


def write_known_rows(root: Path) -> None:
    """Note a few rows of every family, from the source alone."""
    lines = []
    for row in SHIPPED:
        family, drawn = _draw(root, row, KNOWN)
        noted = []
        for found in drawn.to_dict("records"):
            key, at = [found[name] for name in family.key], [found[name] for name in family.axes]
            lane = found[family.lane] if family.lane else ""
            noted.append([key, lane, at, family.values[0], float(f"{found[family.values[0]]:.12g}")])
        lines.append(json.dumps([_name(row), noted], separators=(",", ":")))
    KNOWN_ROWS.parent.mkdir(exist_ok=True)
    KNOWN_ROWS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    here = _source()
    assert here is not None, "set AICFG_SOURCE to the systems/ folder of aiconfigurator-core 0.12.0"
    write_known_rows(here)
