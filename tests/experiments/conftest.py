"""Fixtures of the experiments' tests: files to solve, and the command line run in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aicfg.experiments.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"

SMALL = """\
model: Qwen/Qwen3-32B
workload: {isl: 2000, osl: 200}
sla: {ttft_ms: 1000, tpot_ms: 40}
fleet: {system: h100_sxm, gpus: 8}
serving: {backend: vllm, search: {agg: {max_batch: 64}, prefill: {max_batch: 2}, decode: {max_batch: 64}}}
"""


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Runs ``aicfg`` with the given words."""

    def of(*words: object) -> Run:
        code = main([str(word) for word in words])
        return Run(code, *capsys.readouterr())

    return of


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file and gives its path."""

    def of(content: str | bytes, name: str = "experiment.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return of


@pytest.fixture
def small(write: Callable[..., Path]) -> Path:
    """An experiment that is solved in a fraction of a second."""
    return write(SMALL, "small.yaml")
