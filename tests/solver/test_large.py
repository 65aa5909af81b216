"""Fleets of thousands of GPUs: floating point does not cost the proof, and the time stays small."""

from dataclasses import replace

import pytest
from large import fleet

from aicfg.solver.answer import Holds
from aicfg.solver.evaluate import evaluate
from aicfg.solver.objectives import PRECISION
from aicfg.solver.solve import solve

EACH = (4096, 4096, 4096)


@pytest.mark.parametrize("types", (1, 3, None))
@pytest.mark.parametrize("mode", ("agg", "disagg", "mixed"))
def test_values_of_1e13_are_proven(mode, types):
    """Three pools of 4,096 GPUs: an optimum whose bound is its value, recomputed, for any number of types."""
    points, ask = fleet(EACH, mode, layouts=10, batches=64, types_per_role=types)
    answer = solve(points, ask)
    assert (answer.status, answer.gap) == ("optimal", 0.0)
    found = evaluate(points, ask, dict(zip(answer.points, answer.workers, strict=True)))
    assert found.broken == () and found.value == answer.value


def test_more_types_never_hurt_and_mixed_is_at_least_either():
    """One or any number of types; agg, disagg and both together, to rounding."""
    values = {}
    for mode in ("agg", "disagg", "mixed"):
        for types in (1, None):
            points, ask = fleet((512, 256, 300), mode, layouts=6, batches=32, types_per_role=types)
            values[mode, types] = solve(points, ask).value or 0
    for mode in ("agg", "disagg", "mixed"):
        ladder = [values[mode, types] * (1 + PRECISION) for types in (1, None)]
        assert ladder == sorted(ladder)
    for types in (1, None):
        alone = max(values["agg", types], values["disagg", types])
        assert values["mixed", types] * (1 + PRECISION) >= alone


def test_engines_agree_to_rounding():
    """CP-SAT on a fleet of two types a role: the same plan as HiGHS."""
    points, ask = fleet((64, 32), "disagg", layouts=3, batches=16, types_per_role=2)
    assert solve(points, ask, "both").checked_by == ("cpsat",)


def test_a_time_limit_is_kept_and_told():
    """Without time there is nothing in hand, or a plan without a claim that it is the best."""
    points, ask = fleet(EACH, "mixed", layouts=10, batches=64, types_per_role=None, time_limit_s=0.0)
    stopped = solve(points, ask)
    assert stopped.holds in (Holds.NONE, Holds.FEASIBLE)
    whole = solve(points, replace(ask, time_limit_s=None))
    assert stopped.value is None or (stopped.value <= (whole.value or 0))
