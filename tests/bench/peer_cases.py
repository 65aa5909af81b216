"""aicfg against AIConfigurator's own answers: output tokens/s of the whole GPU budget, under the same
profile.

    python tests/bench/peer_cases.py [--mixed]

Reads ``tests/data/peer_cases.csv`` (what AIConfigurator 0.12.0 answered) and prints, for each case and mode,
both figures and why ours is larger: a batch that its grid skips, or GPUs that its answer leaves idle. With
``--mixed``: its best answer, our plain optimum (mode auto, one type a role, whole prompts), and ours with
aggregated workers beside prefill and decode, any number of types a role and free chunk budgets.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aicfg
from aicfg.experiments.plans.words import pool_words

CASES = Path(__file__).parents[1] / "data" / "peer_cases.csv"
PEER_BATCHES = {
    "agg": {
        *range(1, 16),
        *range(16, 29, 4),
        *range(32, 57, 8),
        *range(64, 241, 16),
        *range(256, 481, 32),
        512,
    },
    "disagg": {*range(1, 16), *range(16, 31, 2), *range(32, 125, 4), *range(128, 505, 8), 512},
}
ROUNDING = 0.005
"""The peer prints tokens/s per GPU to two decimals."""


@dataclass(frozen=True)
class Comparison:
    """One case in one mode."""

    case: str
    mode: str
    budget: int
    ours: aicfg.Plan
    peer_tokens_per_s: float
    peer_gpus: int

    @property
    def gain(self) -> float:
        """Our tokens/s over the peer's, less one."""
        return (self.ours.tokens_per_s or 0.0) / self.peer_tokens_per_s - 1.0

    @property
    def skipped_batch(self) -> bool:
        """Whether our plan uses a batch that the peer's grid lacks."""
        grown = [pool for pool in self.ours.pools if pool.role != "prefill"]
        return any(pool.batch not in PEER_BATCHES[self.mode] for pool in grown)

    @property
    def peer_idles(self) -> bool:
        """Whether the peer's answer leaves GPUs of the budget unused."""
        return self.peer_gpus < self.budget

    @property
    def at_least(self) -> bool:
        """Whether we serve no less, but for the peer's rounding."""
        return (self.ours.tokens_per_s or 0.0) >= self.peer_tokens_per_s - ROUNDING * self.budget


PLAIN: dict[str, Any] = {"mode": "auto"}
FREE: dict[str, Any] = {
    "mode": "mixed",
    "types_per_role": "any",
    "search": {"agg": {"chunk_tokens": "auto"}},
}


@dataclass(frozen=True)
class Freedom:
    """One case, asked plainly and with everything free."""

    case: str
    peer_tokens_per_s: float
    """The better of the peer's two answers."""
    plain: aicfg.Plan
    free: aicfg.Plan

    @property
    def gain(self) -> float:
        """What the freedom adds to the plain optimum, as a share of it."""
        return (self.free.tokens_per_s or 0.0) / (self.plain.tokens_per_s or 1.0) - 1.0


def free(row: dict[str, str]) -> Freedom:
    """Solve one case both ways."""
    plans = [aicfg.solve(experiment(row, **serving)) for serving in (PLAIN, FREE)]
    answers = (float(row[f"{mode}_tokens_s"]) for mode in PEER_BATCHES if row[f"{mode}_meets_sla"] == "True")
    return Freedom(row["case"], max(answers), *plans)


def experiment(row: dict[str, str], mode: str, **serving: Any) -> dict[str, Any]:
    """The case as an experiment."""
    return {
        "name": f"{row['case']}-{mode}",
        "model": row["model"],
        "workload": {"isl": int(row["isl"]), "osl": int(row["osl"]), "prefix": int(row["prefix"])},
        "sla": {"ttft_ms": float(row["ttft_ms_sla"]), "tpot_ms": float(row["tpot_ms_sla"])},
        "fleet": {"system": row["system"], "gpus": int(row["gpus"])},
        "serving": {"backend": row["backend"], "mode": mode, **serving},
        "profile": "aiconfigurator-0.12",
    }


def compare(row: dict[str, str], mode: str) -> Comparison:
    """Solve one case in one mode and set it beside the peer's answer."""
    plan = aicfg.solve(experiment(row, mode))
    peer, gpus = float(row[f"{mode}_tokens_s"]), int(row[f"{mode}_gpus_used"])
    return Comparison(row["case"], mode, int(row["gpus"]), plan, peer, gpus)


def cases() -> list[dict[str, str]]:
    """All rows of the file."""
    with CASES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixed", action="store_true", help="plain beside mixed with everything free")
    (_print_freedoms if parser.parse_args().mixed else _print_cases)()


def _print_freedoms() -> None:
    print(f"{'case':5}{'peer':>10}{'plain':>10}{'free':>10}{'gain':>8}{'proven':>8}  plan")
    for row in cases():
        found = free(row)
        plan = " + ".join(pool_words(pool) for pool in found.free.pools)
        proven = "yes" if {found.plain.status, found.free.status} == {"optimal"} else "no"
        print(
            f"{found.case:5}{found.peer_tokens_per_s:10.1f}{found.plain.tokens_per_s or 0:10.1f}"
            f"{found.free.tokens_per_s or 0:10.1f}{found.gain:8.2%}{proven:>8}  {plan}",
            flush=True,
        )


def _print_cases() -> None:
    print(f"{'case':5}{'mode':8}{'aicfg':>10}{'peer':>10}{'gain':>8}  {'GPUs':>9}  why, and the plan")
    for row in cases():
        for mode in ("agg", "disagg"):
            try:
                found = compare(row, mode)
            except aicfg.InputError as error:
                print(f"{row['case']:5}{mode:8}  {error}")
                continue
            why = [word for word, so in (("batch", found.skipped_batch), ("idle", found.peer_idles)) if so]
            plan = ", ".join(f"{pool_words(pool)} b{pool.batch}" for pool in found.ours.pools)
            used = f"{found.ours.gpus_used}/{found.peer_gpus}"
            print(
                f"{found.case:5}{mode:8}{found.ours.tokens_per_s or 0:10.1f}{found.peer_tokens_per_s:10.1f}"
                f"{found.gain:8.1%}  {used:>9}  {'+'.join(why) or '-':12}{plan}"
            )


if __name__ == "__main__":
    main()
