"""Mixed serving, several types, objectives for a load and own constraints, as experiments ask for them."""

from typing import Any

import numpy as np
import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.ask.loader import load
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.reports.plan import report_text
from aicfg.experiments.solving.assemble import ask, candidates
from aicfg.experiments.solving.prepare import prepare
from aicfg.solver.points import Role

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000, "tpot_ms": 40},
    "fleet": {"system": "h100_sxm", "gpus": 8, "price_per_gpu_hour": 2.5},
    "serving": {
        "search": {"agg": {"max_batch": 32}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 32}}
    },
}
LOADED = {**BASE, "load": {"requests_per_s": 4}}


def serving(**changes: Any) -> dict[str, Any]:
    """The experiment with other serving keys."""
    return {**BASE, "serving": {**BASE["serving"], **changes}}


def fewest_gpus(mapping: dict[str, Any]) -> int:
    """Fewest GPUs for the load over all agg points and all pairs, by enumeration."""
    case = prepare(load(mapping)[0])
    found = candidates(case)
    points, asked = found.points, ask(case, found, "disagg", None)
    assert asked.load is not None
    taken = -(-asked.load // points.request_rate) * points.gpus
    fits = points.memory_bytes <= points.memory_limit_bytes
    fits &= (points.ttft_ns <= (asked.ttft_ns or 0)) & (points.tpot_ns <= (asked.tpot_ns or 0))
    least = {role: taken[fits & (points.role == role)].min() for role in Role}
    return int(min(least[Role.AGG], least[Role.PREFILL] + least[Role.DECODE]))


def test_fewest_gpus_for_a_load() -> None:
    """The objective is what an enumeration finds; less is better, and the plan serves the load."""
    mapping = {**LOADED, "objective": "gpus"}
    plan = solve(mapping, engine="both")
    assert (plan.objective.name, plan.objective.sense) == ("gpus", "min")
    assert plan.objective.value == plan.gpus_used == fewest_gpus(mapping) == plan.certificate.recomputed
    assert plan.requests_per_s is not None
    assert plan.requests_per_s >= 4
    assert plan.tokens_per_s is not None
    assert plan.tokens_per_s_per_gpu == pytest.approx(plan.tokens_per_s / plan.gpus_used)
    text = report_text(plan)
    assert f"{plan.gpus_used} GPUs" in text
    assert "load      4 of " in text


def test_lowest_cost_for_a_load() -> None:
    """With a cheap slow pool and a dear fast one the cost is no more than that of either alone."""
    pools = [
        {"system": "h100_sxm", "gpus": 8, "price_per_gpu_hour": 2.0},
        {"system": "h200_sxm", "gpus": 8, "price_per_gpu_hour": 3.0},
    ]
    mapping = {**LOADED, "objective": "cost"}
    both, *alone = (solve({**mapping, "fleet": {"pools": some}}) for some in (pools, pools[:1], pools[1:]))
    assert both.objective.value == both.cost_per_hour == both.certificate.recomputed
    assert both.objective.value is not None
    assert both.objective.value <= min(each.objective.value or 1e9 for each in alone)
    assert "per hour" in report_text(both)


@pytest.mark.parametrize("name", ["ttft", "tpot", "request_latency"])
def test_lowest_latency_for_a_load(name: str) -> None:
    """The value is the plan's latency as it counts, recomputed from its pools; no mode has a lower one."""
    plan = solve({**LOADED, "objective": name})
    assert plan.counted is not None
    assert plan.objective.value == getattr(plan.counted, f"{name}_ms")
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-6)
    assert plan.objective.value is not None
    for other in plan.alternatives:
        assert other.objective.value is not None
        assert other.objective.value >= plan.objective.value
    free = solve(BASE)
    assert plan.objective.value <= getattr(free, f"{name}_ms")


def test_a_load_that_is_too_high() -> None:
    """What can be served at most is said, and it can be served."""
    plan = solve({**LOADED, "objective": "gpus", "load": {"requests_per_s": 1000}})
    assert plan.status == "infeasible"
    assert plan.explanation is not None
    assert plan.explanation.conflict == ("load.requests_per_s", "fleet.gpus")
    changes = {each.constraint: each for each in plan.explanation.relaxations if each.needed is not None}
    assert set(changes) == {"load.requests_per_s", "fleet.gpus"}
    change = changes["load.requests_per_s"]
    assert isinstance(change.needed, float)
    assert "1,000 requests/s and 8 GPUs cannot hold together" in plan.explanation.text
    served = solve({**LOADED, "objective": "gpus", "load": {"requests_per_s": change.needed}})
    assert served.objective == getattr(change.plan, "objective", None)
    more = {"requests_per_s": change.needed + 0.002}
    assert solve({**LOADED, "objective": "gpus", "load": more}, explain=False).status == "infeasible"


def test_gpus_that_a_load_needs() -> None:
    """The fewest GPUs for a load that is too high serve it; one less does not."""
    asked = {**LOADED, "load": {"requests_per_s": 30}}
    plan = solve(asked)
    assert plan.explanation is not None
    (gpus,) = [each for each in plan.explanation.relaxations if each.constraint == "fleet.gpus"]
    assert isinstance(gpus.needed, int | float)
    for number, status in ((int(gpus.needed), "optimal"), (int(gpus.needed) - 1, "infeasible")):
        fleet = {**BASE["fleet"], "gpus": number}
        assert solve({**asked, "fleet": fleet}, explain=False).status == status


def test_a_mixed_plan_is_no_worse_than_either_mode() -> None:
    """Twelve GPUs serve more with workers of all roles; the tokens add up from the pools."""
    mapping = {**BASE, "sla": {"ttft_ms": 600, "tpot_ms": 20}, "workload": {"isl": 4000, "osl": 500}}
    mapping |= {"fleet": {"system": "h100_sxm", "gpus": 12}}
    mixed = solve({**mapping, "serving": {"mode": "mixed"}})
    plain = solve({**mapping, "serving": {"mode": "auto"}})
    assert (mixed.mode, mixed.status, mixed.alternatives) == ("mixed", "optimal", ())
    assert mixed.tokens_per_s is not None
    assert plain.tokens_per_s is not None
    assert mixed.tokens_per_s > plain.tokens_per_s
    assert {pool.role for pool in mixed.pools} == {"agg", "prefill", "decode"}
    assert mixed.certificate.recomputed == pytest.approx(mixed.tokens_per_s, rel=1e-6)
    assert report_text(mixed).splitlines()[3].startswith("Mixed  ")


def test_mixed_serving_out_of_reach_is_explained_over_both_modes() -> None:
    """A mixed plan exists where one of either mode exists, so it is explained like auto."""
    mapping = {**serving(mode="mixed"), "sla": {"ttft_ms": 20}}
    auto = {**mapping, "serving": {**BASE["serving"], "mode": "auto"}}
    mixed, plain = solve(mapping).explanation, solve(auto).explanation
    assert mixed is not None
    assert plain is not None
    assert (mixed.text, mixed.conflict) == (plain.text, plain.conflict)


def test_more_types_serve_no_less() -> None:
    """With several types a role no plan is worse than with one, and no type is in a plan twice."""
    plans = [solve({**serving(types_per_role=n, mode="disagg")}) for n in (1, 2, "any")]
    values = [plan.objective.value or 0.0 for plan in plans]
    assert values == sorted(values)
    for plan in plans:
        assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-6)
        assert len({(pool.role, pool.tp, pool.pp) for pool in plan.pools}) == len(plan.pools)


def test_a_constraint_between_roles_holds() -> None:
    """The plan is the best of the pairs that hold the constraint, by enumeration."""
    mapping = {**serving(mode="disagg"), "constraints": ["decode.tp >= 2 * prefill.tp", "prefill.gpus <= 4"]}
    plan = solve(mapping)
    prefill, decode = plan.pools
    assert decode.tp >= 2 * prefill.tp
    assert prefill.gpus <= 4
    case = prepare(load(mapping)[0])
    found = candidates(case)
    points, asked = found.points, ask(case, found, "disagg", None)
    best = 0
    last = np.flatnonzero((points.role == Role.DECODE) & (points.tpot_ns <= (asked.tpot_ns or 0)))
    for p in np.flatnonzero((points.role == Role.PREFILL) & (points.ttft_ns <= (asked.ttft_ns or 0))):
        q = last[points.degrees["tp"][last] >= 2 * points.degrees["tp"][p]]
        for x in range(1, 4 // int(points.gpus[p]) + 1):
            y = (8 - x * points.gpus[p]) // points.gpus[q]
            rates = np.minimum(x * points.request_rate[p], y * points.request_rate[q])
            best = max(best, int(rates.max(initial=0)))
    assert plan.objective.value == pytest.approx(best * 200 / 1e6, rel=1e-12)
    assert "holds     decode.tp >= 2 * prefill.tp" in report_text(plan)


def test_constraints_that_cannot_hold_together() -> None:
    """A smallest set is named; without any one of it a plan exists."""
    texts = ["gpus <= 6", "agg.tp > 8", "decode.batch >= 1000"]
    plan = solve({**BASE, "constraints": texts})
    assert plan.explanation is not None
    assert plan.explanation.conflict == ("constraints[1]", "constraints[2]")
    text = "'agg.tp > 8' (constraints[1]) and 'decode.batch >= 1000' (constraints[2]) cannot hold together"
    assert text in plan.explanation.text
    assert Plan.from_json(plan.to_json()) == plan
    for left in (texts[:2], [texts[0], texts[2]]):
        assert solve({**BASE, "constraints": left}).status == "optimal"


def test_bounds_are_to_blame_before_demands() -> None:
    """Where a bound alone cannot hold, it is what is explained."""
    plan = solve({**LOADED, "sla": {"ttft_ms": 20}, "constraints": ["gpus <= 6"]})
    assert plan.explanation is not None
    assert plan.explanation.conflict == ("sla.ttft_ms",)


def test_a_constraint_reads_as_it_must() -> None:
    """The text that is needed is enough and the next tighter one is not; what is no number is left out."""
    asked = {**LOADED, "load": {"requests_per_s": 8}, "constraints": ["gpus <= 3", "agg.tp in [1, 2, 4]"]}
    plan = solve(asked)
    assert plan.explanation is not None
    changes = {each.constraint: each for each in plan.explanation.relaxations}
    needed = changes["constraints[0]"].needed
    assert isinstance(needed, str)
    most = int(needed.removeprefix("gpus <= "))
    for number, status in ((most, "optimal"), (most - 1, "infeasible")):
        texts = [f"gpus <= {number}", "agg.tp in [1, 2, 4]"]
        assert solve({**asked, "constraints": texts}, explain=False).status == status
    none = solve({**BASE, "constraints": ["agg.tp > 8"], "serving": {**BASE["serving"], "mode": "agg"}})
    assert none.explanation is not None
    (only,) = [each for each in none.explanation.relaxations if each.needed is not None]
    assert (only.constraint, only.needed) == ("constraints[0]", "")
    assert only.plan is not None
    assert only.plan.inputs.get("constraints") is None
    assert "left out" in report_text(none)
    assert Plan.from_json(none.to_json()) == none


def test_all_that_is_needed_together_is_enough() -> None:
    """The combined change, put into the experiment, has the plan that comes with it."""
    asked = {**LOADED, "load": {"requests_per_s": 30}, "sla": {"ttft_ms": 60, "tpot_ms": 6}}
    explanation = solve(asked).explanation
    assert explanation is not None
    assert explanation.combined is not None
    changed: dict[str, Any] = {**asked, "fleet": dict(BASE["fleet"]), "sla": dict(asked["sla"])}
    for key, value in explanation.combined.items():
        part, name = key.split(".")
        changed[part] = {**changed[part], name: value}
    again = solve(changed, explain=False)
    assert again.status == "optimal"
    assert explanation.combined_plan is not None
    assert again.objective == explanation.combined_plan.objective
    assert again.pools == explanation.combined_plan.pools
