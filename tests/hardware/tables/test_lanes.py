"""Which kernel's measurements answer for an attention key."""

from pathlib import Path

import numpy as np
import pytest

from aicfg.hardware.tables.lanes import lane_order
from aicfg.hardware.tables.rows import Group
from aicfg.hardware.tables.store import open_tables

DEFAULTS = "sglang:\n  '0.5.14': {90: fa3, 100: triton}\nvllm:\n  '0.24.0': {90: default}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source that knows defaults for some GPU generations."""
    (tmp_path / "attention_lane_defaults.yaml").write_text(DEFAULTS)
    (tmp_path / "hopper.yaml").write_text("gpu: {sm_version: 90}\n")
    (tmp_path / "ada.yaml").write_text("gpu: {sm_version: 89}\n")
    return tmp_path


def _group(key: int, lane: str, sources: list[int]) -> Group:
    n = len(sources)
    return Group((key,), lane, (tuple(range(n)),), np.arange(n), np.ones((1, n)), np.array(sources))


GROUPS = [
    _group(1, "wide", [1] * 9),
    _group(2, "wide", [1] * 9),
    _group(1, "own", [0] * 3),
    _group(1, "flashinfer", [0]),
    _group(1, "fa3", [0]),
]


@pytest.mark.parametrize(
    ("system", "backend", "version", "expected"),
    [
        ("hopper", "sglang", "0.5.14", ["fa3", "flashinfer", "own", "wide"]),
        ("hopper", "sglang", "0.5.16", ["fa3", "flashinfer", "own", "wide"]),
        ("hopper", "vllm", "0.24.0", ["fa3", "flashinfer", "own", "wide"]),
        ("hopper", "sglang", "0.5.10", ["b", "a"]),
        ("ada", "sglang", "0.5.14", ["b", "a"]),
        ("hopper", "trtllm", "1.0.0", ["b", "a"]),
    ],
)
def test_order(root: Path, system: str, backend: str, version: str, expected: list[str]) -> None:
    """Framework default, own lanes, donors' lanes; without a default on record, as the files name them."""
    assert lane_order(root, system, backend, version, GROUPS, ["b", "a"]) == expected


@pytest.mark.parametrize(
    ("system", "backend", "key", "first"),
    [
        ("b200_sxm", "vllm", ("bfloat16", "bfloat16", 8, 128, 0), "vllm_flashinfer_trtllmprefill"),
        ("l40s", "vllm", ("bfloat16", "fp8", 8, 128, 0), "vllm_flashinfer_fiprefill"),
        ("b200_sxm", "sglang", ("bfloat16", "bfloat16", 8, 128, 0), "trtllm_mha"),
        ("rtx_pro_6000_server", "sglang", ("bfloat16", "bfloat16", 8, 128, 0), "flashinfer"),
        ("h200_sxm", "vllm", ("bfloat16", "bfloat16", 8, 128, 0), "vllm_flash_attn_fa3"),
    ],
)
def test_shipped_choice(system: str, backend: str, key: tuple[str | int, ...], first: str) -> None:
    """The preferred lanes are those that aiconfigurator 0.12.0's own lane resolver puts first."""
    tables = open_tables(system, backend)
    assert tables.lanes("context_attention", key)[0] == first
    assert tables.grid("context_attention", key) is not tables.grid("context_attention", key, lane=first)
    assert np.array_equal(
        tables.grid("context_attention", key).values,
        tables.grid("context_attention", key, lane=first).values,
        equal_nan=True,
    )
