"""What the validator finds in deployment files of aicfg and of AIConfigurator, for the same four questions.

    python tests/bench/compare_generators.py PATH_TO/bin/aiconfigurator

Needs AIConfigurator 0.12.0 in an environment of its own. Prints one line for each kind of finding: how often,
and its first example. Both write for the same question; each writes its own best plan.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / "tests" / "data" / "deploy" / "validate_artifacts.py"
DEPLOY = ROOT / "experiments" / "deploy"
CASES = {
    "qwen3-32b-fp8-h100-vllm": "Qwen/Qwen3-32B-FP8 32 h100_sxm vllm 4000 1000 1000 40",
    "qwen3-235b-fp8-h200-sglang": "Qwen/Qwen3-235B-A22B-FP8 36 h200_sxm sglang 3000 800 1500 40",
    "llama-3.1-70b-h200-trtllm": "meta-llama/Meta-Llama-3.1-70B 12 h200_sxm trtllm 2000 300 500 25",
    "deepseek-v3-h200-trtllm": "deepseek-ai/DeepSeek-V3 64 h200_sxm trtllm 4000 1000 2000 30",
}
FLAGS = ("model-path", "total-gpus", "system", "backend", "isl", "osl", "ttft", "tpot")


def main() -> None:
    """Run both generators and the validator, case by case."""
    (peer,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        for name, question in CASES.items():
            print(f"== {name}")
            asked = [
                word
                for pair in zip(FLAGS, question.split(), strict=True)
                for word in (f"--{pair[0]}", pair[1])
            ]
            theirs, ours = Path(work) / name / "theirs", Path(work) / name / "ours"
            theirs.mkdir(parents=True)
            subprocess.run(
                [peer, "cli", "default", *asked, "--save-dir", theirs, "--top-n", "1"], capture_output=True
            )
            plan = theirs.parent / "plan.json"
            example = ROOT / "examples" / f"{name}.yaml"
            solved = subprocess.run(
                [sys.executable, "-m", "aicfg", "solve", example, "--json"], capture_output=True, check=True
            )
            plan.write_bytes(solved.stdout)
            subprocess.run(
                [sys.executable, "-m", "aicfg", "deploy", plan, "--out", ours],
                capture_output=True,
                check=True,
            )
            gpus = question.split()[1]
            report("AIConfigurator", theirs, gpus)
            report("aicfg", ours, gpus)


def report(whose: str, folder: Path, gpus: str) -> None:
    """Findings of one folder, counted by kind."""
    lists = ["--flags-dir", DEPLOY / "flags", "--crd-dir", DEPLOY / "checks" / "crd"]
    done = subprocess.run(
        [sys.executable, VALIDATOR, folder, "--total-gpus", gpus, *lists, "--json"],
        capture_output=True,
        text=True,
    )
    findings = json.loads(done.stdout)["findings"]
    scripts = len(list(folder.rglob("*.*")))
    print(f"  {whose}: {len(findings)} findings in {scripts} files")
    kinds = Counter((each["level"], each["code"], re.sub(r"\d+", "N", each["message"])) for each in findings)
    first = {(each["code"], re.sub(r"\d+", "N", each["message"])): each for each in reversed(findings)}
    for (level, code, kind), count in sorted(kinds.items()):
        example = first[(code, kind)]
        print(f"    {count} × {level} {code}: {example['message'][:150]}")


if __name__ == "__main__":
    main()
