"""Whole-process time and peak memory of `aicfg solve` in turn with the peer on the same case.

    python tests/bench/compare_with_peer.py --peer /path/to/bin/aiconfigurator [--case dense|moe] [--runs 5]

Runs the two commands alternately (after one warm-up each) and prints minimum, median and maximum of wall
time, CPU time and peak resident memory, and the ratio peer / aicfg of each pair of runs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CASES = {
    "dense": (
        "qwen3-32b-h100-vllm.yaml",
        "--model-path Qwen/Qwen3-32B --total-gpus 32 --system h100_sxm --backend vllm --isl 4000 --osl 500 "
        "--ttft 300 --tpot 10",
    ),
    "moe": (
        "deepseek-v3-h200-trtllm.yaml",
        "--model-path deepseek-ai/DeepSeek-V3 --total-gpus 64 --system h200_sxm --backend trtllm --isl 4000 "
        "--osl 1000 --ttft 2000 --tpot 30",
    ),
}
"""Our example and the peer's flags for the same question."""


class Cost(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str]) -> Cost:
    """Run a command to its end, its output thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed with status {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def spread(values: list[float]) -> str:
    """Minimum, median and maximum."""
    return f"{min(values):9.3f} {statistics.median(values):9.3f} {max(values):9.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="the peer's command")
    parser.add_argument("--aicfg", default=str(Path(sys.executable).parent / "aicfg"))
    parser.add_argument("--case", choices=CASES, default="dense")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    example, flags = CASES[given.case]
    ours = [given.aicfg, "solve", str(ROOT / "examples" / example)]
    theirs = [given.peer, "cli", "default", *flags.split()]
    measure(ours), measure(theirs)
    pairs = [(measure(ours), measure(theirs)) for _ in range(given.runs)]
    print(f"{'':22}{'min':>9} {'median':>9} {'max':>9}")
    for field in Cost._fields:
        mine = [getattr(a, field) for a, _ in pairs]
        peer = [getattr(b, field) for _, b in pairs]
        print(f"aicfg {field:16}{spread(mine)}")
        print(f"peer  {field:16}{spread(peer)}")
        print(f"ratio {field:16}{spread([b / a for a, b in zip(mine, peer, strict=True)])}")


if __name__ == "__main__":
    main()
