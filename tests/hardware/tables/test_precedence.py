"""Which source files serve a table, and in what order."""

from pathlib import Path

import pytest
from packaging.version import Version

from aicfg.hardware.tables.precedence import newer_versions, sources_for
from aicfg.hardware.tables.source import version_key

MANIFEST = """
groups:
  - {op_file: t_perf.parquet, kernel_source: both, tier: shared, frameworks: [vllm, trtllm]}
  - {op_file: t_perf.parquet, kernel_source: kept, tier: absence_load_bearing, frameworks: [vllm, trtllm]}
  - {op_file: t_perf.parquet, kernel_source: theirs, tier: shared, frameworks: [sglang]}
  - {op_file: other_perf.parquet, kernel_source: other, tier: shared, frameworks: [vllm, trtllm]}
"""
FILES = (
    "vllm/0.9.0",
    "vllm/0.24.0",
    "vllm/0.10.0",
    "vllm/0.26.0",
    "vllm/0.27.0",
    "trtllm/1.0.0",
    "trtllm/1.1.0",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source with several versions of one table of two engines."""
    (tmp_path / "perf_data_reuse_manifest.yaml").write_text(MANIFEST)
    for place in (*FILES, "sglang/0.5.0"):
        folder = tmp_path / "data" / "gpu" / "group" / place
        folder.mkdir(parents=True)
        (folder / "t_perf.parquet").touch()
    reuse = tmp_path / "data/gpu/group/vllm/0.24.0/reuse.yaml"
    reuse.write_text("reuse:\n- {table: t_perf, from_version: 0.26.0, reason: r, approved_by: a}\n")
    return tmp_path


def test_order_of_trust(root: Path) -> None:
    """Requested, declared donor, earlier ones by nearness, the other engine's shared kernels newest first."""
    sources = sources_for(root, "gpu", "vllm", "0.24.0", "t_perf")
    found = [f"{source.backend}/{source.version}" for source in sources]
    assert found == [
        "vllm/0.24.0",
        "vllm/0.26.0",
        "vllm/0.10.0",
        "vllm/0.9.0",
        "trtllm/1.1.0",
        "trtllm/1.0.0",
    ]
    assert [source.requested for source in sources] == [True] + [False] * 5
    assert sources[0].kernels is None and sources[4].kernels == {"both"}


def test_an_older_layout_without_groups_is_read(tmp_path: Path) -> None:
    """data/<system>/<engine>/<version>/<table> serves too."""
    folder = tmp_path / "data" / "gpu" / "vllm" / "0.9.0"
    folder.mkdir(parents=True)
    (folder / "t_perf.parquet").touch()
    assert [source.path for source in sources_for(tmp_path, "gpu", "vllm", "0.24.0", "t_perf")] == [
        folder / "t_perf.parquet"
    ]


def test_newer_versions_come_nearest_first(root: Path) -> None:
    """Only later versions, the nearest first."""
    assert newer_versions(root, "gpu", "vllm", "0.10.0", "t_perf") == ["0.24.0", "0.26.0", "0.27.0"]


def test_versions_order_as_pep_440_says() -> None:
    """The key orders all kinds of versions that the source has as `packaging` does."""
    versions = [
        "0.5.6.post2",
        "0.5.6",
        "0.5.10",
        "1.3.0rc20",
        "1.3.0rc5",
        "1.3.0",
        "0.1.dev19262",
        "1.0",
        "1.0.0.dev1",
    ]
    versions += ["1.2.0a1", "1.2.0b3", "1.2.0rc1.dev2", "2021.15.9", "1.0.1+g20dc1"]
    assert sorted(versions, key=version_key) == sorted(versions, key=Version)
    assert version_key("latest") < version_key("0.0.1.dev0")
