"""Prices: the next steps of the optimum, found by the solver and checked by plain solves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments.around.prices import prices_of
from aicfg.experiments.ask.loader import load
from aicfg.experiments.ask.variants import the_experiment

from ..conftest import SMALL

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

        assert price.tighter is not None
        assert isinstance(price.tighter.at, float | int)
        assert at(price.tighter.at) == base
        if price.tighter.at > unit:
            assert at(price.tighter.at - unit) == price.tighter.value
            assert price.tighter.value is None or price.tighter.value < base
        if price.looser is not None:
            assert at(price.looser.at) == price.looser.value
            assert isinstance(price.looser.at, float | int)
            assert at(price.looser.at - unit) == base
            assert price.looser.value > base
            gain = price.looser.value - base
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


@pytest.mark.parametrize("objective", ["gpus", "ttft", "cost"])
def test_prices_of_other_objectives(write: Callable[..., Path], objective: str) -> None:
    """For a load: its own price too, in the objective's unit; plain solves agree on both sides."""
    text = SMALL.replace("gpus: 8", "gpus: 8, price_per_gpu_hour: 2.5")
    path = write(f"{text}objective: {objective}\nload: {{requests_per_s: 6}}\n")
    found = prices_of(the_experiment(path))
    base = found.outcome.objective_value
    assert [each.bound for each in found.prices] == [
        *(["sla.ttft_ms"] if objective != "ttft" else []),
        "sla.tpot_ms",
        "load.requests_per_s",
        "fleet.gpus",
    ]
    assert any(price.looser or price.tighter for price in found.prices)
    for price in found.prices:
        for step in (price.looser, price.tighter):
            if step is None or step.value is None or step.needs is None or step.price is None:
                continue
            assert (step.value < (base or 0)) == (step is price.looser)
            assert isinstance(price.asked, float | int)
            assert step.price == pytest.approx(abs(step.value - (base or 0)) / abs(step.needs - price.asked))
        if price.looser is not None:
            setting = f"{price.bound}={price.looser.at:.6f}".removesuffix(".000000")
            assert aicfg.solve(load(path, settings=[setting])[0]).objective.value == price.looser.value


def test_an_own_constraint_has_a_price(small: Path) -> None:
    """At most 5 GPUs: what one more is worth, and how the constraint reads there."""
    found = prices_of(the_experiment(small, ["constraints=['gpus <= 5']"]))
    (own,) = [each for each in found.prices if each.bound == "constraints[0]"]
    assert (own.asked, own.used, own.unit) == ("gpus <= 5", None, "")
    assert own.looser is not None
    assert own.tighter is not None
    for step in (own.looser, own.tighter):
        assert str(step.at).startswith("gpus <= ")
        assert value(small, f"constraints=['{step.at}']") == step.value
    assert own.looser.price == pytest.approx(
        (own.looser.change or 0) / (int(str(own.looser.at).removeprefix("gpus <= ")) - 5)
    )


def test_pools_have_their_own_prices(write: Callable[..., Path]) -> None:
    """Of a fleet of two pools the GPUs of each are priced, and a plain solve with one more step agrees."""
    pools = "fleet: {pools: [{system: h100_sxm, gpus: 4}, {system: h200_sxm, gpus: 4}]}"
    path = write(SMALL.replace("fleet: {system: h100_sxm, gpus: 8}", pools))
    found = prices_of(the_experiment(path))
    gpus = [each for each in found.prices if each.unit == "GPU"]
    assert [each.bound for each in gpus] == ["fleet.pools[0].gpus", "fleet.pools[1].gpus"]
    for number, price in enumerate(gpus):
        assert price.looser is not None
        setting = f"fleet.pools.{number}.gpus={price.looser.at:g}"
        assert value(path, setting) == price.looser.value


def test_a_dataframe(small: Path) -> None:
    """From Python: two rows a bound, with the figures of the command; none without a plan."""
    frame = aicfg.price(small)
    assert list(frame["side"]) == ["looser", "tighter"] * 3
    assert list(frame["bound"].unique()) == ["sla.ttft_ms", "sla.tpot_ms", "fleet.gpus"]
    (found,) = [each for each in prices_of(the_experiment(small)).prices if each.bound == "fleet.gpus"]
    assert found.looser is not None
    row = frame[(frame["bound"] == "fleet.gpus") & (frame["side"] == "looser")].iloc[0]
    assert (row["at"], row["price"], row["plan"]) == (found.looser.at, found.looser.price, found.looser.plan)
    body = {"model": "Qwen/Qwen3-32B", "workload": {"isl": 2000, "osl": 200}, "sla": {"tpot_ms": 1}}
    assert len(aicfg.price({**body, "fleet": {"system": "h100_sxm", "gpus": 4}})) == 0
