"""``aicfg simulate``: a plan's deployment under load, simulated step by step."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aicfg.experiments.progress import progress
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from aicfg.experiments.plans.plan import Plan
    from aicfg.experiments.predictions.simulate import Loop, Run, Simulation
    from aicfg.hardware.interpolation import FloatArray

MOST_REQUESTS = 1_000_000
LOOPS = {"closed": "clients that wait for their answers", "poisson": "Poisson arrivals"}


def add_simulate_arguments(command: ArgumentParser) -> None:
    """The command's flags."""
    command.set_defaults(run=run_simulate)
    command.add_argument(
        "file", metavar="FILE", help="a plan (aicfg solve --json), or an experiment to solve"
    )
    command.add_argument(
        "--arrivals", choices=tuple(LOOPS), help="clients that ask anew, or Poisson arrivals (the plan's)"
    )
    command.add_argument("--rate", type=float, metavar="R", help="requests/s of Poisson arrivals")
    command.add_argument(
        "--requests", type=int, metavar="N", help="of the run (default: 20 for each in flight)"
    )
    command.add_argument(
        "--spread", type=float, default=0.1, metavar="S", help="lengths are drawn ± so large a share (0.1)"
    )
    command.add_argument("--opening", action="store_true", help="count the opening burst too")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random numbers")
    command.add_argument("--png", metavar="FILE", help="draw both distributions into this file")
    command.add_argument("--json", action="store_true", help="print JSON and nothing else")
    command.add_argument("--no-color", action="store_true", help="plain text")


def run_simulate(options: Namespace) -> int:
    """Print how a plan's requests fare."""
    from aicfg.experiments.predictions.simulate import simulate_plan

    plan = plan_in(options.file)
    asked = _run(options, options.arrivals or plan.inputs["sla"].get("arrivals", "closed"))
    with progress("simulating"):
        simulation, ttft, tpot = simulate_plan(plan, asked)
    if options.png:
        from aicfg.experiments.reports.simulation_picture import draw

        draw(Path(options.png), simulation, ttft, tpot)
    if options.json:
        print(simulation.to_json(indent=2))
        return 0
    from aicfg.experiments.reports.parts import print_on

    print(_title(simulation, plan))
    table = _table(simulation, plan, comparable=asked.requests_per_s is None)
    print_on(table, sys.stdout, color=not options.no_color)
    print(f"\n{_curves(ttft, tpot)}")
    return 0


def _run(options: Namespace, arrivals: "Loop") -> "Run":
    """What the flags ask for."""
    from aicfg.experiments.predictions.simulate import Run
    from aicfg.experiments.reports.writing import check_png

    if options.png:
        check_png(options.png)
    bounds = (("rate", 1e-3, 1e6), ("requests", 1, MOST_REQUESTS), ("spread", 0.0, 0.99))
    for name, low, high in bounds:
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"--{name} {value:g}: expected a number from {low:g} to {high:g}")
    if options.rate is not None and arrivals == "closed":
        raise InputError("--rate: clients ask anew when they have their answer; add --arrivals poisson")
    return Run(arrivals, options.requests, options.rate, options.spread, options.opening, options.seed)


def plan_in(path: str) -> "Plan":
    """The plan in a file, or the best one for the experiment in it.

    Raises
    ------
    InputError
        If there is neither.
    """
    from aicfg.experiments.api import solve
    from aicfg.experiments.ask.loader import load
    from aicfg.experiments.plans.plan import Plan

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from None
    if text.lstrip().startswith("{") and '"certificate"' in text:
        return Plan.from_json(text)
    experiments = load(path)
    if len(experiments) > 1:
        raise InputError(f"{path}: holds {len(experiments)} experiments; expected one")
    return solve(experiments[0])


def _title(simulation: "Simulation", plan: "Plan") -> str:
    from aicfg.experiments.plans.words import pool_words

    lengths = f", lengths ± {100 * simulation.spread:g} %" if simulation.spread else ""
    counted = "" if simulation.opening else " of the steady state"
    pools = " + ".join(map(pool_words, plan.pools))
    asked = f"{simulation.requests:,} requests{counted}, {LOOPS[simulation.arrivals]}{lengths}"
    return f"{simulation.experiment}: {pools}\n{asked}\n"


def _table(simulation: "Simulation", plan: "Plan", comparable: bool) -> "Table":
    """The figures; beside the plan's where it is put under the load that it was made for."""
    from rich.table import Table

    from aicfg.experiments.plans.words import number

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("", "mean", "P50", "P90", "P99", *(("plan", "plan's error") if comparable else ())):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for label, found, said in (
        ("TTFT ms", simulation.ttft_ms, simulation.plan_ttft_ms),
        ("TPOT ms", simulation.tpot_ms, simulation.plan_tpot_ms),
    ):
        figures = (found.mean, found.p50, found.p90, found.p99)
        table.add_row(label, *map(number, figures), *_beside(said, found.mean, comparable))
    for label, value, said in (
        ("tokens/s", simulation.tokens_per_s, simulation.plan_tokens_per_s),
        ("requests/s", simulation.requests_per_s, plan.requests_per_s or 0.0),
        ("in flight", simulation.concurrency, float(plan.concurrency or 0)),
    ):
        table.add_row(label, number(value), "", "", "", *_beside(said, value, comparable))
    return table


def _beside(said: float, found: float, comparable: bool) -> tuple[str, ...]:
    """What the plan says, and how far that is off."""
    from aicfg.experiments.plans.words import number

    return (number(said), f"{100 * (said / found - 1):+.1f} %") if comparable else ()


def _curves(ttft: "FloatArray", tpot: "FloatArray") -> str:
    """Both distributions as a text plot: share of requests below a multiple of the median."""
    from aicfg.experiments.reports.textplot import Series, plot

    shares = np.linspace(0.01, 0.995, 70)
    series = []
    for mark, label, values in (("o", "TTFT", ttft), ("*", "TPOT", tpot)):
        multiples = np.quantile(values, shares) / np.median(values)
        series.append(Series(mark, label, multiples.tolist(), (100 * shares).tolist()))
    return plot(series, "", "multiple of the median", "% of requests below")
