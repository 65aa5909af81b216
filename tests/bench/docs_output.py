"""Whether the outputs that the documentation shows are what the commands print.

    python tests/bench/docs_output.py [--write] [PAGE ...]

A shown output is a ``text`` block that begins with ``$ aicfg ...``, or follows a line that ends with
```aicfg ...`:``. Each command is run anew (it writes no files). Prints the pages and commands whose output differs,
times and list widths apart; with ``--write`` the block is replaced. 1 when any differed.
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(
    r"(?P<before>[^\n]*\n)\n```text\n(?P<prompt>\$ (?P<typed>aicfg [^\n]*)\n)?(?P<output>.*?)```\n", re.DOTALL
)
NAMED = re.compile(r"`(aicfg [^`]*)`[^`]*:$")
TIME = re.compile(r"[\d,.]+\s+m?s\b")


class Difference(NamedTuple):
    """A shown output that is another one now."""

    page: Path
    command: str


def refreshed(page: Path) -> tuple[str, list[Difference]]:
    """The page with every shown output as it is now, and which of them differed by more than times."""
    differing: list[Difference] = []

    def anew(block: re.Match[str]) -> str:
        named = NAMED.search(block["before"].rstrip())
        command = block["typed"] or (named and named[1])
        if not command or "examples/" not in command:
            return block[0]
        now = output(command)
        if TIME.sub("", now).split() == TIME.sub("", block["output"]).split():
            return block[0]
        differing.append(Difference(page, command))
        return f"{block['before']}\n```text\n{block['prompt'] or ''}{now}```\n"

    return SHOWN.sub(anew, page.read_text(encoding="utf-8")), differing


def output(command: str) -> str:
    """What a command prints on standard output."""
    words = shlex.split(command)[1:]
    done = subprocess.run([sys.executable, "-m", "aicfg", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout


def main() -> int:
    """Compare, and write if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="replace what differs")
    parser.add_argument("pages", nargs="*", type=Path, help="default: README.md and docs/")
    given = parser.parse_args()
    found = 0
    for page in given.pages or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text, differing = refreshed(page)
        for each in differing:
            print(f"{each.page.name}: {each.command}", flush=True)
        found += len(differing)
        if given.write and differing:
            page.write_text(text, encoding="utf-8")
    return 1 if found and not given.write else 0


if __name__ == "__main__":
    sys.exit(main())
