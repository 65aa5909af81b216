"""The import of a small made-up source, and what it says when it cannot."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aicfg.hardware.tables.importer import import_tables
from aicfg.hardware.tables.listing import list_tables
from aicfg.hardware.tables.mended import mended
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.errors import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SYSTEM = """
gpu: {mem_bw: 1000, mem_bw_empirical_scaling_factor: 0.8, mem_empirical_constant_latency: 0.000003,
      mem_capacity: 80, bfloat16_tc_flops: 5, fp8_tc_flops: 9, power: 700, sm_version: 90}
node: {num_gpus_per_node: 8, inter_node_bw: 50, intra_node_bw: 450, pcie_bw: 64, p2p_latency: 0.00001}
misc: {nccl_mem: {1: 0, 2: 3}, other_mem: 4, nccl_version: '2.27.3'}
"""
VERSIONS = "defaults: {vllm: {current: 0.24.0}, sglang: {current: 0.5.14}}\noverrides: {}\n"
LANES = "vllm: {'0.24.0': {90: default}}\n"
MANIFEST = """
groups:
  - {op_file: gemm_perf.parquet, kernel_source: both, tier: shared, frameworks: [sglang, vllm]}
"""
GEMM = ("gemm_dtype", "m", "n", "k", "kernel_source", "latency")


def _parquet(root: Path, place: str, table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    folder = root / "data" / "gpu" / place
    folder.mkdir(parents=True, exist_ok=True)
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / f"{table}.parquet")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A systems folder with one GPU system, two engines, and tables in several versions."""
    root = tmp_path / "systems"
    root.mkdir()
    (root / "gpu.yaml").write_text(SYSTEM)
    (root / "query_versions.yaml").write_text(VERSIONS)
    (root / "attention_lane_defaults.yaml").write_text(LANES)
    (root / "perf_data_reuse_manifest.yaml").write_text(MANIFEST)
    now = [("bf16", 1, 8, 16, "own", 1.5), ("bf16", 2, 8, 16, "own", 2.5), ("bf16", 2, 8, 16, "own", 9.0)]
    before = [("bf16", 1, 8, 16, "own", 7.0), ("bf16", 4, 8, 16, "own", 4.5), ("fp8", 1, 8, 16, "own", 0.5)]
    other = [("bf16", 8, 8, 16, "both", 8.5), ("bf16", 16, 8, 16, "secret", 16.5)]
    _parquet(root, "gemm/vllm/0.24.0", "gemm_perf", GEMM, now)
    _parquet(root, "gemm/vllm/0.22.0", "gemm_perf", GEMM, before)
    _parquet(root, "gemm/vllm/0.26.0", "gemm_perf", GEMM, [("bf16", 1, 8, 16, "own", 99.0)])
    _parquet(root, "gemm/sglang/0.5.14", "gemm_perf", GEMM, other)
    attention = (
        "attn_dtype",
        "kv_cache_dtype",
        "num_heads",
        "num_key_value_heads",
        "head_dim",
        "isl",
        "batch_size",
    )
    rows = [
        ("bf16", "bf16", 8, kv, 128, isl, 1, lane, isl * ms)
        for kv in (2, 8)
        for isl in (1, 64)
        for lane, ms in (("dense", 1.0), ("sparse", 2.0))
        if (kv, isl, lane) != (2, 64, "sparse")
    ]
    names = (*attention, "kernel_source", "latency")
    _parquet(root, "attention/vllm/0.24.0", "context_attention_perf", names, rows)
    reduce = ("allreduce_dtype", "num_gpus", "message_size", "kernel_source", "latency")
    sizes = [
        ("bfloat16", 2, size, f"ar_{mode}", size * ms)
        for size in (128, 256)
        for mode, ms in (("eager", 2.0), ("graph", 1.0))
    ]
    _parquet(root, "comm/vllm/0.24.0", "custom_allreduce_perf", reduce, sizes)
    nccl = ("op_name", "nccl_dtype", "num_gpus", "message_size", "kernel_source", "latency")
    _parquet(root, "comm/nccl/2.27.3", "nccl_perf", nccl, [("all_gather", "half", 2, 256, "NCCL", 3.0)])
    deltas = ("quant_dtype", "m", "k", "kernel_source", "latency")
    _parquet(root, "quantize/vllm/0.26.0", "computescale_perf", deltas, [("fp8", 1, 64, "x", -0.25)])
    return root


@pytest.fixture
def imported(source: Path, tmp_path: Path) -> Path:
    """What the import makes of it."""
    return import_tables(source, tmp_path / "out")


def test_union_of_the_sources(imported: Path) -> None:
    """First row and source win; earlier versions and shared kernels fill in, later ones and others do not."""
    grid = open_tables("gpu", "vllm", root=imported).grid("gemm", ("bf16",))
    assert [axis.tolist() for axis in grid.axes] == [[8], [16], [1, 2, 4, 8]]
    assert grid.values.ravel().tolist() == [1.5, 2.5, 4.5, 8.5]
    assert open_tables("gpu", "vllm", root=imported).keys("gemm") == (("bf16",), ("fp8",))


def test_sources_say_what_came_from_where(imported: Path) -> None:
    """Each file's share of the rows, and the kernels it timed."""
    sources = open_tables("gpu", "vllm", root=imported).sources("gemm")
    found = [(source.backend, source.version, source.rows, source.kernels) for source in sources]
    assert found == [
        ("vllm", "0.24.0", 2, ("own",)),
        ("vllm", "0.22.0", 2, ("own",)),
        ("sglang", "0.5.14", 1, ("both",)),
    ]


def test_lanes_stay_apart(imported: Path) -> None:
    """Kernels of one key form separate grids, that with more points first; n_kv is 0 for MHA."""
    tables = open_tables("gpu", "vllm", root=imported)
    assert tables.keys("context_attention") == (("bf16", "bf16", 0, 128, 0), ("bf16", "bf16", 2, 128, 0))
    key = ("bf16", "bf16", 2, 128, 0)
    assert tables.lanes("context_attention", key) == ("dense", "sparse")
    assert tables.grid("context_attention", key).values.ravel().tolist() == [1, 64]
    assert tables.grid("context_attention", key, lane="sparse").axes[1].tolist() == [1]


def test_eager_all_reduce_is_apart(imported: Path) -> None:
    """The all-reduce that is asked for is the one in a CUDA graph; the eager one has its own table."""
    tables = open_tables("gpu", "vllm", root=imported)
    assert tables.grid("custom_allreduce", ("half",)).values.tolist() == [[128, 256]]
    assert tables.grid("custom_allreduce_eager", ("half",)).values.tolist() == [[256, 512]]


def test_the_systems_own_tables_are_every_engines(imported: Path) -> None:
    """NCCL tables, of the version that the system file names, are there for both engines."""
    for backend in ("vllm", "sglang"):
        grid = open_tables("gpu", backend, root=imported).grid("nccl", ("all_gather", "half"))
        assert grid.values.tolist() == [[3.0]]


def test_a_table_only_later_versions_have_is_marked(imported: Path) -> None:
    """It is imported, negative values included, and says so; the others do not."""
    tables = open_tables("gpu", "vllm", root=imported)
    assert tables.is_newer("compute_scale") and not tables.is_newer("gemm")
    assert tables.grid("compute_scale", ("fp8",)).values.tolist() == [[-0.25]]
    (row,) = (row for row in list_tables("gpu", "vllm", root=imported) if row.family == "compute_scale")
    assert (row.version, row.newer) == ("0.26.0", True)


def test_again_gives_the_same_bytes(source: Path, imported: Path, tmp_path: Path) -> None:
    """A second import is identical, file by file, and leaves nothing beside its output."""
    again = import_tables(source, tmp_path / "again")
    files = sorted(path.relative_to(imported) for path in imported.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((imported / name).read_bytes() == (again / name).read_bytes() for name in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "out", "systems"]


def test_replaces_what_was_there(source: Path, imported: Path) -> None:
    """Importing one engine over a full import leaves that one alone."""
    import_tables(source, imported, backends=["sglang"])
    assert {row.backend for row in list_tables("gpu", root=imported)} == {"sglang", "common"}


@pytest.mark.parametrize("kind", ["foreign", "file", "link"])
def test_never_replaces_what_is_no_table(source: Path, tmp_path: Path, kind: str) -> None:
    """A folder with anything else in it, a file or a link is refused, and left as it is."""
    out, mine = tmp_path / "out", tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    if kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(mine) if kind == "link" else mine.rename(out)
    with pytest.raises(InputError, match=r"holds .thesis.txt., which is no table|is not a folder"):
        import_tables(source, out)
    assert (out if kind == "file" else out / "thesis.txt").read_text() == "mine"


def test_progress(source: Path, tmp_path: Path) -> None:
    """Progress counts every family up to the total, first those imported, then those examined."""
    seen: list[tuple[str, int, int]] = []
    import_tables(source, tmp_path / "out", progress=lambda *step: seen.append(step))
    ends = [i + 1 for i, (_, done, total) in enumerate(seen) if done == total]
    imported, examined = seen[: ends[0]], seen[ends[0] : ends[1]]
    assert ends[1:] == [len(seen)]
    for phase in (imported, examined):
        assert [done for _, done, _ in phase] == list(range(len(phase)))
    assert imported[0][0] == "gpu vllm gemm" and examined[0][0] == "examining gpu gemm"


def test_implausible_rows_have_estimates(source: Path, tmp_path: Path) -> None:
    """What an import reads is examined on the way: a time that larger sizes undercut has its estimate."""
    rows = [("bf16", m, 64, 64, "own", 9.0 if m == 2 else 1.0 + m / 8) for m in (1, 2, 4, 8, 16)]
    _parquet(source, "gemm/vllm/0.24.0", "gemm_perf", GEMM, rows)
    tables = open_tables("gpu", "vllm", root=import_tables(source, tmp_path / "own"))
    assert tables.grid("gemm", ("bf16",)).values[-1, -1, 1] == 9.0
    grid = mended(tables).grid("gemm", ("bf16",))
    assert grid.values[-1, -1].tolist()[:5] == [1.125, 1.5, 1.5, 2.0, 3.0]
    assert grid.replaced is not None and np.argwhere(grid.replaced).tolist() == [[1, 1, 1]]


def test_system_descriptions_come_along(imported: Path) -> None:
    """The description lies beside the tables, in our units."""
    text = (imported / "systems" / "gpu.yaml").read_text()
    assert "memory_latency_ms: 0.003" in text and "p2p_latency_ms: 0.01" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"systems": ["gpx"]}, "no system 'gpx' in .*; did you mean 'gpu'"),
        ({"backends": ["tgi"]}, "no serving engine 'tgi'; accepted: vllm, sglang, trtllm"),
        ({"backends": ["trtllm"], "systems": []}, "no tables for the systems and engines asked for"),
    ],
)
def test_unknown_names(source: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    """A name that the source lacks is an error that says what there is, before anything is written."""
    with pytest.raises(InputError, match=message):
        import_tables(source, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "row", "message"),
    [
        (GEMM[:-1], ("bf16", 1, 8, 16, "own"), "no column latency"),
        (("gemm_dtype", "m", "n", "kernel_source", "latency"), ("bf16", 1, 8, "own", 1.0), "no column k"),
        (GEMM, ("bf16", 1, 8, 16, "own", float("nan")), "latency has values that are no finite number"),
        (GEMM, ("bf16", None, 8, 16, "own", 1.0), "empty cells in column m"),
    ],
)
def test_bad_tables(
    source: Path, tmp_path: Path, names: tuple[str, ...], row: tuple[Any, ...], message: str
) -> None:
    """A table that lacks a column or a value stops the import with the file named; nothing is left behind."""
    good = ("bf16", 3, 8, 16, "own", 1.0)
    rows = [row, good] if names == GEMM else [row]
    _parquet(source, "gemm/vllm/0.24.0", "gemm_perf", names, rows)
    with pytest.raises(InputError, match=f"0.24.0/gemm_perf.parquet: .*{message}"):
        import_tables(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["systems"]


def test_a_folder_that_is_no_source(tmp_path: Path) -> None:
    """An empty folder and an absent one are told apart."""
    with pytest.raises(InputError, match=r"not a table source; expected <system>.yaml files"):
        import_tables(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        import_tables(tmp_path / "absent", tmp_path / "out")


def test_without_pyarrow(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the message says what to install."""
    plain = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return plain(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(InputError, match=r"pip install 'aicfg-solver\[import\]'"):
        import_tables(source, tmp_path / "out")


def test_values_are_float32(source: Path, tmp_path: Path) -> None:
    """No more is lost than float32 loses."""
    exact = 0.123456789012345
    _parquet(source, "gemm/vllm/0.24.0", "gemm_perf", GEMM, [("bf16", 1, 8, 16, "own", exact)])
    tables = open_tables("gpu", "vllm", root=import_tables(source, tmp_path / "out"))
    assert tables.grid("gemm", ("bf16",)).values[0, 0, 0] == np.float32(exact)
