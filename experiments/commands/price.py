"""``aicfg price``: what each bound costs."""

import json
import sys
from argparse import ArgumentParser, Namespace
from math import ceil, floor
from typing import TYPE_CHECKING

from aicfg.experiments.commands.settings import add_settings, settings_of
from aicfg.experiments.plans.words import UNITS, exact, number
from aicfg.experiments.progress import progress
from aicfg.experiments.reports.side_by_side import print_plain, table
from aicfg.experiments.solving.bounds import LOAD

if TYPE_CHECKING:
    from aicfg.experiments.around.prices import Price, Prices, Step


def add_price_arguments(price: ArgumentParser) -> None:
    """The options of ``aicfg price``."""
    price.set_defaults(run=run_price)
    price.add_argument("file", metavar="FILE", help="experiment in YAML")
    add_settings(price)
    price.add_argument("--json", action="store_true", help="print JSON and nothing else")
    price.add_argument("--no-color", action="store_true", help="plain text")


def run_price(options: Namespace) -> int:
    """Print the next steps of the optimum on either side of every bound; the exit code."""
    from aicfg.experiments.around.prices import prices_of
    from aicfg.experiments.ask.variants import the_experiment

    experiment = the_experiment(options.file, settings_of(options))
    with progress("bounds", after_s=1.0) as advance:
        prices = prices_of(experiment, lambda done, of: advance(done, of, "bounds"))
    if options.json:
        print(json.dumps(prices.to_dict(), indent=2))
    else:
        _print(prices, color=not options.no_color)
    return 0 if prices.prices else 3


def _print(prices: "Prices", *, color: bool) -> None:
    outcome = prices.outcome
    if not prices.prices:
        words = f"{prices.experiment}: no plan exists within these constraints ({outcome.status}),"
        print_plain(f"{words} so they have no price; see aicfg solve", sys.stdout, color=color)
        return
    unit = UNITS[outcome.objective]
    head = f"{prices.experiment}: {number(outcome.objective_value)} {unit}, {outcome.words}\n"
    print_plain(head, sys.stdout, color=color)
    heads = ("bound", ">asked", ">used", "side", ">step at", f">{unit}", ">change", ">price", "plan there")
    rows = [row for price in prices.prices for row in _rows(price)]
    print_plain(table(heads, rows), sys.stdout, color=color)


def _rows(price: "Price") -> list[list[str]]:
    used = "-" if price.used is None else _rounded(price.used, up=price.bound != LOAD)
    asked = price.asked if isinstance(price.asked, str) else exact(price.asked)
    beyond = ">" if price.bound == LOAD else "<"
    per = f"/{price.unit}" if price.unit else ""
    return [
        [price.bound, asked, used, "looser", *_step(price.looser, per, "", price.bound)],
        ["", "", "", "tighter", *_step(price.tighter, per, beyond, price.bound)],
    ]


def _rounded(bound: float, *, up: bool) -> str:
    """To a thousandth, so that the bound as shown still holds: a latency up, a load down."""
    thousandths = round(1000 * bound, 3)
    return exact((ceil(thousandths) if up else floor(thousandths)) / 1000)


def _step(step: "Step | None", per: str, beyond: str, bound: str) -> list[str]:
    if step is None:
        return ["-", "-", "-", "-", "nothing is lost" if beyond else "nothing is gained"]
    at = step.at if isinstance(step.at, str) else f"{beyond} {_rounded(step.at, up=bound != LOAD)}".strip()
    if step.value is None or step.change is None or step.price is None:
        return [at, "-", "-", "-", "no plan"]
    sign = "+" if step.change > 0 else "-"
    change = f"{sign}{number(abs(step.change))}"
    return [at, number(step.value), change, f"{number(step.price)}{per}", step.plan]
