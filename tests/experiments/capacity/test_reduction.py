"""Many requests as few classes: tokens are kept, no work of second degree is off by more than stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicfg.experiments.capacity.reduction import reduce_distribution, reduce_requests


def drawn(seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Heavy-tailed lengths of two kinds of requests."""
    random = np.random.default_rng(seed)
    long = random.random(count) < 0.2
    isl = np.where(long, random.lognormal(9, 0.6, count), random.lognormal(6.5, 1.0, count))
    return np.maximum(isl, 1).astype(np.int64), np.maximum(random.lognormal(5, 0.9, count), 2).astype(
        np.int64
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    classes=st.integers(1, 20),
    terms=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
def test_the_error_stated_holds_for_any_work(seed, classes, terms):
    """Any work of second degree of the classes is near that of the requests."""
    isl, osl = drawn(seed)
    reduced = reduce_requests(isl, osl, 0 * isl, classes)

    def work(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        c = np.array(terms) / np.array([1, 1e3, 1e2, 1e7, 1e5, 1e4])
        return c[0] + c[1] * a + c[2] * b + c[3] * a**2 + c[4] * a * b + c[5] * b**2

    true = work(isl.astype(float), osl.astype(float)).mean()
    found = (reduced.share * work(reduced.isl.astype(float), reduced.osl.astype(float))).sum()
    assert abs(found - true) <= (reduced.work_error + 0.01) * true


@pytest.mark.parametrize("classes", [1, 3, 8, 32])
def test_tokens_are_kept(classes):
    """Mean lengths are those of the requests, to the rounding to whole tokens; shares add up."""
    isl, osl = drawn(3)
    reduced = reduce_requests(isl, osl, isl // 2, classes)
    assert reduced.share.sum() == pytest.approx(1.0)
    for lengths, kept in ((isl, reduced.isl), (osl, reduced.osl), (isl // 2, reduced.prefix)):
        assert abs((reduced.share * kept).sum() - lengths.mean()) <= 0.5
    assert len(reduced.isl) <= classes and (np.diff(reduced.isl) >= 0).all()


def test_more_classes_are_nearer():
    """The error falls: a tenth with 8 classes of these requests, a third of that with 32."""
    errors = [reduce_requests(*drawn(5), np.zeros(3000, np.int64), k).work_error for k in (1, 4, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.15 and errors[4] < 0.05


def test_requests_of_few_lengths_are_exact():
    """Two kinds of requests are two classes, however many are allowed."""
    isl, osl = np.array([100] * 30 + [9000] * 10), np.array([50] * 30 + [400] * 10)
    reduced = reduce_requests(isl, osl, 0 * isl, 8)
    assert (reduced.isl.tolist(), reduced.osl.tolist()) == ([100, 9000], [50, 400])
    assert reduced.share.tolist() == [0.75, 0.25] and reduced.work_error == pytest.approx(0.0, abs=1e-12)


def test_a_distribution_keeps_its_quantiles():
    """The mean of the classes is that of the distribution; together, long prompts have long answers."""
    isl, osl = {0.0: 100.0, 0.5: 1000.0, 1.0: 10000.0}, {0.0: 50.0, 1.0: 500.0}
    apart = reduce_distribution(isl, osl, False, 8)
    together = reduce_distribution(isl, osl, True, 8)
    exact = (10000 - 100) / np.log(10000 / 100)  # of a log-uniform length
    for reduced in (apart, together):
        assert (reduced.share * reduced.isl).sum() == pytest.approx(exact, rel=0.01)
    spread = [
        np.sum(r.share * r.isl * r.osl) / np.sum(r.share * r.isl) / np.sum(r.share * r.osl)
        for r in (apart, together)
    ]
    assert spread[0] == pytest.approx(1.0, abs=0.02) and spread[1] > 1.3
