"""The system descriptions, as shipped and as imported."""

import os
from pathlib import Path

import pytest
import yaml

import aicfg.hardware
from aicfg.hardware.tables.source import open_source
from aicfg.hardware.tables.systems_import import import_systems
from aicfg.model_specs.errors import InputError

SYSTEMS = Path(aicfg.hardware.__file__).resolve().parent / "systems"


def test_shipped_facts_of_h100() -> None:
    """Values and units of one system, from its data sheet and the source."""
    facts = yaml.safe_load((SYSTEMS / "h100_sxm.yaml").read_text())
    assert facts["memory_bytes"] == 80 * 2**30
    assert facts["memory_bandwidth_bytes_per_s"] == 3.35e12
    assert facts["memory_latency_ms"] == 0.003 and facts["p2p_latency_ms"] == 0.01
    assert facts["flops"] == {"bfloat16": 989e12, "fp8": 1978e12, "int8": 1978e12}
    assert facts["nccl_memory_bytes"] == {1: 0, 2: 358612992, 4: 411041792, 8: 411041792}
    assert facts["default_versions"] == {"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20"}


def test_names_and_aliases_are_distinct() -> None:
    """Fourteen systems; no alias names two of them."""
    facts = [yaml.safe_load(path.read_text()) for path in SYSTEMS.glob("*.yaml")]
    names = [name for system in facts for name in (system["name"], *system["aliases"])]
    assert len(facts) == 14 and len(names) == len(set(names)) and "gb200_sxm" in names


def test_shipped_are_those_of_the_source(tmp_path: Path) -> None:
    """A new import gives the shipped descriptions."""
    try:
        source = open_source(Path(named) if (named := os.environ.get("AICFG_SOURCE")) else None)
    except InputError:
        pytest.skip("aiconfigurator-core is not installed")
    for path in import_systems(source, tmp_path):
        assert path.read_text() == (SYSTEMS / path.name).read_text()


def test_a_missing_fact_is_named(tmp_path: Path) -> None:
    """A description that lacks a fact is an error that names file and fact."""
    (tmp_path / "data").mkdir()
    (tmp_path / "query_versions.yaml").write_text("defaults: {}\n")
    (tmp_path / "odd.yaml").write_text("gpu: {mem_bw: 1}\nnode: {}\nmisc: {}\n")
    with pytest.raises(InputError, match=r"odd\.yaml: no gpu\.mem_capacity"):
        import_systems(tmp_path, tmp_path / "out")
