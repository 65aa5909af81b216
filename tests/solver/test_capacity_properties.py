"""What must hold between capacity questions that differ in one thing."""

from dataclasses import replace

import numpy as np
import pytest
from capacity_instances import capacity
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from instances import AGG, AGG_POINTS, DISAGG, PAIR, TWO_POOLS
from synthetic import join

from aicfg.solver.capacity import MICRO, Capacity, RequestClass, Step
from aicfg.solver.capacity_plan import broken, changes
from aicfg.solver.capacity_solve import solve_capacity
from aicfg.solver.points import Ask, Pool
from aicfg.solver.solve import solve

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=25, deadline=None, derandomize=True)
WORST = 10**18


def cost(points, ask: Ask) -> int:
    """The value; more than any where no plan exists."""
    answer = solve_capacity(points, ask)
    return WORST if answer.value is None else answer.value


def one_class(ask: Ask, load: int, **more) -> Ask:
    """A plain ask as a capacity question of one class and one step."""
    of = RequestClass("all", ask.tokens_per_request, ask.latency_tokens, ask.ttft_ns, ask.tpot_ns,
                      ask.request_latency_ns)  # fmt: skip
    return replace(ask, load=None, capacity=Capacity((of,), (Step("now", 1, (load,)),), **more))


def with_loads(ask: Ask, factor: float) -> Ask:
    """Every load times ``factor``."""
    steps = tuple(
        replace(step, loads=tuple(round(factor * load) for load in step.loads)) for step in ask.capacity.steps
    )
    return replace(ask, capacity=replace(ask.capacity, steps=steps))


@FEW
@given(seed=SEEDS, kind=st.sampled_from(["classes", "spare", "time", "offers"]), factor=st.floats(1.0, 2.0))
def test_more_load_never_costs_less(seed, kind, factor):
    """GPUs and costs do not fall when every load rises."""
    points, ask = capacity(seed, kind)
    assume(ask.objective != "tokens_per_s")
    assert cost(points, with_loads(ask, factor)) >= cost(points, ask)


@FEW
@given(seed=SEEDS)
def test_a_class_split_in_halves_changes_nothing(seed):
    """Two classes of half the requests each are the class."""
    points, ask = capacity(seed, "classes")
    first = ask.capacity.classes[0]
    number = len(ask.capacity.classes)
    half = replace(first, share=first.share // 2)
    own = points.take(points.request_class == 0)
    both = join([points, replace(own, request_class=np.full(len(own), number))])
    steps = tuple(
        replace(step, loads=(step.loads[0] // 2, *step.loads[1:], step.loads[0] // 2))
        for step in ask.capacity.steps
    )
    classes = (half, *ask.capacity.classes[1:], replace(half, name="half"))
    split = replace(ask, capacity=replace(ask.capacity, classes=classes, steps=steps))
    whole, parts = solve_capacity(points, ask), solve_capacity(both, split)
    assert whole.status == parts.status
    if whole.value is not None:
        near = 1e-6 * whole.value + 1 if ask.objective == "tokens_per_s" else 0
        assert abs(whole.value - parts.value) <= near


@pytest.mark.parametrize("objective", ["gpus", "tokens_per_s"])
@pytest.mark.parametrize(
    ("points", "ask"),
    [
        (AGG_POINTS, AGG),
        (PAIR, DISAGG),
        (TWO_POOLS, replace(DISAGG, pools=(Pool("a", 3, 8), Pool("b", 8, 8)))),
    ],
)
@pytest.mark.parametrize("latency", [None, 390_000_000])
def test_without_spares_it_is_the_plain_question(points, ask, objective, latency):
    """One class, one step and no spare give what the plain statement gives."""
    load = 3 * MICRO if objective == "gpus" else None
    plain = replace(ask, objective=objective, load=load, request_latency_ns=latency)
    one, other = solve(points, plain), solve_capacity(points, one_class(plain, load or 0))
    assert one.status == other.status
    if one.value is not None:
        assert one.value == pytest.approx(other.value / (MICRO if objective == "gpus" else 1), rel=1e-9)


@FEW
@given(seed=SEEDS, more=st.integers(0, 2))
def test_spares_never_cost_less(seed, more):
    """Spares are workers more; and with them lost the load is still served."""
    points, ask = capacity(seed, "spare")
    assume(ask.objective != "tokens_per_s")
    ask = replace(ask, capacity=replace(ask.capacity, spare_nodes=0))
    spared = replace(ask, capacity=replace(ask.capacity, spare_workers=ask.capacity.spare_workers + more))
    assert cost(points, spared) >= cost(points, ask)
    plan = solve_capacity(points, spared).plan
    if plan is not None:
        left = {w: tuple(n - more for n in workers) for w, workers in plan.workers.items()}
        assert not broken(points, ask, replace(plan, workers=left))


@FEW
@given(seed=SEEDS)
def test_replanning_for_nothing_is_a_fresh_plan(seed):
    """Where changes cost nothing the objective is that of a plan from scratch."""
    points, ask = capacity(seed, "current")
    free = replace(ask, capacity=replace(ask.capacity, change_cost=0))
    fresh = replace(ask, capacity=replace(ask.capacity, current=None))
    assert cost(points, free) == pytest.approx(cost(points, fresh), rel=1e-8)


@FEW
@given(seed=SEEDS)
def test_changes_that_are_never_worth_it_keep_the_plan(seed):
    """Today's plan stays, to the last worker, while it serves what is asked."""
    points, ask = capacity(seed, "classes")
    today = solve_capacity(points, ask).plan
    assume(today is not None)
    current = {w: workers[0] for w, workers in today.workers.items()}
    capacity_ = replace(ask.capacity, current=current, change_cost=None)
    kept = solve_capacity(points, with_loads(replace(ask, capacity=capacity_), 0.7)).plan
    assert kept is not None
    assert changes(capacity_, kept) == {}


@FEW
@given(seed=SEEDS)
def test_over_time_lies_between_each_step_alone_and_the_peak_all_day(seed):
    """Never cheaper than the steps by themselves, never dearer than the highest loads at every step."""
    points, ask = capacity(seed, "time")
    whole, steps = cost(points, ask), ask.capacity.steps
    assume(whole < WORST)
    alone = [
        cost(points, replace(ask, capacity=replace(ask.capacity, steps=(replace(step, seconds=1),))))
        * step.seconds
        for step in steps
    ]
    peak = tuple(max(step.loads[k] for step in steps) for k in range(len(ask.capacity.classes)))
    held = replace(ask.capacity, steps=(Step("peak", 1, peak),))
    assert sum(alone) <= whole <= cost(points, replace(ask, capacity=held)) * sum(s.seconds for s in steps)
