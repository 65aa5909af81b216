"""Whole-process time and peak memory of ``aicfg default`` in turn with the peer's on four cases.

    python tests/bench/default_with_peer.py --peer /path/to/bin/aiconfigurator [--runs 3]

A dense model, a mixture of experts, an agreement that nothing meets, and all engines at once. Runs the two
commands alternately and prints the medians and the ratio peer / aicfg of wall time, CPU time and memory.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

_DENSE = "--model-path Qwen/Qwen3-32B-FP8 --total-gpus 16 --system h100_sxm"
CASES = {
    "dense": f"{_DENSE} --backend vllm --ttft 1000 --tpot 40",
    "mixture": "--model-path deepseek-ai/DeepSeek-V3 --total-gpus 32 --system h200_sxm --ttft 2000 --tpot 50",
    "infeasible": f"{_DENSE} --backend vllm --ttft 300 --tpot 1",
    "all engines": f"{_DENSE} --backend auto --ttft 1000 --tpot 40",
}


_CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "aicfg-bench")
}
"""Both run compiled, as an installed program does."""


class Cost(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str], wanted: int = 0) -> Cost:
    """Run a command to its end, its output thrown away; it must end with ``wanted``."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_CACHED)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != wanted:
        sys.exit(f"{shlex.join(command)} ended with {os.waitstatus_to_exitcode(status)}, not {wanted}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="the peer's command")
    parser.add_argument("--aicfg", default=f"{sys.executable} -m aicfg", help="our command")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(f"{'':12}{'':10}{'aicfg':>10}{'peer':>10}{'ratio':>8}")
    for name, words in CASES.items():
        ours = [*shlex.split(given.aicfg), "default", *words.split(), "--profile", "aiconfigurator-0.12"]
        theirs = [given.peer, "cli", "default", *words.split()]
        wanted = 3 if name == "infeasible" else 0
        measure(ours, wanted)  # warms the file cache
        pairs = [(measure(ours, wanted), measure(theirs)) for _ in range(given.runs)]
        for field in Cost._fields:
            mine = statistics.median(getattr(a, field) for a, _ in pairs)
            peer = statistics.median(getattr(b, field) for _, b in pairs)
            print(f"{name:12}{field:10}{mine:10.3f}{peer:10.3f}{peer / mine:8.1f}")


if __name__ == "__main__":
    main()
