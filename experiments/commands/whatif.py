"""``aicfg whatif``: variants of an experiment side by side, or its optimum over a sweep of keys."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aicfg.experiments.commands.settings import add_settings, settings_of
from aicfg.experiments.plans.words import exact, number
from aicfg.experiments.progress import progress
from aicfg.experiments.reports.side_by_side import print_plain, table
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from aicfg.experiments.around.sweep import Sweep
    from aicfg.experiments.around.whatif import Variant
    from aicfg.experiments.ask.schema import Experiment
    from aicfg.experiments.ask.variants import Change
    from aicfg.experiments.plans.tradeoffs import Outcome

_HEADS = (">tokens/s", ">per GPU", ">TTFT ms", ">TPOT ms", ">GPUs", "plan")


def add_whatif_arguments(whatif: ArgumentParser) -> None:
    """The options of ``aicfg whatif``."""
    whatif.set_defaults(run=run_whatif)
    whatif.add_argument("file", metavar="FILE", help="experiment in YAML")
    whatif.add_argument(
        "--relax",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another bound: ttft, tpot, request_latency (ms) or gpus; a number, or a share as +20%%",
    )
    whatif.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="START:STOP:STEP (both ends included) or A,B,...; twice for a grid",
    )
    add_settings(whatif)
    whatif.add_argument("--csv", metavar="FILE", help="also write the sweep as CSV")
    whatif.add_argument("--png", metavar="FILE", help="also draw the sweep: a line, or a map of two keys")
    whatif.add_argument("--json", action="store_true", help="print JSON and nothing else")
    whatif.add_argument("--no-color", action="store_true", help="plain text")


def run_whatif(options: Namespace) -> int:
    """Solve and print the variants, or the sweep; 0 when any has a plan, else 3."""
    from aicfg.experiments.ask.variants import relaxation, setting, the_experiment

    asked, options.settings = options.settings, []
    experiment = the_experiment(options.file, settings_of(options))
    changes = [relaxation(text, experiment) for text in options.relax] + [setting(text) for text in asked]
    if options.sweep:
        return _sweep(options, experiment, changes)
    given = [name for name in ("csv", "png") if getattr(options, name)]
    if given:
        raise InputError(f"--{given[0]}: only of use beside --sweep")
    if not changes:
        raise InputError("nothing to change: give --relax NAME=VALUE, --set KEY=VALUE or --sweep KEY=VALUES")
    return _variants(options, experiment, changes)


def _variants(options: Namespace, experiment: "Experiment", changes: "Sequence[Change]") -> int:
    from aicfg.experiments.around.whatif import variants

    with progress("variants", after_s=1.0):
        found = variants(experiment, changes)
    if options.json:
        plain = [each.row() for each in found]
        print(json.dumps({"schema": 1, "experiment": experiment.name, "variants": plain}, indent=2))
    else:
        heads, cells = _objective([each.outcome for each in found])
        heads = ["variant", *heads, ">change", *_HEADS]
        rows = [[each.name, *value, *_variant_cells(each)] for each, value in zip(found, cells, strict=True)]
        print_plain(table(heads, rows), sys.stdout, color=not options.no_color)
    return _code(each.outcome for each in found)


def _variant_cells(variant: "Variant") -> list[str]:
    *others, plan = _cells(variant.outcome)
    gain = "-" if variant.gain is None else f"{100 * variant.gain:+.1f} %"
    if variant.missing is not None:
        plan = f"infeasible: {variant.missing.words}"
    return [gain, *others, plan]


def _objective(outcomes: "Sequence[Outcome]") -> tuple[list[str], list[list[str]]]:
    """A column for the objective, with its head, where that is not the tokens/s of all tables."""
    name = outcomes[0].objective
    if name == "tokens_per_s":
        return [], [[] for _ in outcomes]
    return [f">{name}"], [[number(each.objective_value)] for each in outcomes]


def _cells(outcome: "Outcome") -> list[str]:
    if outcome.tokens_per_s is None:
        return ["-", "-", "-", "-", f"0/{outcome.gpus_budget:,}", outcome.status]
    return [
        number(outcome.tokens_per_s),
        number(outcome.tokens_per_s_per_gpu),
        number(outcome.ttft_ms),
        number(outcome.tpot_ms),
        f"{outcome.gpus_used:,}/{outcome.gpus_budget:,}",
        outcome.words,
    ]


def _sweep(options: Namespace, experiment: "Experiment", changes: "Sequence[Change]") -> int:
    from aicfg.experiments.around.sweep import swept
    from aicfg.experiments.ask.variants import axis, changed

    axes = [axis(text) for text in options.sweep]
    if options.png:
        from aicfg.experiments.reports.sweep_picture import check_picture

        check_picture(options.png, axes)
    base = changed(experiment, changes) if changes else experiment
    with progress("points", after_s=1.0) as advance:
        found = swept(base, axes, lambda done, of: advance(done, of, "points"))
    _save(options, found)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        keys = [f">{each.key}" for each in axes]
        heads, cells = _objective(found.outcomes)
        rows = [
            [*map(exact, point), *value, *_cells(outcome)]
            for point, value, outcome in zip(found.points, cells, found.outcomes, strict=True)
        ]
        print_plain(table((*keys, *heads, *_HEADS), rows), sys.stdout, color=not options.no_color)
    return _code(found.outcomes)


def _save(options: Namespace, found: "Sweep") -> None:
    from aicfg.experiments.reports.writing import write_csv, write_file

    if options.csv:
        write_csv(options.csv, found.rows())
    if options.png:
        from aicfg.experiments.reports.sweep_picture import draw

        write_file(options.png, lambda path: draw(found, path))


def _code(outcomes: "Iterator[Outcome] | Sequence[Outcome]") -> int:
    statuses = {outcome.status for outcome in outcomes}
    return 0 if statuses & {"optimal", "feasible"} else 4 if "unknown" in statuses else 3
