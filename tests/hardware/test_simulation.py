"""The simulated scheduler: by hand where that can be done, and against the closed forms."""

import numpy as np
import pytest

from aicfg.hardware.simulation import Engine, Requests, Trace, drawn_requests, simulate
from aicfg.hardware.step_costs import StepCosts, Surface

NOTHING = Surface([0.0], [0.0], np.zeros((1, 1)))


def costs(decode: float = 2.0, per_token: float = 0.1) -> StepCosts:
    """Steps that take the same time whatever decodes; prompts cost by their tokens."""
    tokens = [0.0, 10_000.0]
    return StepCosts(
        decode=Surface([1.0], [0.0], np.array([[decode]])),
        shared=Surface(tokens, [0.0], decode + per_token * np.array(tokens)[:, None]),
        beside=NOTHING,
        prompt=NOTHING,
        together=Surface([1.0], [0.0], np.ones((1, 1))),
        host=NOTHING,
    )


def engine(prompts: str = "beside", chunk: int = 100, cache: float = 1e9, **more: float) -> Engine:
    """One rank of such steps."""
    return Engine(costs(), prompts, chunk, cache, **more)  # type: ignore[arg-type]


def asked(*requests: tuple[int, int], at: list[float] | None = None) -> Requests:
    """Requests of (prompt, answer) tokens."""
    isl, osl = np.array(requests).T
    return Requests(isl, osl, None if at is None else np.array(at))


def test_one_request() -> None:
    """A prompt of 100 tokens takes 2 + 10 ms, then nine more tokens of 2 ms each."""
    trace = simulate(engine(), asked((100, 10)), clients=1)
    assert trace.ttft_ms.tolist() == [pytest.approx(12.0)]
    assert trace.tpot_ms.tolist() == [pytest.approx(2.0)]


def test_a_prompt_longer_than_the_budget_is_spread() -> None:
    """250 tokens at 100 a step: 12 + 12 + 7 ms."""
    trace = simulate(engine(), asked((250, 2)), clients=1)
    assert trace.ttft_ms[0] == pytest.approx(31.0)


def test_prompts_beside_delay_by_what_the_step_takes_longer() -> None:
    """The second request comes while the first decodes: its step of 12 ms makes one token of the first."""
    trace = simulate(engine(), asked((100, 11), (100, 2), at=[0.0, 13.0]))
    assert trace.first_ms[0] == pytest.approx(12.0)
    assert trace.first_ms[1] == pytest.approx(14.0 + 12.2, abs=0.3)  # the step that runs ends at 14
    assert trace.end_ms[0] == pytest.approx(12.0 + 9 * 2.0 + 12.1, abs=0.3)


def test_prompts_alone_delay_by_all_of_it() -> None:
    """Where prompts are computed in steps of their own no token is made meanwhile."""
    beside, alone = (
        simulate(engine(policy), asked((100, 11), (100, 2), at=[0.0, 13.0])) for policy in ("beside", "alone")
    )
    assert alone.end_ms[0] - beside.end_ms[0] == pytest.approx(2.0, abs=0.3)


def test_the_cache_holds_so_many() -> None:
    """With room for one request at a time, the second waits for the end of the first."""
    trace = simulate(engine(cache=150.0), asked((100, 10), (100, 10)), clients=2)
    assert trace.first_ms[1] == pytest.approx(trace.end_ms[0] + 12.0)
    both = simulate(engine(), asked((100, 10), (100, 10)), clients=2)
    assert both.first_ms[1] < both.end_ms[0]


def test_an_opening_burst_is_served_in_turn() -> None:
    """N prompts at once: the k-th first token comes after k steps."""
    trace = simulate(engine(), asked(*[(100, 200)] * 5), clients=5)
    assert np.diff(np.sort(trace.ttft_ms)) == pytest.approx([12.0] * 4, abs=0.6)


def test_clients_ask_anew() -> None:
    """A closed loop of two clients: never more than two in flight, each next request at an answer's end."""
    trace = simulate(engine(), asked(*[(100, 10)] * 6), clients=2)
    assert set(np.round(trace.arrival_ms[2:], 6)) <= set(np.round(trace.end_ms, 6))
    for at in trace.arrival_ms:
        assert ((trace.arrival_ms <= at) & (trace.end_ms > at)).sum() <= 2


def test_every_request_is_answered_in_order() -> None:
    """Arrival, first token, end; whatever the loop and the policy."""
    for policy in ("beside", "alone"):
        for rate, clients in ((None, 8), (20.0, None)):
            requests = drawn_requests(300, 400, 50, 0.5, 3, rate)
            trace = simulate(engine(policy, cache=3000.0), requests, clients)
            assert (trace.arrival_ms < trace.first_ms).all() and (trace.first_ms < trace.end_ms).all()


def test_drafts_save_steps() -> None:
    """Two tokens a step take half the steps."""
    plain, drafted = (
        simulate(engine(progress=progress), asked((100, 101)), clients=1) for progress in (1.0, 2.0)
    )
    assert drafted.tpot_ms[0] == pytest.approx(plain.tpot_ms[0] / 2)


def test_what_is_not_computing_delays_the_first_token() -> None:
    """A constant and so many decode steps before the scheduler sees a request."""
    trace = simulate(engine(first_token_ms=5.0, first_token_steps=3.0), asked((100, 10)), clients=1)
    assert trace.ttft_ms[0] == pytest.approx(5.0 + 3 * 2.0 + 12.0)


def test_runs_repeat() -> None:
    """The same seed gives the same run."""
    one, other = (simulate(engine(), drawn_requests(50, 100, 20, 0.2, 7), 4) for _ in range(2))
    assert (one.end_ms == other.end_ms).all()


def test_the_steady_part_leaves_out_both_ends() -> None:
    """A quarter at the beginning, a tenth at the end, by arrival."""
    trace = Trace(*(np.arange(100.0) + shift for shift in (0, 1, 2)), osl=np.full(100, 2))
    assert trace.steady().arrival_ms.tolist() == list(range(25, 90))


def test_lengths_are_drawn_around_the_nominal_ones() -> None:
    """Evenly, by a fifth up and down; Poisson arrivals have the asked rate."""
    requests = drawn_requests(20_000, 1000, 500, 0.2, 0, per_s=10.0)
    assert requests.isl.min() >= 800 and requests.isl.max() <= 1200
    assert requests.osl.mean() == pytest.approx(500, rel=0.01)
    assert requests.arrival_ms is not None
    assert np.diff(requests.arrival_ms).mean() == pytest.approx(100.0, rel=0.03)


def test_surface_is_linear_between_and_beyond() -> None:
    """Bilinear on its grid, carried on past the ends."""
    surface = Surface([0.0, 2.0], [0.0, 1.0], np.array([[0.0, 1.0], [4.0, 5.0]]))
    assert surface(1.0, 0.5) == 2.5 and surface(3.0, 0.0) == 6.0


def test_engines_overlap_some_of_a_prompt() -> None:
    """With half of the interference, half of a prompt's delay is met, beside as well as alone."""
    requests = asked((100, 11), (100, 2), at=[0.0, 13.0])
    for policy, delay in (("beside", 10.1), ("alone", 12.0)):
        whole, half = (simulate(engine(policy, interference=share), requests) for share in (1.0, 0.5))
        assert whole.end_ms[0] - half.end_ms[0] == pytest.approx(delay / 2, abs=2.0)
