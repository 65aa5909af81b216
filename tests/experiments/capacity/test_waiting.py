"""Headroom: what must be possible and what waits, against brute force over random instances."""

import sys
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "solver"))

import capacity_oracle
from capacity_instances import capacity

from aicfg.experiments.ask.schema_capacity import Load
from aicfg.experiments.capacity.waiting import needed_rate, variation, waited, waits_ns
from aicfg.solver.capacity_solve import solve_capacity
from aicfg.solver.points import Ask, Points


def by_hand(points: Points, ask: Ask, load: Load) -> tuple[Points, Ask]:
    """The same instance with headroom written out: the formula of docs/capacity.md, one point at a time."""
    busy = load.utilisation or 0.0
    ttft, tpot = points.ttft_ns.copy(), points.tpot_ns.copy()
    for p in range(len(points)):
        places = int(points.batch[p] * points.degrees["dp"][p] * points.degrees["pp"][p])
        seconds = places / (int(points.request_rate[p]) / 1e6)
        wait = 0.5 * busy ** (sqrt(2 * (places + 1)) - 1) / (places * (1 - busy)) * seconds if busy else 0.0
        later = ask.capacity.classes[points.request_class[p]].latency_tokens
        if points.role[p] == 2:
            tpot[p] += -(-round(1e9 * wait) // later)
        else:
            ttft[p] += round(1e9 * wait)
    steps = tuple(
        replace(step, loads=tuple(round(each * load.peak / (busy or 1.0)) for each in step.loads))
        for step in ask.capacity.steps
    )
    return replace(points, ttft_ns=ttft, tpot_ns=tpot), replace(
        ask, capacity=replace(ask.capacity, steps=steps)
    )


def with_headroom(points: Points, ask: Ask, load: Load) -> tuple[Points, Ask]:
    """What the experiment makes of it: Poisson arrivals, requests of one length a class."""
    parts = []
    for k, of in enumerate(ask.capacity.classes):
        own = points.take(points.request_class == k)
        waits = waits_ns(own, load.utilisation or 0.0, 1.0, 0.0)
        parts.append(waited(own, waits, of.latency_tokens))
    steps = tuple(
        replace(step, loads=tuple(needed_rate(load, each / 1e6) for each in step.loads))
        for step in ask.capacity.steps
    )
    return Points.joined(parts), replace(ask, capacity=replace(ask.capacity, steps=steps))


@pytest.mark.parametrize("seed", range(40))
def test_headroom_against_brute_force(seed):
    """Peaks and utilisations drawn at random: the optimum is that of the instance written out by hand."""
    random = np.random.default_rng(seed)
    points, ask = capacity(seed, "classes")
    fast = replace(points, request_rate=30 * points.request_rate, token_rate=30 * points.token_rate)
    steps = tuple(replace(step, loads=tuple(20 * each for each in step.loads)) for step in ask.capacity.steps)
    ask = replace(ask, capacity=replace(ask.capacity, steps=steps))
    load = Load(
        peak=float(random.choice([1.0, 1.2, 1.5])), utilisation=float(random.choice([0.6, 0.8, 0.95]))
    )
    best = capacity_oracle.best(*by_hand(fast, ask, load))
    answer = solve_capacity(*with_headroom(fast, ask, load), "both")
    assert (answer.value is None) == (best is None)
    if best is not None:
        assert answer.value == pytest.approx(best, rel=1e-6)


def test_waits_bind():
    """Of 40 instances some have another optimum only because requests wait."""
    changed = 0
    for seed in range(40):
        points, ask = capacity(seed, "classes")
        fast = replace(points, request_rate=30 * points.request_rate, token_rate=30 * points.token_rate)
        calm, ask_calm = with_headroom(fast, ask, Load(utilisation=0.95))
        patient = replace(calm, ttft_ns=Points.joined(_by_class(fast)).ttft_ns,
                          tpot_ns=Points.joined(_by_class(fast)).tpot_ns)  # fmt: skip
        changed += solve_capacity(calm, ask_calm).value != solve_capacity(patient, ask_calm).value
    assert changed >= 3


def _by_class(points: Points) -> list[Points]:
    return [points.take(points.request_class == k) for k in range(int(points.request_class.max()) + 1)]


def test_variation():
    """Of equal values none; of 0 and 2 in equal shares 1."""
    assert variation(np.array([1.0, 3.0]), np.array([5.0, 5.0])) == 0.0
    assert variation(np.array([2.0, 2.0]), np.array([0.0, 2.0])) == 1.0
