"""Reads the rows of one family from its source files and decides which row of each point holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aicfg.hardware.tables.families import DERIVED, Family
from aicfg.hardware.tables.precedence import Source
from aicfg.model_specs.errors import InputError

Ints = npt.NDArray[np.int64]
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Coded:
    """A column as codes into its sorted distinct values."""

    values: tuple[str | int, ...]
    codes: Ints


@dataclass(frozen=True)
class Group:
    """The measured points of one key (and lane): ascending axis values, and where on their product."""

    key: Key
    lane: str
    axes: tuple[tuple[int, ...], ...]
    points: Ints
    """Flat C-order positions on the product of the axes, ascending."""
    values: npt.NDArray[np.float64]
    """Shape (number of values, number of points)."""
    source: Ints
    """Index of the source file each point comes from."""


@dataclass(frozen=True)
class Merged:
    """All groups of a family, by key; of one key, the lane that answers a query comes first."""

    groups: tuple[Group, ...]
    rows_by_source: tuple[int, ...]
    kernels_by_source: tuple[tuple[str, ...], ...]


def merge_sources(family: Family, sources: Sequence[Source], system: str) -> Merged:
    """The union of the rows of `sources`, the first source that has a point winning it."""
    tables = [_read(family, source, system) for source in sources]
    names = [*family.key, *([family.lane] if family.lane else []), *family.axes]
    columns = {name: _code([table[name] for table in tables]) for name in {*names, "kernel_source"}}
    values = np.stack([_floats([table[name] for table in tables]) for name in family.values])
    lengths = [len(table["kernel_source"]) for table in tables]
    origin = np.repeat(np.arange(len(tables)), lengths)
    order = _trust_order(lengths, family.within)

    shape = tuple(max(len(columns[name].values), 1) for name in names)
    flat = _flat([columns[name].codes for name in names], shape)
    _, first = np.unique(flat[order], return_index=True)
    rows = order[first]
    kernels = columns["kernel_source"]
    return Merged(
        groups=tuple(_groups(family, columns, rows, values, origin)),
        rows_by_source=tuple(int(n) for n in np.bincount(origin[rows], minlength=len(tables))),
        kernels_by_source=tuple(
            tuple(str(kernels.values[c]) for c in np.unique(kernels.codes[rows[origin[rows] == i]]))
            for i in range(len(tables))
        ),
    )


def first_seen(family: Family, sources: Sequence[Source], system: str) -> list[str]:
    """The lanes of a family in the order that its files name them."""
    seen: dict[str, None] = {}
    for source in sources:
        seen.update(dict.fromkeys(_read(family, source, system)[family.lane].unique().to_pylist()))
    return list(seen)


def _read(family: Family, source: Source, system: str) -> dict[str, Any]:
    """The columns of one file after filters, rewrites and derivations, as arrow arrays."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    present = set(pq.read_schema(source.path).names)
    table = pq.read_table(source.path, columns=sorted(family.columns & present))
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    for name in family.columns - present:
        filler = family.defaults.get(name, "")
        columns[name] = pa.array([filler] * len(table), type=pa.int64() if filler != "" else pa.string())
    for name, column in columns.items():
        if pa.types.is_large_string(column.type):
            columns[name] = column.cast(pa.string())
    kept = _kept(family, source, system, columns, present)
    columns = {name: column.filter(kept) for name, column in columns.items()}
    _rewrite(family, columns)
    _derive(family, columns)
    _check(family, source, columns, present)
    return columns


def _check(family: Family, source: Source, columns: dict[str, Any], present: set[str]) -> None:
    import pyarrow.compute as pc

    needed = {part for name in (*family.key, *family.axes) for part in DERIVED.get(name, (name,))}
    absent = sorted((needed | {*family.values}) - present - {*family.defaults})
    if absent:
        raise InputError(f"{source.path}: no column {', '.join(absent)}")
    for name in (*family.key, *family.axes, *family.values):
        if columns[name].null_count:
            raise InputError(f"{source.path}: empty cells in column {name}")
    for name in family.values:
        if not pc.all(pc.is_finite(columns[name]), min_count=0).as_py():
            raise InputError(f"{source.path}: column {name} has values that are no finite number")


def _kept(family: Family, source: Source, system: str, columns: dict[str, Any], present: set[str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = pa.array(np.ones(len(columns["kernel_source"]), dtype=bool))
    if source.kernels is not None:
        kept = pc.and_(kept, pc.is_in(columns["kernel_source"], value_set=pa.array(sorted(source.kernels))))
    for name, value in family.only.items():
        kept = pc.and_(kept, pc.equal(columns[name], value))
    for name, value in family.exclude.items():
        kept = pc.and_(kept, pc.invert(pc.equal(columns[name], value)))
    for name, ending in family.only_ending.items():
        kept = pc.and_(kept, pc.ends_with(columns[name], ending))
    if system not in family.unless_system:
        for name, ending in family.except_ending.items():
            kept = pc.and_(kept, pc.invert(pc.ends_with(columns[name], ending)))
    return kept


def _rewrite(family: Family, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for rule in family.rewrite:
        holds = pa.array(np.ones(len(columns["kernel_source"]), dtype=bool))
        for name, value in rule.when.items():
            holds = pc.and_(holds, pc.equal(columns[name], value))
        for name, value in rule.set.items():
            columns[name] = pc.if_else(holds, value, columns[name])


def _derive(family: Family, columns: dict[str, Any]) -> None:
    import pyarrow.compute as pc

    if "s" in family.axes:
        columns["s"] = pc.add(columns["isl"], columns["step"])
    if "n_kv" in family.key:
        shared = pc.equal(columns["num_key_value_heads"], columns["num_heads"])
        columns["n_kv"] = pc.if_else(shared, 0, columns["num_key_value_heads"])


def _code(chunks: list[Any]) -> Coded:
    import pyarrow as pa

    encoded = pa.chunked_array(chunks).dictionary_encode().combine_chunks()
    dictionary = encoded.dictionary.to_pylist()
    order = sorted(range(len(dictionary)), key=dictionary.__getitem__)
    rank = np.empty(len(dictionary), dtype=np.int64)
    rank[order] = np.arange(len(dictionary))
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(tuple(dictionary[i] for i in order), rank[codes])


def _floats(chunks: list[Any]) -> npt.NDArray[np.float64]:
    return np.concatenate([chunk.to_numpy(zero_copy_only=False).astype(np.float64) for chunk in chunks])


def _trust_order(lengths: Sequence[int], within: str) -> Ints:
    """Row numbers, the most trusted first: by source, and in a source as `within` says."""
    ends = np.cumsum(lengths, dtype=np.int64)
    spans = [np.arange(end - n, end, dtype=np.int64) for end, n in zip(ends, lengths, strict=True)]
    return np.concatenate([span[::-1] if within == "last" else span for span in spans])


def _flat(codes: Sequence[Ints], shape: tuple[int, ...]) -> Ints:
    return np.ravel_multi_index(tuple(codes), shape).astype(np.int64)


def _groups(
    family: Family, columns: dict[str, Coded], rows: Ints, values: npt.NDArray[np.float64], origin: Ints
) -> Iterator[Group]:
    """Cut `rows` (sorted by key, lane, axes) into groups."""
    names = [*family.key, *([family.lane] if family.lane else [])]
    if names:
        shape = tuple(len(columns[name].values) for name in names)
        of_group = _flat([columns[name].codes[rows] for name in names], shape)
    else:
        of_group = np.zeros(len(rows), dtype=np.int64)
    cuts = np.flatnonzero(np.diff(of_group)) + 1
    for part in np.split(rows, cuts):
        if not len(part):
            continue
        label = [columns[name].values[columns[name].codes[part[0]]] for name in names]
        lane = str(label.pop()) if family.lane else ""
        axes, local = [], []
        for name in family.axes:
            used, codes = np.unique(columns[name].codes[part], return_inverse=True)
            axes.append(tuple(int(columns[name].values[c]) for c in used))
            local.append(codes)
        points = _flat(local, tuple(len(axis) for axis in axes))
        yield Group(tuple(label), lane, tuple(axes), points, values[:, part], origin[part])
