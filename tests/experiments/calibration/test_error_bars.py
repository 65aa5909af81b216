"""Error bars from residuals: cases as observations, wider regimes that lend, and what that covers."""

from statistics import NormalDist

import numpy as np
import pytest

from aicfg.experiments.calibration.error_bars import (
    FEWEST_CASES,
    Compared,
    Weighed,
    drawn_apart,
    error_bars,
)
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.intervals import METRICS

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
MANY = 100_000
"""Cases so many that nothing is drawn apart."""


def compared(backend: str, logs: FloatArray, cases: int, estimated: bool = False) -> Compared:
    """Rows dealt out over cases, the same residuals in every figure."""
    names = tuple(("model", backend, number % cases, 1) for number in range(len(logs)))
    return Compared("agg", backend, np.full(len(logs), estimated), names, dict.fromkeys(METRICS, logs))


def joined(one: Compared, other: Compared) -> Compared:
    """The rows of both."""
    logs = {metric: np.concatenate([one.logs[metric], other.logs[metric]]) for metric in METRICS}
    estimated = np.concatenate([one.estimated, other.estimated])
    return Compared("agg", one.backend, estimated, one.cases + other.cases, logs)


def normal(spread: float, count: int, seed: int = 0) -> FloatArray:
    """Residuals of a normal law."""
    return np.random.default_rng(seed).normal(0.0, spread, count)


def test_equal_weights_give_numpys_quantiles() -> None:
    """Without anything borrowed, and of cases without number, the quantiles are the plain ones."""
    logs = normal(0.2, 501)
    found = Weighed(logs, np.full(501, MANY / 501)).quantiles(LEVELS)
    assert found == pytest.approx(np.quantile(logs, LEVELS), abs=1e-3)


@pytest.mark.parametrize(
    ("count", "level", "student"), [(7, 0.9, 1.43976), (7, 0.95, 1.94318), (21, 0.95, 1.72472)]
)
def test_few_cases_are_drawn_apart_as_students_t(count: int, level: float, student: float) -> None:
    """The quantile of a table of Student's t for count - 1 degrees, over the normal one, within a percent."""
    expected = student * np.sqrt(1 + 1 / count) / NormalDist().inv_cdf(level)
    assert drawn_apart((level,), count)[0] == pytest.approx(expected, rel=0.01)
    assert drawn_apart((1 - level,), count)[0] == pytest.approx(expected, rel=0.01)


def test_the_next_case_lies_inside_as_often_as_promised() -> None:
    """Of six cases whose rows all err alike, four in five intervals of 80 % hold the seventh."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(2000):
        of_case = random.normal(0.0, 0.2, 7)
        rows = np.repeat(of_case[:6], 8) + random.normal(0.0, 0.01, 48)
        low, high = Weighed(rows, np.full(48, 6 / 48)).quantiles((0.1, 0.9))
        hits += low <= of_case[6] <= high
    assert 0.76 <= hits / 2000 <= 0.84


def test_many_cases_stand_by_themselves_and_few_borrow() -> None:
    """Another engine that errs ten times as much widens an engine of three cases, and hardly one of 1,000."""
    wild = compared("vllm", normal(2.0, 4000, seed=2), 1000)
    for cases, least, most in ((3, 1.0, 6.0), (1000, 0.19, 0.25)):
        own = compared("sglang", normal(0.2, 4000), cases)
        *_, high, _ = error_bars(own, [wild], LEVELS).measured.tpot_ms
        assert least * 1.28 < high < most * 1.28


def test_estimates_have_their_own_quantiles() -> None:
    """Rows of both kinds are told apart, in the middle and in the spread."""
    tables = compared("vllm", normal(0.1, 2000), 500)
    guessed = compared("vllm", 0.5 + normal(0.4, 2000, seed=3), 500, estimated=True)
    found = error_bars(joined(tables, guessed), [], LEVELS)
    assert found.measured.ttft_ms[2] == pytest.approx(0.0, abs=0.02)
    assert found.estimated.ttft_ms[2] == pytest.approx(0.5, abs=0.05)
    assert found.estimated.ttft_ms[3] - found.estimated.ttft_ms[1] > 3 * 2 * 0.128


def test_unseen_estimates_are_drawn_apart() -> None:
    """Without a single estimated row, the measured quantiles are taken as those of the fewest cases."""
    found = error_bars(compared("vllm", normal(0.2, 4000), 1000), [], LEVELS)
    wider = drawn_apart(LEVELS, FEWEST_CASES) / drawn_apart(LEVELS, 1000)
    middle = found.measured.tpot_ms[2]
    expected = middle + (np.array(found.measured.tpot_ms) - middle) * wider
    assert found.estimated.tpot_ms == pytest.approx(expected, abs=1e-3)
    assert wider[0] > 1.9


def test_other_engines_estimates_lend_nothing() -> None:
    """Measured rows borrow from measured ones alone."""
    own = compared("vllm", normal(0.2, 400), 5)
    wild = compared("sglang", normal(5.0, 400, seed=4), 50, estimated=True)
    assert error_bars(own, [wild], LEVELS) == error_bars(own, [], LEVELS)


def test_an_engine_with_nothing_but_estimates() -> None:
    """Its measured regime has the same quantiles: nothing else is known."""
    found = error_bars(compared("vllm", normal(0.2, 40), 5, estimated=True), [], LEVELS)
    assert found.measured == found.estimated
