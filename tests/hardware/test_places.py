"""Systems and tables of the user's own, in both formats, and what is said of the faulty ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from aicfg.hardware.places import Places
from aicfg.hardware.system import FOLDER, load_system, system_names
from aicfg.hardware.tables.archive import Entry, write_archive
from aicfg.hardware.tables.store import DATA, MANIFEST, MissingDataError
from aicfg.model_specs.errors import InputError

SOURCE_SYSTEM = """
gpu: {mem_bw: 3350000000000, mem_bw_empirical_scaling_factor: 0.8, mem_empirical_constant_latency: 0.000003,
      mem_capacity: 85899345920, bfloat16_tc_flops: 989000000000000, power: 700, sm_version: 90}
node: {num_gpus_per_node: 8, inter_node_bw: 50000000000, intra_node_bw: 450000000000, pcie_bw: 64000000000,
       p2p_latency: 0.00001}
misc: {nccl_mem: {1: 0, 2: 358612992}, other_mem: 3758096384, nccl_version: '2.27.3'}
"""


def facts(name: str = "h100_sxm") -> dict[str, Any]:
    """A sound description."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return found


def described(folder: Path, **changes: Any) -> Path:
    """A folder that describes the system ``mine``; changed facts replace, None takes out."""
    mine = {**facts(), "name": "mine", "aliases": ["my_gpu"], "default_versions": {}, **changes}
    folder.mkdir(exist_ok=True)
    kept = {key: value for key, value in mine.items() if value is not None}
    (folder / "mine.yaml").write_text(yaml.safe_dump(kept))
    return folder


def gemm_table(folder: Path, system: str, backend: str, times: list[float], **head: Any) -> None:
    """A table of one format, one (n, k), and m = 1, 2, … in our format."""
    place = folder / system / backend
    facts = {
        "version": "1.2.3",
        "newer": False,
        "unit": "ms",
        "axes": ["n", "k", "m"],
        "sources": [{"backend": backend, "version": "1.2.3", "rows": len(times), "kernels": ["own"]}],
        "keys": 1,
        "rows": len(times),
        "ranges": [[64, 64], [64, 64], [1, len(times)]],
    }
    axes = ((64,), (64,), tuple(range(1, len(times) + 1)))
    entry = Entry(["mine16"], axes, np.arange(len(times)), np.array([times]))
    known = {"key": ["gemm_dtype"], "axes": ["n", "k", "m"], "values": ["latency"], "lanes": False}
    write_archive(place / "gemm.npz", {**known, "newer": False, "sources": facts["sources"], **head}, [entry])
    manifest = {"version": "1.2.3", "families": {"gemm": facts}}
    (place / MANIFEST).write_text(json.dumps(manifest))


def source(folder: Path, system: str = SOURCE_SYSTEM, rows: int = 2, **columns: Any) -> Path:
    """A folder in the source's format: a system ``theirs`` with products on vLLM in two versions."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder.mkdir(exist_ok=True)
    (folder / "theirs.yaml").write_text(system)
    for version, latency in (("0.9.0", 7.0), ("0.10.0", 3.0)):
        table = {
            "gemm_dtype": ["bfloat16"] * rows,
            "m": list(range(1, rows + 1)),
            "n": [64] * rows,
            "k": [64] * rows,
            "kernel_source": ["own"] * rows,
            "latency": [latency] * rows,
            **columns,
        }
        place = folder / "data" / "theirs" / "gemm" / "vllm" / version
        place.mkdir(parents=True, exist_ok=True)
        kept = {name: values for name, values in table.items() if values is not None}
        pq.write_table(pa.table(kept), place / "gemm_perf.parquet")
    return folder


def test_the_default_is_what_is_shipped() -> None:
    """Without folders of one's own nothing changes."""
    places = Places()
    assert places.system_names() == system_names()
    assert places.load_system("h200") == load_system("h200_sxm")
    assert places.open_tables("h200_sxm", "vllm").root == DATA


def test_a_system_of_ones_own_is_found_by_name_and_alias(tmp_path: Path) -> None:
    """A description beside the shipped ones adds a system; the shipped ones stay."""
    places = Places(["default", described(tmp_path / "own", memory_bytes=10**11)])
    assert places.load_system("my_gpu") == places.load_system("mine")
    assert places.load_system("mine").memory_bytes == 10**11
    assert places.load_system("h200").memory_bytes == load_system("h200").memory_bytes
    assert set(places.system_names()) == {*system_names(), "mine"}
    assert Places([tmp_path / "own"]).system_names() == ("mine",)
    with pytest.raises(InputError, match=r"unknown GPU system 'mime'; did you mean 'mine'\?"):
        places.load_system("mime")


def test_the_first_folder_wins(tmp_path: Path) -> None:
    """Of two descriptions of one system, the one earlier in the list counts."""
    own = described(tmp_path / "own")
    (own / "mine.yaml").rename(own / "h100_sxm.yaml")
    text = (own / "h100_sxm.yaml").read_text().replace("name: mine", "name: h100_sxm")
    (own / "h100_sxm.yaml").write_text(text.replace("power_w: 700", "power_w: 350"))
    assert Places([own, "default"]).load_system("h100_sxm").power_w == 350
    assert Places(["default", own]).load_system("h100_sxm").power_w == 700


def test_own_tables_fill_gaps_and_replace_keys(tmp_path: Path) -> None:
    """A table of one's own adds its keys to the shipped ones, or goes before them."""
    gemm_table(tmp_path, "h200_sxm", "vllm", [1.0, 2.0])
    described(tmp_path)
    after, before = Places(["default", tmp_path]), Places([tmp_path, "default"])
    tables = after.open_tables("h200_sxm", "vllm")
    assert tables.grid("gemm", ("mine16",)).values.ravel().tolist() == [1.0, 2.0]
    assert tables.grid("gemm", ("bfloat16",)).values.size > 2
    assert tables.version == "0.24.0" and before.open_tables("h200_sxm", "vllm").version == "1.2.3"
    assert ("mine16",) in tables.keys("gemm") and "moe" in tables.families
    assert before.load_system("h200_sxm").default_versions["vllm"] == "1.2.3"
    assert after.load_system("h200_sxm").default_versions["vllm"] == "0.24.0"
    with pytest.raises(MissingDataError, match=r"no rows for \(gemm_dtype\) = \('fp9',\)"):
        tables.grid("gemm", ("fp9",))


def test_tables_for_a_system_that_had_none(tmp_path: Path) -> None:
    """A shipped system without tables gets an engine from the user's folder."""
    gemm_table(tmp_path, "l4", "sglang", [1.0])
    places = Places(["default", tmp_path])
    assert places.load_system("l4").default_versions == {"sglang": "1.2.3"}
    assert places.open_tables("l4", "sglang").keys("gemm") == (("mine16",),)
    with pytest.raises(MissingDataError, match="no tables for 'vllm' on l4; there are: sglang"):
        places.open_tables("l4", "vllm")


def test_no_tables_are_enough_where_none_are_required() -> None:
    """The speed of light gets tables that hold nothing."""
    places = Places()
    with pytest.raises(MissingDataError, match="no tables for system 'l4'"):
        places.open_tables("l4", "vllm")
    assert places.open_tables("l4", "vllm", required=False).families == ()
    assert places.open_tables("h200_sxm", "vllm", required=False).families


def test_source_format_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest version is served from the cache until its content changes."""
    folder, cache = source(tmp_path / "theirs"), tmp_path / "cache"
    places = Places([folder, "default"], cache)
    system = places.load_system("theirs")
    assert system.memory_latency_ms == 0.003 and system.default_versions == {"vllm": "0.10.0"}
    tables = places.open_tables("theirs", "vllm")
    assert tables.grid("gemm", ("bfloat16",)).values.ravel().tolist() == [3.0, 3.0]
    (first,) = (cache / "tables").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("aicfg.hardware.tables.cache.import_tables", None)
        Places([folder], cache).open_tables("theirs", "vllm")
    source(folder, rows=3)
    assert Places([folder], cache).open_tables("theirs", "vllm").grid("gemm", ("bfloat16",)).values.size == 3
    assert len(list((cache / "tables").iterdir())) == 2 and first.exists()


def test_the_cache_can_be_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``AICFG_CACHE`` says where converted tables go."""
    monkeypatch.setenv("AICFG_CACHE", str(tmp_path / "elsewhere"))
    Places([source(tmp_path / "theirs")]).open_tables("theirs", "vllm")
    assert list((tmp_path / "elsewhere" / "tables").glob("theirs-vllm-*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_bytes": None}, r"mine.yaml: no memory_bytes$"),
        ({"memory_bytes": None, "memory_byte": 5}, r"no memory_bytes; did you mean 'memory_byte'\?"),
        ({"memory_bytes": 0}, r"memory_bytes is 0; expected more than 0"),
        ({"memory_latency_ms": -1.0}, r"memory_latency_ms is -1.0; expected 0 or more"),
        ({"memory_bandwidth_gb_per_s": 5}, r"unknown fact 'memory_bandwidth_gb_per_s'; did you mean"),
        ({"power_w": "1e3"}, r"power_w is '1e3'; expected a number; YAML reads 1e9 as a text"),
        ({"flops": {"bfloat16": 1, "fp88": 2}}, r"flops: unknown arithmetic 'fp88'; did you mean 'fp8'\?"),
        ({"flops": {"fp8": 2}}, r"flops: no bfloat16"),
        ({"nccl_memory_bytes": {2: 5}}, r"nccl_memory_bytes: no entry for 1 GPU"),
        ({"name": "other"}, r"name is 'other'; expected 'mine', as the file is called"),
        ({"memory_efficiency": 1.5}, r"memory_efficiency is 1.5; expected a share"),
    ],
)
def test_faulty_descriptions_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Each fault has one line that names the file, the fact and what is accepted."""
    with pytest.raises(InputError, match=message):
        Places([described(tmp_path, **changes)]).load_system("mine")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Two faults, two lines."""
    with pytest.raises(InputError) as caught:
        Places([described(tmp_path, memory_bytes=0, sm=-1)]).load_system("mine")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mem_bw:", "memory_bw:", r"no gpu.mem_bw; did you mean 'memory_bw'\?"),
        ("mem_bw:", "memory_bw:", r"unknown fact gpu.memory_bw; did you mean 'mem_bw'\?"),
        ("power: 700", "power: -700", r"power_w is -700; expected more than 0"),
        ("node:", "nodes:", r"no section node; did you mean 'nodes'\?"),
    ],
)
def test_faulty_source_descriptions_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The source's descriptions are checked in their own words."""
    folder = source(tmp_path, SOURCE_SYSTEM.replace(old, new))
    with pytest.raises(InputError, match=message):
        Places([folder]).load_system("theirs")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": None}, r"gemm_perf.parquet: no column n"),
        ({"latency": [1.0, -2.0]}, r"gemm.npz: 1 times of \('bfloat16',\) are not above 0, such as -2.0 at"),
        ({"latency": [1.0, float("nan")]}, r"values that are no finite number"),
    ],
)
def test_faulty_source_tables_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    """Wrong columns and impossible times are named, and nothing of them is kept."""
    cache = tmp_path / "cache"
    places = Places([source(tmp_path / "theirs", **columns)], cache)
    with pytest.raises(InputError, match=message):
        places.open_tables("theirs", "vllm")
    assert not list(cache.rglob("*.npz"))


def test_tables_without_a_description_are_refused(tmp_path: Path) -> None:
    """A folder of tables under a misspelt system is told, not ignored."""
    folder = source(tmp_path)
    (folder / "data" / "theirs").rename(folder / "data" / "thiers")
    with pytest.raises(InputError, match=r"no thiers.yaml describes this system; did you mean 'theirs'\?"):
        Places([folder]).load_system("theirs")


def _time_of_nothing(folder: Path) -> None:
    gemm_table(folder, "l4", "vllm", [1.0, 0.0])


def _other_axes(folder: Path) -> None:
    gemm_table(folder, "l4", "vllm", [1.0], axes=["m", "n", "k"])


def _broken_manifest(folder: Path) -> None:
    (folder / "l4" / "vllm" / MANIFEST).write_text("{}")


def _misspelt_family(folder: Path) -> None:
    path = folder / "l4" / "vllm" / MANIFEST
    path.write_text(path.read_text().replace('"gemm"', '"gem"'))


def _truncated(folder: Path) -> None:
    (folder / "l4" / "vllm" / "gemm.npz").write_bytes(b"PK")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_time_of_nothing, r"1 times .* such as 0.0 at n=64, k=64, m=2"),
        (_other_axes, r"axes are \['m', 'n', 'k'\]; expected \['n', 'k', 'm'\]"),
        (_broken_manifest, r"manifest.json: no manifest that `aicfg tables import` wrote"),
        (_misspelt_family, r"no family of tables is called 'gem'; did you mean 'gemm'\?"),
        (_truncated, r"gemm.npz: no archive of tables"),
    ],
)
def test_faulty_own_tables_are_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    """Tables in our format are checked when they are opened."""
    gemm_table(tmp_path, "l4", "vllm", [1.0])
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        Places(["default", tmp_path]).open_tables("l4", "vllm")


def test_entries_that_are_no_folders_of_systems_are_refused(tmp_path: Path) -> None:
    """An entry must be a folder with descriptions or tables."""
    with pytest.raises(InputError, match=r"systems_paths: .*nowhere is no folder"):
        Places([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"has neither system descriptions"):
        Places([tmp_path])
    with pytest.raises(InputError, match=r"systems_paths: no folder"):
        Places([])


def test_what_an_import_writes_is_a_place(tmp_path: Path) -> None:
    """A copy of shipped systems and tables serves as a folder of one's own, alone."""
    shutil.copytree(DATA / "a100_sxm", tmp_path / "a100_sxm")
    (tmp_path / "systems").mkdir()
    shutil.copy(FOLDER / "a100_sxm.yaml", tmp_path / "systems")
    places = Places([tmp_path])
    assert places.system_names() == ("a100_sxm",)
    assert places.load_system("a100") == load_system("a100")
    assert (
        places.open_tables("a100_sxm", "vllm").families == Places().open_tables("a100_sxm", "vllm").families
    )
