"""Waits of queues: known values, and a queue simulated request by request."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.hardware.queueing import Flow, mean_wait, wait_quantile, waiting_share

ONE = np.ones(1)


def simulated_waits(rho: float, servers: int, count: int = 400_000) -> np.ndarray:
    """Waits of Poisson arrivals at servers with a service of 1 (Lindley's recursion, sorted free times)."""
    random = np.random.default_rng(1)
    arrivals = np.cumsum(random.exponential(1.0 / (servers * rho), count))
    free = [0.0] * servers
    waits = np.empty(count)
    for i, at in enumerate(arrivals.tolist()):
        first = min(range(servers), key=free.__getitem__)
        start = max(at, free[first])
        waits[i], free[first] = start - at, start + 1.0
    return waits[count // 10 :]


@pytest.mark.parametrize("rho", [0.2, 0.5, 0.8])
def test_one_server_is_exact(rho: float) -> None:
    """Mean rho / 2 (1 - rho) and the quantiles of Erlang's distribution, against a simulated queue."""
    waits = simulated_waits(rho, 1)
    assert mean_wait(rho) == pytest.approx(rho / (2.0 * (1.0 - rho)))
    assert mean_wait(rho) == pytest.approx(waits.mean(), rel=0.08)
    for level in (0.5, 0.9, 0.99):
        assert wait_quantile(rho, level) == pytest.approx(np.quantile(waits, level), rel=0.08, abs=0.06)


@pytest.mark.parametrize(("rho", "servers"), [(0.7, 4), (0.9, 4), (0.9, 16)])
def test_several_servers_share_a_line(rho: float, servers: int) -> None:
    """Allen and Cunneen's mean is within a tenth of a service of the simulated one."""
    waits = simulated_waits(rho, servers)
    assert mean_wait(rho, servers) == pytest.approx(waits.mean(), abs=0.1)
    assert wait_quantile(rho, 0.99, servers) == pytest.approx(np.quantile(waits, 0.99), rel=0.35)


def test_erlangs_share_of_those_who_wait() -> None:
    """One server: as many as it is busy; two servers at 50 %: a third."""
    assert waiting_share(0.3) == pytest.approx(0.3)
    assert waiting_share(0.5, 2) == pytest.approx(1.0 / 3.0)


@given(st.floats(0.0, 0.97), st.floats(0.0, 0.97), st.floats(0.5, 0.995))
def test_a_busier_server_is_waited_for_longer(one: float, other: float, level: float) -> None:
    """Means and quantiles rise with the load."""
    low, high = sorted((one, other))
    assert mean_wait(low) <= mean_wait(high) + 1e-12
    assert wait_quantile(low, level) <= wait_quantile(high, level) + 1e-9


@given(st.floats(0.05, 0.95), st.integers(2, 8))
def test_uneven_service_and_fewer_servers_wait_longer(rho: float, servers: int) -> None:
    """A service that varies doubles the wait; one more server at the same load shortens it."""
    assert mean_wait(rho, 1, 1.0) == pytest.approx(2.0 * mean_wait(rho))
    assert mean_wait(rho, servers) < mean_wait(rho, servers - 1)


def flow(others: float = 31.0, busy: float = 0.4) -> Flow:
    """A rank with 32 requests in flight."""
    figures = {"ttft_ms": 220.0, "tpot_ms": 20.0, "mean_wait_ms": 20.0, "prompt_ms": 120.0, "step_ms": 12.0}
    arrays = {name: value * ONE for name, value in figures.items()}
    return Flow(
        **arrays,
        busy=busy * ONE,
        interference_ms=8.0 * ONE,
        others=others * ONE,
        slope_ms=0.4 * ONE,
        length_variation=0.06,
    )


@given(st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_percentiles_rise(one: float, other: float) -> None:
    """Of both latencies, in both loops."""
    low, high = sorted((one, other))
    for loop in ("closed", "open"):
        assert flow().ttft_quantile(low, loop) <= flow().ttft_quantile(high, loop) + 1e-9  # type: ignore[arg-type]
        assert flow().tpot_quantile(low, loop) <= flow().tpot_quantile(high, loop) + 1e-9  # type: ignore[arg-type]


def test_poisson_arrivals_have_longer_tails() -> None:
    """What clients that wait for their answers cannot do: come all at once."""
    assert flow().ttft_quantile(0.99, "open") > flow().ttft_quantile(0.99, "closed")
    assert flow().tpot_quantile(0.99, "open") > 1.2 * flow().tpot_quantile(0.99, "closed")


def test_the_median_of_a_closed_loop_is_near_the_mean() -> None:
    """With a rank that is mostly free nobody waits at the median."""
    assert flow(busy=0.2).ttft_quantile(0.5, "closed") == pytest.approx(200.0)
    assert flow().tpot_quantile(0.5, "closed") == pytest.approx(20.0)
