"""The families of tables, as declared in families.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

# Columns that the source does not have as such, and what they are made of.
DERIVED: Mapping[str, tuple[str, ...]] = {"s": ("isl", "step"), "n_kv": ("num_key_value_heads", "num_heads")}


@dataclass(frozen=True)
class Rewrite:
    """New column values for the rows where every condition holds."""

    when: Mapping[str, str]
    set: Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """How one table of the source becomes grids; the fields are explained in families.yaml."""

    name: str
    table: str
    key: tuple[str, ...]
    axes: tuple[str, ...]
    values: tuple[str, ...] = ("latency",)
    unit: str = "ms"
    defaults: Mapping[str, int] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    exclude: Mapping[str, str] = field(default_factory=dict)
    only_ending: Mapping[str, str] = field(default_factory=dict)
    except_ending: Mapping[str, str] = field(default_factory=dict)
    unless_system: tuple[str, ...] = ()
    rewrite: tuple[Rewrite, ...] = ()
    lane: str = ""
    within: str = "first"
    shared: str = ""

    @property
    def columns(self) -> set[str]:
        """Columns of the source that the import of this family reads (where a file has them)."""
        named = {*self.key, *self.axes, "kernel_source"}
        plain = {part for name in named for part in DERIVED.get(name, (name,))}
        conditions = (self.only, self.exclude, self.only_ending, self.except_ending)
        return plain | {*self.values} | {column for condition in conditions for column in condition}


@cache
def families() -> Mapping[str, Family]:
    """Every family by name, in the order of families.yaml."""
    text = files(__package__).joinpath("families.yaml").read_text(encoding="utf-8")
    return {name: _family(name, fields) for name, fields in yaml.safe_load(text).items()}


def _family(name: str, fields: dict[str, Any]) -> Family:
    plain = dict(fields)
    plain["exclude"] = plain.pop("except", {})
    plain["rewrite"] = tuple(Rewrite(**entry) for entry in plain.pop("rewrite", ()))
    lists = {key: tuple(value) for key, value in plain.items() if isinstance(value, list)}
    return Family(name=name, **{**plain, **lists})
