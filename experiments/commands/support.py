"""``aicfg support``: which models can be solved on which systems with which engines, and why not."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aicfg.model_specs.errors import InputError, nearest

if TYPE_CHECKING:
    from rich.table import Table

    from aicfg.experiments.ask.support import Verdict

BACKENDS = ("vllm", "sglang", "trtllm")


def run_support(options: Namespace) -> int:
    """Print the matrix: one line a system for one model, else one line a model."""
    from aicfg.experiments.ask.support import engines_of, verdicts
    from aicfg.hardware.modes import DataMode
    from aicfg.hardware.places import SHIPPED, Places
    from aicfg.hardware.profile import load_profile
    from aicfg.model_specs.resolve import catalogue_ids

    mode, profile = DataMode(options.data_mode), load_profile(options.profile)
    places = Places(options.systems_paths.split(",") if options.systems_paths else (SHIPPED,))
    systems = [options.system] if options.system else places.system_names()
    backends = [_backend(options.backend)] if options.backend else BACKENDS
    models = [options.model] if options.model else catalogue_ids()
    found = list(verdicts(models, engines_of(places, systems, backends, mode), mode, profile))
    if options.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    _print(found, one_model=options.model is not None)
    return 0


def _backend(name: str) -> str:
    if name not in BACKENDS:
        raise InputError(
            f"--backend: got {name!r}; expected one of {', '.join(BACKENDS)}{nearest(name, BACKENDS)}"
        )
    return name


def _print(found: "Sequence[Verdict]", *, one_model: bool) -> None:
    from aicfg.experiments.reports.parts import print_on

    if not one_model:
        print_on(_models(found), sys.stdout, plain_width=200)
        print("\nv vllm, s sglang, t trtllm; aicfg support --model ID says why not.")
        return
    reasons = list(dict.fromkeys(_general(each) for each in found if not each.supported))
    print_on(_systems_table(found, reasons), sys.stdout, plain_width=200)
    if reasons:
        print()
    for number, reason in enumerate(reasons, 1):
        print(f"{number:>3}  {reason}")


def _systems_table(found: "Sequence[Verdict]", reasons: list[str]) -> "Table":
    """Of one model: engines beside each other, with the smallest worker or the number of the reason."""
    table = _table("system", *dict.fromkeys(each.backend for each in found))
    for system in dict.fromkeys(each.system for each in found):
        table.add_row(system, *(_cell(each, reasons) for each in found if each.system == system))
    return table


def _cell(verdict: "Verdict", reasons: list[str]) -> str:
    if verdict.supported:
        return f"✓ {verdict.layout}" + (f" ({verdict.version})" if verdict.version else "")
    return f"✗ {reasons.index(_general(verdict)) + 1}"


def _general(verdict: "Verdict") -> str:
    """Its reason without what the cell says already, and without advice: alike for all that share it."""
    reason, system = verdict.reason or "", verdict.system
    for advice in (" (to fill the gap", "; nearest is", "; did you mean", " (measured for"):
        reason = reason.partition(advice)[0]
    engine = f" of {verdict.backend} {verdict.version}"
    for place in (engine, f" on {system}", f" of {system}", f", {verdict.backend}"):
        reason = reason.replace(place, "")
    return reason


def _models(found: "Sequence[Verdict]") -> "Table":
    """Of many models: the engines' letters under each system."""
    systems = dict.fromkeys(each.system for each in found)
    table = _table("model", *systems)
    cells: dict[str, dict[str, str]] = {}
    for each in found:
        of_model = cells.setdefault(each.model, dict.fromkeys(systems, ""))
        of_model[each.system] += each.backend[0] if each.supported else "·"
    for model, row in cells.items():
        table.add_row(model, *row.values())
    return table


def _table(*heads: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table
