"""What the rules find in the shipped tables: what measured serving runs contradict, and little else."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from aicfg.hardware.system import load_system, system_names
from aicfg.hardware.tables.archive import Archive
from aicfg.hardware.tables.doctor import Examined, Shelf, examine, generations, places_of
from aicfg.hardware.tables.mended import MendedTables, mended, repairs_path
from aicfg.hardware.tables.plausible import MARGINS, Margins
from aicfg.hardware.tables.store import DATA, open_tables

SYSTEMS = [load_system(name) for name in system_names()]


def found(system: str, backend: str, family: str, margins: Margins = MARGINS) -> Iterator[Examined]:
    """The keys of one shipped table."""
    shelf = Shelf(dict.fromkeys(places_of(DATA), DATA))
    wanted = (system, backend, family)
    return examine(shelf, SYSTEMS, lambda *table: table == wanted, margins=margins)


@cache
def share(system: str, backend: str, family: str, dtype: str = "") -> float:
    """Share of the rows of a table (in one number format) that are implausible."""
    keys = [each for each in found(system, backend, family) if not dtype or each.key[0] == dtype]
    return float(
        sum((each.rule > 0).sum() for each in keys)
        / sum((~np.isnan(each.grid.values)).sum() for each in keys)
    )


@pytest.mark.parametrize(
    ("system", "backend", "family", "dtype", "least"),
    [
        ("b200_sxm", "vllm", "gemm", "fp8_block", 0.8),  # timed without CUDA graphs
        ("b300_sxm", "vllm", "gemm", "fp8_block", 0.8),
        ("h200_sxm", "vllm", "gemm", "fp8_block", 0.6),
        ("b200_sxm", "trtllm", "moe", "w4a16_mxfp4", 0.5),  # an untuned fallback
        ("h200_sxm", "sglang", "generation_mla", "fp8", 0.4),
        ("b300_sxm", "vllm", "mla_generation_module", "fp8", 0.4),  # its neighbour takes half as long
        ("b200_sxm", "trtllm", "gemm", "nvfp4", 0.1),
    ],
)
def test_known_faults_are_found(system: str, backend: str, family: str, dtype: str, least: float) -> None:
    """Clusters that measured runs contradict, none of which a rule names."""
    assert share(system, backend, family, dtype) >= least


@pytest.mark.parametrize(
    ("system", "backend", "family", "dtype", "most"),
    [
        ("h100_sxm", "vllm", "gemm", "bfloat16", 0.005),
        ("h200_sxm", "trtllm", "gemm", "bfloat16", 0.005),
        ("b200_sxm", "vllm", "gemm", "bfloat16", 0.005),
        ("b200_sxm", "sglang", "gemm", "fp8_block", 0.04),
        ("h200_sxm", "trtllm", "generation_mla", "bfloat16", 0.04),
        ("b200_sxm", "vllm", "generation_attention", "", 0.01),
        ("b200_sxm", "sglang", "moe", "nvfp4", 0.01),
    ],
)
def test_good_tables_are_left_alone(system: str, backend: str, family: str, dtype: str, most: float) -> None:
    """Tables that agree with the others, and with measured runs, lose next to nothing."""
    assert share(system, backend, family, dtype) <= most


def test_what_is_shipped_is_what_is_found() -> None:
    """The estimates beside a shipped table are those that the rules give today, row by row."""
    archive = Archive(repairs_path(DATA, "h200_sxm", "vllm", "gemm"))
    shipped = {tuple(label[:-1]) for label, *_ in archive.head["groups"]}
    tables = mended(open_tables("h200_sxm", "vllm"))
    keys = list(found("h200_sxm", "vllm", "gemm"))
    assert {each.key for each in keys if each.rule.any()} == shipped
    for each in keys:
        accused = each.rule > 0
        grid = tables.grid("gemm", each.key)
        assert grid.replaced is not None and (grid.replaced == accused).all()
        assert np.array_equal(grid.values[accused], each.estimate[accused].astype(np.float32))
        rest = ~accused & ~np.isnan(each.grid.values)
        assert np.array_equal(grid.values[rest], each.grid.values[rest])


def test_a_replaced_row_is_near_what_others_measured() -> None:
    """vLLM's block-fp8 product of 64 rows on B200: 0.18 ms as timed, 0.01 ms on every other engine."""
    at = [(4096, 4096, 64)]
    times = {}
    for backend, tables in (
        ("timed", open_tables("b200_sxm", "vllm")),
        ("mended", mended(open_tables("b200_sxm", "vllm"))),
        ("trtllm", open_tables("b200_sxm", "trtllm")),
    ):
        grid = tables.grid("gemm", ("fp8_block",))
        times[backend] = grid.values[
            tuple(int(np.flatnonzero(a == x)[0]) for a, x in zip(grid.axes, at[0], strict=True))
        ]
    assert times["timed"] > 10 * times["trtllm"]
    assert times["mended"] == pytest.approx(times["trtllm"], rel=0.6)


def test_a_margin_decides() -> None:
    """With margins that nothing exceeds, nothing is found."""
    wide = Margins(1e9, 1e9, 1e9, 1e9, 1e9)
    assert not any(each.rule.any() for each in found("h200_sxm", "vllm", "mla_bmm", wide))


def test_generations() -> None:
    """Neighbours share their compute capability but for the last digit, and about their bandwidth."""
    names = [{system.name for system in group} for group in generations(SYSTEMS)]
    assert {"b200_sxm", "b300_sxm", "gb200", "gb300"} in names
    assert any({"h100_sxm", "h200_sxm"} <= group and "a100_sxm" not in group for group in names)


def test_mended_tables_share_what_was_opened() -> None:
    """Mending opens no table twice, and the measured grids stay as they are."""
    tables = open_tables("b200_sxm", "vllm")
    fixed = mended(tables)
    assert isinstance(fixed, MendedTables)
    grid = fixed.grid("gemm", ("fp8_block",))
    assert tables.opened == fixed.opened == ("gemm",)
    assert grid.replaced is not None and tables.grid("gemm", ("fp8_block",)).replaced is None
    assert fixed.grid("compute_scale", ("fp8",)).replaced is None
