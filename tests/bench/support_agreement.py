"""Our verdicts beside the peer's support matrix, for every (model, system, engine) that it lists.

    python tests/bench/support_agreement.py --matrix /path/to/aiconfigurator_core/systems/support_matrix

The peer's cell is a yes when a row of the engine version whose tables are shipped here passed (of any
version, where it lists none of that one). Prints how often both agree, and each cell where we say no to its
yes, with the reason; with ``--ours`` also where we say yes to its no, with the best plan for that cell
(4,000 tokens in, 1,000 out, 128 GPUs, a loose agreement). ``--models`` takes parts of model ids.
"""

import argparse
import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aicfg.experiments.api import solve
from aicfg.experiments.peer.answers.supporting import support
from aicfg.experiments.peer.requests.translate import Settings
from aicfg.experiments.plans.words import layout
from aicfg.hardware.places import Places
from aicfg.model_specs.errors import AicfgError

GPUS = 128
SLA = {"ttft_ms": 60_000, "tpot_ms": 1_000}


class Cell(NamedTuple):
    """One question of the matrix."""

    model: str
    system: str
    backend: str


Verdicts = dict[Cell, dict[str, dict[str, bool]]]
"""Cell -> mode -> version -> whether a row passed."""


def peers(folder: Path) -> Verdicts:
    """The peer's rows."""
    found: Verdicts = defaultdict(lambda: defaultdict(dict))
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                cell = Cell(row["HuggingFaceID"], row["System"], row["Backend"])
                versions = found[cell][row["Mode"]]
                versions[row["Version"]] = versions.get(row["Version"], False) or row["Status"] == "PASS"
    return found


def compared(matrix: Verdicts, profile: str) -> Iterator[tuple[Cell, str, bool, bool, str]]:
    """Cell, mode, the peer's verdict, ours, and our reason."""
    places = Places()
    for cell, modes in matrix.items():
        version = places.load_system(cell.system).default_versions.get(cell.backend, "")
        try:
            ours = support(cell.model, cell.system, cell.backend, Settings(profile), near=False)
            answers, reason = {"agg": ours.agg, "disagg": ours.disagg}, ours.reason or ""
        except AicfgError as error:
            answers, reason = {"agg": False, "disagg": False}, str(error)
        for mode, versions in modes.items():
            if mode in answers:
                theirs = versions.get(version, any(versions.values()))
                yield cell, mode, theirs, answers[mode], reason


def plan_found(cell: Cell, mode: str, profile: str) -> str:
    """The best plan in one mode, in words."""
    experiment = {
        "model": cell.model,
        "workload": {"isl": 4000, "osl": 1000},
        "sla": SLA,
        "fleet": {"system": cell.system, "gpus": GPUS},
        "serving": {"backend": cell.backend, "mode": mode},
        "profile": profile,
    }
    try:
        plan = solve(experiment, explain=False)
    except AicfgError as error:
        return str(error)
    if not plan.pools:
        return f"{plan.status} on {GPUS} GPUs"
    pools = " + ".join(
        f"{pool.workers} x {layout(pool)} {pool.role}"
        f" (batch {pool.batch}, {pool.memory_gib.used:.0f} of {pool.memory_gib.limit:.0f} GiB)"
        for pool in plan.pools
    )
    return f"{plan.tokens_per_s:,.0f} tokens/s {plan.status}: {pools}"


def main() -> int:
    """Compare and print; 1 where we say no to a yes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--matrix", required=True, type=Path)
    parser.add_argument("--profile", default="aiconfigurator-0.12")
    parser.add_argument("--ours", action="store_true", help="list the cells that only we can do")
    parser.add_argument("--every", type=int, default=1, help="only every n-th cell")
    parser.add_argument(
        "--models", nargs="*", default=[""], help="only models whose ids contain one of these"
    )
    given = parser.parse_args()
    matrix = peers(given.matrix)
    asked = {
        cell: modes for cell, modes in matrix.items() if any(part in cell.model for part in given.models)
    }
    some = dict(list(asked.items())[:: given.every])
    counts: Counter[tuple[bool, bool]] = Counter()
    for cell, mode, theirs, ours, reason in compared(some, given.profile):
        counts[theirs, ours] += 1
        if theirs and not ours:
            print("we say no: ", *cell, mode, reason[:200], flush=True)
        elif ours and not theirs and given.ours:
            print("only we:   ", *cell, mode, "-", plan_found(cell, mode, given.profile), flush=True)
    print(f"both yes {counts[True, True]}, both no {counts[False, False]}")
    print(f"only we {counts[False, True]}, only the peer {counts[True, False]}")
    return 1 if counts[True, False] else 0


if __name__ == "__main__":
    sys.exit(main())
