"""Prices: the next steps of the optimum, found by the solver and checked by plain solves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments.loader import load
from aicfg.experiments.price import _first, _last_first, prices_of
from aicfg.experiments.variants import the_experiment

NS = 1e-6
"""A nanosecond in ms: latencies are whole ones."""


def value(path: Path, *settings: str) -> float | None:
    """Tokens/s of a plain solve."""
    return aicfg.solve(load(path, settings=settings)[0], explain=False).tokens_per_s


@pytest.mark.parametrize(
    "settings",
    [
        ["sla.tpot_ms=12"],
        ["sla.tpot_ms=20", "sla.ttft_ms=250"],
        ["sla.tpot_ms=null", "sla.request_latency_ms=3000"],
    ],
)
def test_steps_are_where_plain_solves_find_them(small: Path, settings: list[str]) -> None:
    """On both sides of each step a plain solve gives exactly the figures of the price."""
    found = prices_of(the_experiment(small, settings))
    base = value(small, *settings)
    assert found.outcome.tokens_per_s == base
    for price in found.prices:
        unit = 1 if price.bound == "fleet.gpus" else NS

        def at(bound: float, key: str = price.bound) -> float | None:
            shown = int(bound) if key == "fleet.gpus" else f"{bound:.6f}"
            return value(small, *settings, f"{key}={shown}")

        assert at(price.tighter.at) == base
        if price.tighter.at > unit:
            assert at(price.tighter.at - unit) == price.tighter.tokens_per_s
            assert price.tighter.tokens_per_s is None or price.tighter.tokens_per_s < base
        if price.looser is not None:
            assert at(price.looser.at) == price.looser.tokens_per_s
            assert at(price.looser.at - unit) == base
            assert price.looser.tokens_per_s > base
            gain = price.looser.tokens_per_s - base
            assert price.looser.change == pytest.approx(gain)
            assert price.looser.price == pytest.approx(gain / (price.looser.at - price.asked))
    assert any(price.looser for price in found.prices)


def test_no_looser_step_means_that_nothing_is_gained(small: Path) -> None:
    """Where there is no step above, even no bound at all gives the same."""
    found = prices_of(the_experiment(small, ["sla.ttft_ms=100000"]))
    ttft = found.prices[0]
    assert (ttft.bound, ttft.looser) == ("sla.ttft_ms", None)
    assert value(small, "sla.ttft_ms=null") == found.outcome.tokens_per_s


def test_the_command(run: Callable[..., Any], small: Path) -> None:
    """A table in ASCII, two lines a bound; the JSON has the same bounds."""
    code, out, err = run("price", small, "--set", "sla.tpot_ms=12")
    assert (code, err) == (0, "")
    assert out.isascii()
    assert out.count("looser") == out.count("tighter") == 3
    plain = json.loads(run("price", small, "--json").out)
    assert [each["bound"] for each in plain["prices"]] == ["sla.ttft_ms", "sla.tpot_ms", "fleet.gpus"]


def test_without_a_plan_there_are_no_prices(run: Callable[..., Any], small: Path) -> None:
    """Infeasible: exit code 3, and a line that says so."""
    code, out, _ = run("price", small, "--set", "sla.tpot_ms=1")
    assert code == 3
    assert "no plan exists" in out
    assert json.loads(run("price", small, "--set", "sla.tpot_ms=1", "--json").out)["prices"] == []


@pytest.mark.parametrize("size", [0, 1, 2, 7, 40])
def test_bisection(size: int) -> None:
    """Both searches find every possible step, with few questions."""
    values = list(range(100, 100 + size))
    for step in range(99, 101 + size):
        asked: list[int] = []

        def holds(x: int, step: int = step, asked: list[int] = asked) -> bool:
            asked.append(x)
            return x >= step

        expected = next((x for x in values if x >= step), None)
        assert _first(values, holds) == expected
        assert len(asked) <= 16
        assert _last_first(values, holds) == expected
