"""The same command lines as the installed peer's: its columns are among ours, and no plan of its is better.

Opt-in, because the peer takes its time: ``AICFG_PEER=/path/to/bin/aiconfigurator pytest
tests/experiments/peer``.
"""

import csv
import os
import subprocess
from pathlib import Path

import pytest

from aicfg.experiments.cli import main

PEER = os.environ.get("AICFG_PEER", "")

pytestmark = pytest.mark.skipif(not PEER, reason="AICFG_PEER names no aiconfigurator")

SLA = "--ttft 1000 --tpot 40"
CASES = {
    "dense-vllm": f"--model-path Qwen/Qwen3-32B-FP8 --total-gpus 8 --system h100_sxm --backend vllm {SLA}",
    "dense-trtllm": f"--model-path Qwen/Qwen3-32B-FP8 --total-gpus 16 --system h200_sxm {SLA}",
    "dense-sglang": f"--model-path Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend sglang {SLA}",
    "odd-budget": f"--model-path Qwen/Qwen3-8B --total-gpus 6 --system h100_sxm --backend vllm {SLA}",
    "long-prompt": "--model-path Qwen/Qwen3-32B --total-gpus 16 --system h200_sxm --backend vllm --isl 16000"
    " --osl 500 --ttft 6000 --tpot 40",
    "short-prompt": "--model-path meta-llama/Meta-Llama-3.1-70B --total-gpus 8 --system h200_sxm --isl 500"
    " --osl 100 --ttft 500 --tpot 30",
    "prefix": "--model-path Qwen/Qwen3-32B --total-gpus 8 --system h100_sxm --backend vllm --prefix 2000"
    f" {SLA}",
    "request-latency": "--model-path Qwen/Qwen3-32B-FP8 --total-gpus 8 --system h200_sxm --osl 500"
    " --request-latency 12000 --ttft 1000",
    "two-systems": "--model-path Qwen/Qwen3-32B-FP8 --total-gpus 16 --system h100_sxm"
    f" --decode-system h200_sxm {SLA}",
    "memory-fraction": "--model-path Qwen/Qwen3-32B --total-gpus 8 --system h100_sxm --backend vllm"
    f" --free-gpu-memory-fraction 0.8 {SLA}",
    "mixture-sglang": f"--model-path Qwen/Qwen3-235B-A22B-FP8 --total-gpus 16 --system h200_sxm {SLA}",
    "mixture-small": f"--model-path Qwen/Qwen3-30B-A3B --total-gpus 8 --system h100_sxm --backend vllm {SLA}",
    "latent": "--model-path deepseek-ai/DeepSeek-V3 --total-gpus 32 --system h200_sxm --ttft 2000 --tpot 50",
}


def _best(folder: Path) -> dict[str, dict[str, str]]:
    """The first row of each mode's table."""
    found = {}
    for path in folder.rglob("best_config_topn.csv"):
        with path.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file), None)
        if row is not None:
            found[path.parent.name] = row
    return found


@pytest.mark.parametrize("case", CASES)
def test_at_least_as_good(case: str, tmp_path: Path) -> None:
    """Under the same profile each mode's best plan has at least the peer's tokens/s over the budget."""
    words = ["cli", "default", *CASES[case].split(), "--save-dir"]
    done = subprocess.run([PEER, *words, tmp_path / "peer"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert main([*words, str(tmp_path / "ours"), "--profile", "aiconfigurator-0.12"]) == 0
    theirs, ours = _best(tmp_path / "peer"), _best(tmp_path / "ours")
    assert theirs
    for mode, row in theirs.items():
        assert set(row) <= set(ours[mode])
        name = "tokens/s/gpu_cluster"
        print(f"{case} {mode}: peer {row[name]}, aicfg {ours[mode][name]}")
        assert float(ours[mode][name]) >= float(row[name]) * (1 - 1e-4)
