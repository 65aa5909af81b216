"""Rows of a batch file: configurations that were run, or are to be, in the columns of the measured data.

``docs/accuracy.md`` lists the columns. Whatever else the file has, measured times among it, is not read.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf
from pathlib import Path

from msgspec import structs

from aicfg.experiments.predictions.recipes import Told, launch_of, layouts_of, recipe_of, remark_of
from aicfg.hardware.curve import Role
from aicfg.hardware.launch import Launch
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.layout import Layout

REQUIRED = ("row_id", "model", "system", "backend", "isl_tokens", "osl_tokens", "concurrency")
DEGREES = ("tp", "pp", "dp", "moe_tp", "moe_ep")
MODES = ("agg", "disagg")
KV_CACHES = {"auto": "", "bfloat16": "bfloat16", "bf16": "bfloat16", "fp8": "fp8", "fp8_e4m3": "fp8"}
"""Formats of caches as engines call them, and as tables do."""
BOUNDS = {
    "receive_interval": (1.0, inf),
    "batch_wait": (0.0, inf),
    "balance_wait": (0.0, inf),
    "decode_batch_limit": (1.0, inf),
    "memory_fraction": (0.01, 1.0),
}
"""Least and most of a launch's numbers."""
ANSWERS = dict.fromkeys(("yes", "true", "1", "1.0"), True) | dict.fromkeys(("no", "false", "0", "0.0"), False)
DEFAULTS = Launch()
SETTINGS = tuple(name for name in Launch.__struct_fields__ if name not in ("version", "measured_on"))
"""What a row may say of its launch in columns of the same names."""
ROLES: dict[str, dict[Role, str]] = {
    "agg": {"agg": ""},
    "disagg": {"prefill": "prefill_", "decode": "decode_"},
}
"""The workers of a mode, and what their columns begin with."""


@dataclass(frozen=True)
class RowWorker:
    """The equal workers of one role in a row."""

    layout: Layout
    """Degrees as recorded; 1 where nothing was."""
    workers: int
    batch: float | None
    """Requests of an attention rank, where recorded."""


@dataclass(frozen=True)
class Row:
    """One configuration; ``fault`` says what of it cannot be read."""

    row_id: str
    model: str = ""
    formats: tuple[str, str] = ("", "")
    """Of the dense products and the experts, as recorded; empty where they were not."""
    system: str = ""
    backend: str = ""
    isl: int = 0
    osl: int = 0
    concurrency: int = 0
    workers: tuple[tuple[Role, RowWorker], ...] = ()
    launch: Launch = DEFAULTS
    remark: str = ""
    """What of it was not run as recorded."""
    fault: str = ""

    @property
    def gpus(self) -> int:
        """Of the whole deployment."""
        return sum(each.workers * each.layout.gpus for _, each in self.workers)


def read_rows(path: str) -> list[Row]:
    """The configurations of a CSV file, in its order.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or a row's id, or names a row twice.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            _check_columns(path, lines.fieldnames or ())
            rows = [_row(path, number, line) for number, line in enumerate(lines, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--batch-file {path}: cannot be read: {reason}") from None
    seen: set[str] = set()
    for row in rows:
        if row.row_id in seen:
            raise InputError(f"--batch-file {path}: row_id {row.row_id!r} is there more than once")
        seen.add(row.row_id)
    return rows


def _check_columns(path: str, names: Sequence[str]) -> None:
    for missing in (each for each in REQUIRED if each not in names):
        raise InputError(f"--batch-file {path}: no column {missing!r}{nearest(missing, names)}")


def _row(path: str, number: int, line: Mapping[str, str | None]) -> Row:
    told = {name: (value or "").strip() for name, value in line.items() if name}
    row_id = told["row_id"]
    if not row_id:
        raise InputError(f"--batch-file {path}: line {number} has no row_id")
    try:
        return _understood(row_id, told)
    except ValueError as fault:
        return Row(row_id, fault=str(fault))


def _understood(row_id: str, told: Mapping[str, str]) -> Row:
    mode = told.get("mode") or "agg"
    if mode not in MODES:
        raise ValueError(f"mode: got {mode!r}; expected agg or disagg")
    row = Row(
        row_id=row_id,
        model=told["model"],
        formats=(told.get("gemm_dtype", ""), told.get("moe_dtype", "")),
        system=told["system"],
        backend=told["backend"],
        isl=_whole(told, "isl_tokens"),
        osl=_whole(told, "osl_tokens", least=2),
        concurrency=_whole(told, "concurrency"),
        workers=tuple((role, _worker(told, prefix)) for role, prefix in ROLES[mode].items()),
    )
    return _launched(row, told)


def _launched(row: Row, told: Mapping[str, str]) -> Row:
    """The row as its recipe launched it, if there is one; what the row itself says of that goes first."""
    prefill, decode = (row.workers[0][1], row.workers[-1][1])
    pooled = len(row.workers) == 2
    engine = told.get("version_kind", "") in ("", "engine")
    version = told.get("backend_version", "") if engine else ""
    about = Told(
        backend=row.backend,
        model=row.model,
        system=row.system,
        weights=row.formats[0],
        lengths=(row.isl, row.osl),
        version=told.get("backend_version", ""),
        measured_on=_day(told),
        clients=row.concurrency,
        tp=prefill.layout.tp,
        prefills=prefill.workers if pooled else 0,
        decodes=decode.workers if pooled else 0,
        decode_gpus=decode.layout.gpus if pooled else 0,
    )
    recipe = recipe_of(about)
    pools = recipe.pools_for(about) if recipe is not None else None
    given = {name: _setting(told, name) for name in SETTINGS if told.get(name)}
    launch = structs.replace(launch_of(recipe, pools, about), version=version, measured_on=about.measured_on)
    recorded = [worker.layout for _, worker in row.workers]
    layouts = layouts_of(recipe, pools, recorded)
    return replace(
        row,
        launch=structs.replace(launch, **given),
        remark=remark_of(recipe, recorded, layouts),
        workers=tuple(
            (role, replace(worker, layout=layout))
            for (role, worker), layout in zip(row.workers, layouts, strict=True)
        ),
    )


def _day(told: Mapping[str, str]) -> str:
    """The day of a run, as in 2026-01-31; empty where none is recorded."""
    text = told.get("measured_on", "")
    if text.casefold() in ("", "nan", "nat", "none"):
        return ""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise ValueError(f"measured_on: got {text!r}; expected a date such as 2026-01-31") from None


def _setting(told: Mapping[str, str], name: str) -> float | bool | str:
    """What a row says of a launch: a number, yes or no, or a format."""
    text, default = told[name].casefold(), getattr(DEFAULTS, name)
    if isinstance(default, str):
        if text not in KV_CACHES:
            raise ValueError(f"{name}: got {told[name]!r}; expected auto, bfloat16 or fp8")
        return KV_CACHES[text]
    if isinstance(default, bool):
        if text not in ANSWERS:
            raise ValueError(f"{name}: got {told[name]!r}; expected yes or no")
        return ANSWERS[text]
    least, most = BOUNDS[name]
    value = _number(name, told[name]) if text not in ("0", "0.0") else 0.0
    if not least <= value <= most:
        upper = "" if most == inf else f" to {most:g}"
        raise ValueError(f"{name}: got {told[name]!r}; expected a number from {least:g}{upper}")
    return value


def _worker(told: Mapping[str, str], prefix: str) -> RowWorker:
    degrees = {name: _whole(told, prefix + name, default=1) for name in DEGREES}
    layout = Layout(cp=1, **degrees)
    batch = told.get(f"{prefix}batch_per_dp_rank", "")
    return RowWorker(
        layout=layout,
        workers=_whole(told, f"{prefix}workers", default=1),
        batch=_number(f"{prefix}batch_per_dp_rank", batch) if batch else None,
    )


def _whole(told: Mapping[str, str], name: str, default: int | None = None, least: int = 1) -> int:
    """A whole number; pandas writes them as ``4.0`` where a column has gaps."""
    text = told.get(name, "")
    if not text and default is not None:
        return default
    value = _number(name, text)
    if value != int(value) or not least <= value <= 10**7:
        raise ValueError(f"{name}: got {text!r}; expected a whole number from {least}")
    return int(value)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name}: got {text!r}; expected a number above 0")
    return value
