"""aicfg tables doctor: what it finds in shipped tables and in the user's own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.hardware.tables.store import DATA


def test_a_line_for_each_table(run: Callable[..., Any]) -> None:
    """Rows, implausible rows and their share, by rule; the total at the end."""
    code, out, err = run("tables", "doctor", "--system", "h200", "--backend", "sglang", "--family", "mla_bmm")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith("are implausible and have an estimate.")


def test_the_worst_rows_of_a_family(run: Callable[..., Any]) -> None:
    """As JSON: where, what was measured, the estimate, and the rule."""
    words = ("--system", "b200_sxm", "--backend", "vllm", "--family", "gemm", "--json")
    (table,) = json.loads(run("tables", "doctor", *words)[1])
    worst = table["examples"][0]
    assert worst["key"] == ["fp8_block"] and worst["at"].keys() == {"n", "k", "m"}
    assert worst["measured"] / worst["estimate"] > 20
    assert sum(table["by_rule"].values()) == table["implausible"] > 0.1 * table["rows"]


def test_tables_of_ones_own(run: Callable[..., Any], tmp_path: Path) -> None:
    """A folder's tables are examined beside the shipped ones, which are no part of the answer."""
    shutil.copytree(DATA / "a100_sxm" / "vllm", tmp_path / "a100_sxm" / "vllm")
    code, out, _ = run("tables", "doctor", tmp_path, "--json")
    assert code == 0
    assert {(table["system"], table["backend"]) for table in json.loads(out)} == {("a100_sxm", "vllm")}


def test_unknown_names(run: Callable[..., Any]) -> None:
    """What there is no table of is refused in one line, with the nearest name."""
    code, _, err = run("tables", "doctor", "--system", "h100_sxn")
    assert code == 2
    assert err == "aicfg: error: no tables for system 'h100_sxn'; did you mean 'h100_sxm'?\n"
    code, _, err = run("tables", "doctor", "--family", "gem")
    assert code == 2 and "did you mean 'gemm'?" in err


def test_only_what_is_asked_for_is_converted(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables in the source's format are examined through the cache, one system and engine at a time."""
    monkeypatch.setenv("AICFG_CACHE", str(tmp_path / "cache"))
    for engine in ("vllm", "sglang"):
        product_table(tmp_path / "source", engine)
    words = ("tables", "doctor", tmp_path / "source", "--backend", "vllm", "--json")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    (table,) = json.loads(out)
    assert (table["system"], table["backend"], table["by_rule"]) == ("theirs", "vllm", {"drops": 1})
    assert table["examples"][0]["at"] == {"n": 64, "k": 64, "m": 2}
    assert [path.name.rpartition("-")[0] for path in (tmp_path / "cache" / "tables").iterdir()] == [
        "theirs-vllm"
    ]


def product_table(folder: Path, engine: str) -> None:
    """A system and one engine's products in the source's format; that of two rows is out of line."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder.mkdir(exist_ok=True)
    (folder / "theirs.yaml").write_text(SYSTEM)
    place = folder / "data" / "theirs" / "gemm" / engine / "0.10.0"
    place.mkdir(parents=True)
    rows = {1: 1.0, 2: 9.0, 4: 1.5, 8: 2.0}
    columns = {"gemm_dtype": ["bfloat16"] * 4, "m": list(rows), "n": [64] * 4, "k": [64] * 4}
    table = pa.table({**columns, "kernel_source": ["own"] * 4, "latency": list(rows.values())})
    pq.write_table(table, place / "gemm_perf.parquet")


SYSTEM = """
gpu: {mem_bw: 3350000000000, mem_bw_empirical_scaling_factor: 0.8, mem_empirical_constant_latency: 0.000003,
      mem_capacity: 85899345920, bfloat16_tc_flops: 989000000000000, power: 700, sm_version: 70}
node: {num_gpus_per_node: 8, inter_node_bw: 50000000000, intra_node_bw: 450000000000, pcie_bw: 64000000000,
       p2p_latency: 0.00001}
misc: {nccl_mem: {1: 0, 2: 358612992}, other_mem: 3758096384, nccl_version: '2.27.3'}
"""
