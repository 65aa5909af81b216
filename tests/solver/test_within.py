"""Every point filter, at its bound and one unit past it."""

from dataclasses import replace

import numpy as np
import pytest
from instances import AGG, DISAGG, MS, PAIR, agg
from synthetic import make_points

from aicfg.solver.points import Pool
from aicfg.solver.rows import POINT_FILTERS
from aicfg.solver.within import of_mode, tpot_cap, within

POINT = make_points([agg(0, 4, 8, 100, ttft_ms=100, tpot_ms=10)])
AT_BOUND = {
    "ttft_sla": ("ttft_ns", 100 * MS),
    "tpot_sla": ("tpot_ns", 10 * MS),
    "agg_request_latency": ("request_latency_ns", 190 * MS),
}


def test_every_filter_has_a_case():
    """Nothing remains when the cases of this file are taken from the filters."""
    assert set(AT_BOUND) | {"memory", "one_worker_fits", "user_filter"} == set(POINT_FILTERS)


@pytest.mark.parametrize("name", AT_BOUND)
def test_latency_bounds(name):
    """A point at the bound stays, one nanosecond past it goes; no bound keeps it."""
    field, bound = AT_BOUND[name]
    function = POINT_FILTERS[name].function
    for asked, kept in ((bound, True), (bound - 1, False), (None, True)):
        ask = replace(AGG, **{field: asked})
        assert function(POINT, ask).tolist() == [kept]
        assert (len(within(POINT, ask)) == 1) == kept


def test_memory():
    """At the limit it fits, a byte above it does not."""
    for held, kept in ((9, True), (10, False)):
        points = replace(POINT, memory_bytes=np.array([held]))
        assert (len(within(points, AGG)) == 1) == kept


def test_one_worker_fits():
    """A pool smaller than one worker, and a worker that serves nobody."""
    assert len(within(POINT, replace(AGG, pools=(Pool("a", 3, 8),)))) == 0
    assert len(within(replace(POINT, token_rate=np.array([0])), AGG)) == 0


def test_user_filter():
    """A constraint on attributes of one role keeps what holds it, and says nothing of other roles."""
    for text, kept in (("agg.batch <= 8", True), ("agg.batch < 8", False), ("decode.batch <= 1", True)):
        assert (len(within(POINT, replace(AGG, constraints=(text,)))) == 1) == kept


def test_only_the_modes_roles_serve():
    """Prefill and decode points do not exist in agg, and in disagg the request latency filters none."""
    assert len(of_mode(PAIR, AGG)) == 0 == len(within(PAIR, AGG))
    assert len(within(PAIR, replace(DISAGG, request_latency_ns=1))) == len(PAIR)


def test_tpot_cap():
    """floor((R - ttft) / L), everything when L is 0, nothing when TTFT alone is too much."""
    ask = replace(DISAGG, request_latency_ns=100, latency_tokens=9)
    assert tpot_cap(np.array([0, 1, 10, 100, 101]), ask).tolist() == [11, 11, 10, 0, -1]
    highest = np.iinfo(np.int64).max
    assert tpot_cap(np.array([100, 101]), replace(ask, latency_tokens=0)).tolist() == [highest, -1]
