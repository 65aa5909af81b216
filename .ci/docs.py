#!/usr/bin/env python3
"""The outputs shown in README and docs, beside what their commands print today.

    python .ci/docs.py --aicfg .venv/bin/aicfg            says which differ, and exits with 1 if any does
    python .ci/docs.py --aicfg .venv/bin/aicfg --write    puts today's output in their place

An output is a ``text`` block whose first line is ``$ aicfg ...``. A line ``...`` in it stands for any lines
left out: then the others must be among those printed, in this order. The time that a solve took may differ.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?<=^```text\n)\$ aicfg (?P<words>[^\n]*)\n(?P<shown>.*?)(?=^```$)", re.M | re.S)
TAKEN = re.compile(r"\d[\d,.]* (ms|s)$", re.M)
"""A duration at the end of a line: the time of a solve; latencies of a plan stand within their line."""
LEFT_OUT = "..."


def pages() -> list[Path]:
    """Every page that may show an output."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def printed(aicfg: Path, words: str) -> str:
    """What the command prints to standard output, run where examples/ is at hand and nothing else is."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        done = subprocess.run(
            [aicfg, *shlex.split(words)], cwd=folder, capture_output=True, text=True, check=False
        )
    return done.stdout or done.stderr


def same(shown: str, today: str) -> bool:
    """Whether the page still tells the truth."""
    wanted, found = (TAKEN.sub("", text).rstrip().splitlines() for text in (shown, today))
    if LEFT_OUT not in wanted:
        return wanted == found
    rest = iter(found)
    return all(line in rest for line in wanted if line != LEFT_OUT)


def main() -> int:
    """Go through all pages; how many outputs differ decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aicfg", type=Path, default=ROOT / ".venv/bin/aicfg", help="the command to run")
    parser.add_argument("--write", action="store_true", help="put today's output in its place")
    options = parser.parse_args()
    aicfg, stale, seen = options.aicfg.absolute(), 0, 0
    for page in pages():

        def renewed(block: re.Match[str], page: Path = page) -> str:
            nonlocal stale, seen
            seen += 1
            today = printed(aicfg, block["words"])
            if same(block["shown"], today):
                return block[0]
            stale += 1
            print(
                f"{page.relative_to(ROOT)}: aicfg {block['words']}: prints something else today", flush=True
            )
            kept = LEFT_OUT in block["shown"].splitlines()
            return block[0] if kept else f"$ aicfg {block['words']}\n{today.rstrip()}\n"

        text = page.read_text(encoding="utf-8")
        new = BLOCK.sub(renewed, text)
        if options.write and new != text:
            page.write_text(new, encoding="utf-8")
    done = "renewed, but for those with lines left out" if options.write else "stale"
    print(f"{seen} outputs, {stale} of them {done}")
    return 0 if options.write or not stale else 1


if __name__ == "__main__":
    sys.exit(main())
