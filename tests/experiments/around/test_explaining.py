"""Explanations: in the experiment's keys and units, smallest and usable."""

from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.ask.loader import load
from aicfg.experiments.plans.plan import Explanation, Plan, Relaxation
from aicfg.experiments.solving.bounds import with_bound
from aicfg.model_specs.errors import InputError

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 4000, "osl": 500},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {
        "search": {"agg": {"max_batch": 16}, "prefill": {"max_batch": 1}, "decode": {"max_batch": 16}}
    },
}


def explained(**changes: Any) -> tuple[Plan, Explanation]:
    """The plan of an infeasible variant of the base, and its explanation."""
    plan = solve({**BASE, **changes})
    assert plan.status == "infeasible"
    assert plan.pools == ()
    assert plan.explanation is not None
    return plan, plan.explanation


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sla": {"ttft_ms": 50, "tpot_ms": 10}}, "sla.ttft_ms"),
        ({"sla": {"ttft_ms": 1000, "tpot_ms": 2}}, "sla.tpot_ms"),
        ({"sla": {"request_latency_ms": 1000}}, "sla.request_latency_ms"),
        ({"sla": {"ttft_ms": 300, "tpot_ms": 8}, "fleet": {"system": "h100_sxm", "gpus": 2}}, "fleet.gpus"),
    ],
)
def test_the_smallest_change_of_one_constraint(changes: dict[str, Any], key: str) -> None:
    """What is needed makes a plan exist as it stands, and 1 % (or one GPU) less does not."""
    plan, explanation = explained(**changes)
    change = next(each for each in explanation.relaxations if each.constraint == key)
    assert isinstance(change.needed, float | int)
    assert isinstance(change.asked, float | int)
    assert change.needed > change.asked
    (experiment,) = load({**BASE, **changes})
    for value, status in ((change.needed, "optimal"), (short_of(change), "infeasible")):
        assert solve(with_bound(experiment, key, value), explain=False).status == status
    assert str(key.split(".")[0]) in plan.inputs


def test_the_plan_of_a_change_is_the_best_under_it() -> None:
    """A relaxation's plan is the plan of the experiment with that bound, and says so in its inputs."""
    plan, explanation = explained(sla={"ttft_ms": 50, "tpot_ms": 10})
    change = explanation.relaxations[0]
    assert change.plan is not None
    assert change.plan.inputs["sla"]["ttft_ms"] == change.needed
    again = solve(change.plan.inputs)
    assert again.tokens_per_s == pytest.approx(change.plan.tokens_per_s, rel=1e-6)
    assert change.plan.certificate.recomputed == pytest.approx(change.plan.tokens_per_s, rel=1e-6)
    assert plan.tokens_per_s is None


def test_no_change_alone_is_enough() -> None:
    """Two bounds out of reach: no single change helps, the combined one does."""
    plan, explanation = explained(sla={"ttft_ms": 50, "tpot_ms": 2})
    assert [(each.constraint, each.needed) for each in explanation.relaxations] == [
        ("sla.ttft_ms", None),
        ("sla.tpot_ms", None),
        ("fleet.gpus", None),
    ]
    assert explanation.combined is not None
    assert set(explanation.combined) == {"sla.ttft_ms", "sla.tpot_ms"}
    inputs = {**plan.inputs, "sla": {key.split(".")[1]: value for key, value in explanation.combined.items()}}
    assert solve(inputs, explain=False).status == "optimal"
    assert set(explanation.conflicts) == {("sla.ttft_ms",), ("sla.tpot_ms",)}
    assert "No change of one bound alone is enough; together these are: sla.ttft_ms" in explanation.text
    assert "No plan holds TTFT 50 ms. No plan holds TPOT 2 ms." in explanation.text
    assert explanation.combined_plan is not None
    assert explanation.combined_plan.pools


def test_a_model_that_fits_no_gpu() -> None:
    """Where no layout holds the model, the memory of a GPU is what is missing."""
    small = {role: {"tp": [1], "pp": [1], "max_batch": 2} for role in ("agg", "prefill", "decode")}
    _, explanation = explained(serving={"search": small}, model="meta-llama/Meta-Llama-3.1-405B")
    (memory,) = [each for each in explanation.relaxations if each.constraint == "memory_gib"]
    assert memory.needed is not None
    assert 750 < memory.needed < 850
    assert memory.asked < 80
    assert explanation.conflict == ("memory_gib",)
    assert "A GPU can hold" in explanation.text


def test_an_infeasible_plan_round_trips_and_has_no_mode() -> None:
    """Without a plan the figures are null; the explanation survives JSON, and is left out when not wanted."""
    plan, _ = explained(sla={"ttft_ms": 50})
    assert Plan.from_json(plan.to_json()) == plan
    assert (plan.mode, plan.objective.value, plan.gpus_used, plan.certificate.gap) == (None, None, None, None)
    assert solve(load({**BASE, "sla": {"ttft_ms": 50}})[0], explain=False).explanation is None


def test_one_mode_is_explained_by_itself() -> None:
    """Asked for disaggregated serving alone, the explanation is about prefill and decode workers."""
    _, explanation = explained(sla={"ttft_ms": 50}, serving={**BASE["serving"], "mode": "disagg"})
    assert explanation.conflict == ("sla.ttft_ms",)
    plan = explanation.relaxations[0].plan
    assert plan is not None
    assert [pool.role for pool in plan.pools] == ["prefill", "decode"]


def test_conflicts_are_minimal_over_both_modes() -> None:
    """No plan of either mode holds the set that is named; without any one bound of it there is one."""
    asked = {"sla": {"ttft_ms": 400, "tpot_ms": 8}, "fleet": {"system": "h100_sxm", "gpus": 2}}
    plan, explanation = explained(**asked)
    assert explanation.conflicts == (explanation.conflict,)
    assert set(explanation.conflict) == {"sla.tpot_ms", "fleet.gpus"}
    assert "TPOT 8 ms and 2 GPUs cannot hold together" in explanation.text
    for loose in ({"sla": {"ttft_ms": 400}}, {"fleet": {"system": "h100_sxm", "gpus": 64}}):
        assert solve({**BASE, **asked, **loose}, explain=False).status == "optimal"
    assert plan.mode is None


def test_a_dear_bound_changes_the_least() -> None:
    """Of two bounds that share a conflict the dearer one gives way less; what is no bound is refused."""
    asked = {**BASE, "sla": {"ttft_ms": 300, "tpot_ms": 8}, "fleet": {"system": "h100_sxm", "gpus": 2}}
    combined = {}
    for dear in ("sla.tpot_ms", "fleet.gpus"):
        explanation = solve(asked, weights={dear: 100}).explanation
        assert explanation is not None
        assert explanation.combined is not None
        combined[dear] = {"sla.tpot_ms": 8.0, "fleet.gpus": 2} | explanation.combined
    assert float(combined["sla.tpot_ms"]["sla.tpot_ms"]) < float(combined["fleet.gpus"]["sla.tpot_ms"])
    assert float(combined["sla.tpot_ms"]["fleet.gpus"]) > float(combined["fleet.gpus"]["fleet.gpus"])
    with pytest.raises(InputError, match=r"--weight sla\.ttft: is no bound; did you mean 'sla\.ttft_ms'"):
        solve(asked, weights={"sla.ttft": 2})


POOLS = [{"system": "h100_sxm", "gpus": 2, "name": "spot"}, {"system": "h200_sxm", "gpus": 2}]


@pytest.mark.parametrize(
    "changes",
    [
        {"sla": {"ttft_ms": 150, "tpot_ms": 9}, "fleet": {"system": "h100_sxm", "gpus": 4}},
        {"sla": {"request_latency_ms": 4000}, "load": {"requests_per_s": 4}},
        {"load": {"requests_per_s": 9}, "constraints": ["gpus <= 6", "decode.workers <= 2"]},
        {"sla": {"ttft_ms": 400, "tpot_ms": 6}, "fleet": {"pools": POOLS}},
        {"sla": {"ttft_ms": 500, "tpot_ms": 9}, "load": {"requests_per_s": 5}, "objective": "gpus"},
    ],
)
@pytest.mark.parametrize("mode", ["auto", "mixed"])
def test_every_change_that_is_named_suffices_and_less_does_not(changes: dict[str, Any], mode: str) -> None:
    """Put into the experiment each has the plan that comes with it; 1 % less of the change has none."""
    (experiment,) = load({**BASE, **changes, "serving": {**BASE["serving"], "mode": mode}})
    plan = solve(experiment)
    assert plan.explanation is not None
    named = [each for each in plan.explanation.relaxations if each.needed is not None]
    assert named
    for each in named:
        assert each.needed is not None
        found = solve(with_bound(experiment, each.constraint, each.needed), explain=False)
        assert (found.status, found.objective) == ("optimal", getattr(each.plan, "objective", None))
        less = with_bound(experiment, each.constraint, short_of(each))
        assert solve(less, explain=False).status == "infeasible"


def short_of(each: Relaxation) -> float | str:
    """A change that falls short by 1 %, by one GPU, or by one of what an own constraint counts."""
    if isinstance(each.needed, str):
        left, operator, number = each.needed.partition(" <= ")
        return f"{left}{operator}{int(number) - 1}"
    assert isinstance(each.asked, int | float)
    assert each.needed is not None
    if each.constraint.endswith(".gpus"):
        return int(each.needed) - 1
    return each.needed - 0.01 * (each.needed - each.asked)
