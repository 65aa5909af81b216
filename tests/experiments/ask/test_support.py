"""aicfg support: what can be solved where, and why not."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from aicfg.experiments.ask.support import Verdict, engines_of, verdicts
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import Places
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.resolve import catalogue_ids


def verdict(model: str, system: str, backend: str, mode: DataMode = DataMode.SILICON) -> Verdict:
    """One cell of the matrix."""
    engines = engines_of(Places(), [system], [backend], mode)
    (found,) = verdicts([model], engines, mode, load_profile("aicfg"))
    return found


def test_a_yes_names_the_smallest_worker() -> None:
    """A dense model of 64 GB fits one H100 of 80 GiB, and two L40S."""
    found = verdict("Qwen/Qwen3-32B", "h100_sxm", "vllm")
    assert (found.supported, found.layout, found.gpus, found.reason) == (True, "tp1", 1, None)
    assert verdict("Qwen/Qwen3-32B", "l40s", "vllm").gpus == 2


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (("Qwen/Qwen3-32B", "l4", "vllm"), "no tables"),
        (("Qwen/Qwen3-32B", "b60", "trtllm"), "no tables"),
        (
            ("Qwen/Qwen3-32B-FP8", "a100_sxm", "vllm"),
            "fmha 'fp8' with kvcache 'fp8' has no prefill attention",
        ),
        (("Qwen/Qwen3-32B-FP8", "l40s", "sglang"), "no rows for (gemm_dtype) = ('fp8_block',)"),
        (
            ("zai-org/GLM-4.7", "h200_sxm", "vllm"),
            "experts: table moe of vllm 0.24.0 on h200_sxm: no rows for",
        ),
        (("Qwen/Qwen3-33B", "h200_sxm", "vllm"), "did you mean 'Qwen/Qwen3-32B'"),
        (
            ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", "b60", "vllm"),
            "no all-to-all over 16 GPUs was measured",
        ),
    ],
    ids=lambda value: value[0].split("/")[1] + "-" + value[1] if isinstance(value, tuple) else "",
)
def test_a_no_says_why(cell: tuple[str, str, str], reason: str) -> None:
    """No tables, no rows of the format, no shape, an unknown model, or too little memory."""
    found = verdict(*cell)
    assert not found.supported
    assert reason in (found.reason or "")
    assert (found.layout, found.gpus) == (None, None)


def test_estimates_fill_gaps() -> None:
    """A shape without a table is a no in silicon, a yes in hybrid; the speed of light needs no table."""
    assert not verdict("zai-org/GLM-4.7", "h200_sxm", "vllm").supported
    assert verdict("zai-org/GLM-4.7", "h200_sxm", "vllm", DataMode.HYBRID).supported
    light = verdict("Qwen/Qwen3-32B", "l4", "vllm", DataMode.SOL)
    assert (light.supported, light.version) == (True, None)


def test_one_model(run: Callable[..., Any]) -> None:
    """A line a system, a column an engine, and each reason once below."""
    code, out, err = run("support", "--model", "Qwen/Qwen3-32B-FP8")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["system", "vllm", "sglang", "trtllm"]
    (h100,) = [line for line in lines if line.startswith("h100_sxm")]
    assert h100.count("✓ tp1 (") == 3
    (l4,) = [line for line in lines if line.startswith("l4 ")]
    assert l4.split() == ["l4", "✗", "1", "✗", "1", "✗", "1"]
    reasons = lines[lines.index("") + 1 :]
    assert reasons[0].split(maxsplit=1) == ["1", "no tables"]
    assert len(set(reasons)) == len(reasons)
    assert not any("h100" in reason or "fill the gap" in reason for reason in reasons)


def test_the_catalogue(run: Callable[..., Any]) -> None:
    """Without a model each has a line, with a letter for each engine."""
    _, out, _ = run("support", "--system", "h100", "--backend", "vllm")
    rows = dict(line.split() for line in out.splitlines()[: len(catalogue_ids()) + 1])
    assert rows.pop("model") == "h100_sxm"
    assert set(rows) == set(catalogue_ids())
    assert rows["Qwen/Qwen3-32B"] == "v"
    assert rows["deepseek-ai/DeepSeek-V4-Pro"] == "·"


def test_json(run: Callable[..., Any]) -> None:
    """--json is a list of cells, each reason with its details."""
    words = ("--model", "zai-org/GLM-4.7", "--system", "h200", "--backend", "vllm", "--json")
    (cell,) = json.loads(run("support", *words).out)
    assert list(cell) == [
        "model",
        "system",
        "backend",
        "version",
        "supported",
        "layout",
        "gpus",
        "reason",
    ]
    assert "nearest is" in cell["reason"]
    assert "the data mode hybrid" in cell["reason"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ["--backend", "vlm"],
            "--backend: got 'vlm'; expected one of vllm, sglang, trtllm; did you mean 'vllm'?",
        ),
        (["--system", "h1000"], "unknown GPU system 'h1000'"),
        (["--profile", "x"], "unknown profile 'x'"),
        (["--data-mode", "gold"], "invalid choice: 'gold'"),
        (["--systems-paths", "/nowhere"], "/nowhere"),
    ],
)
def test_bad_words(run: Callable[..., Any], words: list[str], part: str) -> None:
    """Names that do not exist are one clear line."""
    code, out, err = run("support", *words)
    assert (code, out) == (2, "")
    assert part in err
    assert len(err.splitlines()) == 1
