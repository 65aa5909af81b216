"""``aicfg price``: what each bound costs in tokens/s."""

import json
import sys
from argparse import ArgumentParser, Namespace
from math import ceil
from typing import TYPE_CHECKING

from aicfg.experiments.options import add_settings, settings_of
from aicfg.experiments.side_by_side import print_plain, table
from aicfg.experiments.words import exact, number

if TYPE_CHECKING:
    from aicfg.experiments.price import Price, Prices, Step


def add_price_arguments(price: ArgumentParser) -> None:
    """The options of ``aicfg price``."""
    price.set_defaults(run=run_price)
    price.add_argument("file", metavar="FILE", help="experiment in YAML")
    add_settings(price)
    price.add_argument("--json", action="store_true", help="print JSON and nothing else")
    price.add_argument("--no-color", action="store_true", help="plain text")


def run_price(options: Namespace) -> int:
    """Print the next steps of the optimum on either side of every bound; the exit code."""
    from aicfg.experiments.price import prices_of
    from aicfg.experiments.variants import the_experiment

    prices = prices_of(the_experiment(options.file, settings_of(options)))
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
    head = f"{prices.experiment}: {number(outcome.tokens_per_s)} tokens/s, {outcome.words}\n"
    print_plain(head, sys.stdout, color=color)
    heads = ("bound", ">asked", ">used", "side", ">step at", ">tokens/s", ">change", ">price", "plan there")
    rows = [row for price in prices.prices for row in _rows(price)]
    print_plain(table(heads, rows), sys.stdout, color=color)


def _rows(price: "Price") -> list[list[str]]:
    first = [price.bound, exact(price.asked), _rounded_up(price.used)]
    gpus = price.bound.endswith(".gpus")
    return [
        [*first, "looser", *_step(price.looser, gpus=gpus)],
        ["", "", "", "tighter", *_step(price.tighter, gpus=gpus, below=True)],
    ]


def _rounded_up(bound: float) -> str:
    """To a thousandth, so that the bound as shown still holds."""
    return exact(ceil(round(1000 * bound, 3)) / 1000)


def _step(step: "Step | None", *, gpus: bool, below: bool = False) -> list[str]:
    if step is None:
        return ["-", "-", "-", "-", "nothing is gained"]
    at = f"< {_rounded_up(step.at)}" if below else _rounded_up(step.at)
    if step.change is None or step.price is None:
        return [at, "-", "-", "-", "no plan"]
    price = f"{number(step.price)}/{'GPU' if gpus else 'ms'}"
    return [at, number(step.tokens_per_s), f"{step.change:+,.1f}", price, step.plan]
