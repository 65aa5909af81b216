"""Around the best plan: alternatives with what they give up, and the frontier, as plans carry them."""

from dataclasses import replace
from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.plans.gives_up import with_what_it_gives_up
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.reports.plan import report_text

BASE: dict[str, Any] = {
    "name": "around",
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 600, "tpot_ms": 20, "confidence": 0},
    "fleet": {"system": "h100_sxm", "gpus": 12},
    "serving": {
        "search": {"agg": {"max_batch": 64}, "prefill": {"max_batch": 4}, "decode": {"max_batch": 64}}
    },
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan with five alternatives and its frontier."""
    return solve(BASE, alternatives=5, frontier="tpot")


def types_of(plan: Plan) -> frozenset[str]:
    """The structure of a plan."""
    return frozenset(f"{p.role} {p.tp} {p.pp}" for p in plan.pools)


def test_the_plan_itself_stays(plan: Plan) -> None:
    """What is found around it changes nothing of the plan; nothing is looked for unless it is asked for."""
    plain = solve(BASE)
    assert (plain.pools, plain.objective, plain.pareto) == (plan.pools, plan.objective, ())
    assert [each.mode for each in plain.alternatives] != [plain.mode]


def test_alternatives_differ_and_fall(plan: Plan) -> None:
    """Five plans of five other structures over both modes, best first, each recomputed."""
    every = (plan, *plan.alternatives)
    assert len({types_of(each) for each in every}) == 6
    values = [each.objective.value or 0.0 for each in every]
    assert values == sorted(values, reverse=True)
    (runner_up,) = solve(BASE).alternatives  # of the other mode: among them, or no better than the last
    assert (
        any(each.pools == runner_up.pools for each in every) or (runner_up.objective.value or 0) <= values[-1]
    )
    for each in plan.alternatives:
        assert each.certificate.recomputed == pytest.approx(each.objective.value, rel=1e-6)


def test_alternatives_are_the_best_of_each_structure() -> None:
    """Of aggregated serving without pipelines the best plans of each degree, in order, are all there is."""
    search = {"max_batch": 64, "pp": [1]}
    agg = {**BASE, "serving": {"mode": "agg", "search": {"agg": search}}}
    found = solve(agg, alternatives=9)
    alone = []
    for tp in (1, 2, 4, 8):
        one = solve(
            {**agg, "serving": {"mode": "agg", "search": {"agg": {**search, "tp": [tp]}}}}, explain=False
        )
        alone += [(one.objective.value, tp)] if one.objective.value is not None else []
    ranked = [(each.objective.value, each.pools[0].tp) for each in (found, *found.alternatives)]
    assert ranked == sorted(alone, reverse=True)
    assert len(ranked) > 1


def test_what_is_given_up(plan: Plan) -> None:
    """Shares, differences and types add up to the alternative."""
    for each in plan.alternatives:
        gives = each.gives_up
        assert gives is not None
        assert each.objective.value == pytest.approx((plan.objective.value or 0) * (1 - gives.share))
        assert each.gpus_used == (plan.gpus_used or 0) + gives.gpus
        assert each.ttft_ms == pytest.approx((plan.ttft_ms or 0) + gives.ttft_ms)
        assert each.tpot_ms == pytest.approx((plan.tpot_ms or 0) + gives.tpot_ms)
        assert gives.instead
        assert not set(gives.instead) & set(gives.without)


def test_what_is_given_up_in_words(plan: Plan) -> None:
    """A quarter less, two GPUs fewer, 10 ms later; where less is better, more is worse."""
    value, gpus, ttft = plan.objective.value or 0.0, plan.gpus_used or 0, plan.ttft_ms or 0.0
    worse = replace(
        plan, objective=replace(plan.objective, value=0.75 * value), gpus_used=gpus - 2, ttft_ms=ttft + 10
    )
    gives = with_what_it_gives_up(worse, plan).gives_up
    assert gives is not None
    assert gives.text == "25 % less; 2 GPUs less, TTFT 10 ms more"
    least = replace(plan, objective=replace(plan.objective, sense="min", name="cost"))
    dear = replace(least, objective=replace(least.objective, value=1.5 * value))
    gives = with_what_it_gives_up(dear, least).gives_up
    assert gives is not None
    assert (gives.share, gives.text) == (pytest.approx(0.5), "50 % more")


def test_the_frontier_rises_and_holds_the_plan(plan: Plan) -> None:
    """Slower for a user, more tokens/s; the chosen corner is the plan, and the bound on TPOT is left out."""
    corners = plan.pareto
    assert [c.tpot_ms for c in corners] == sorted({c.tpot_ms for c in corners})
    assert [c.tokens_per_s for c in corners] == sorted({c.tokens_per_s for c in corners})
    (chosen,) = [c for c in corners if c.chosen]
    assert chosen.tokens_per_s == plan.tokens_per_s
    assert chosen.tokens_per_s_per_gpu == plan.tokens_per_s_per_gpu
    assert [c.meets_sla for c in corners] == [c.tpot_ms <= 20 for c in corners]
    assert corners[-1].tpot_ms > 20
    assert all(c.ttft_ms <= 600 for c in corners)


def test_a_corner_is_what_solve_gives_there(plan: Plan) -> None:
    """With a corner's TPOT as the bound the best plan is the corner; a nanosecond less and it is not."""
    for corner in plan.pareto[1 :: len(plan.pareto) // 4]:
        sla = {**BASE["sla"], "tpot_ms": corner.tpot_ms}
        at = solve({**BASE, "sla": sla}, explain=False)
        assert at.tokens_per_s == corner.tokens_per_s
        assert at.mode == corner.mode
        before = solve({**BASE, "sla": {**sla, "tpot_ms": corner.tpot_ms - 1e-6}}, explain=False)
        assert (before.tokens_per_s or 0) < corner.tokens_per_s


def test_ttft_as_an_axis() -> None:
    """More corners, of which none is as good as another in all three; those at the bound are there too."""
    mapping = {**BASE, "serving": {**BASE["serving"], "mode": "agg"}}
    two, three = (solve(mapping, frontier=axis).pareto for axis in ("tpot", "ttft"))
    assert len(three) > len(two)
    figures = [(-c.tokens_per_s, c.tpot_ms, c.ttft_ms) for c in three]
    for a in figures:
        assert not any(b != a and all(x <= y for x, y in zip(b, a, strict=True)) for b in figures)
    assert {c.tokens_per_s for c in two} <= {c.tokens_per_s for c in three}


def test_a_frontier_without_a_plan() -> None:
    """Where the agreement cannot be met the frontier shows what can be had; no corner is marked."""
    plan = solve({**BASE, "sla": {"tpot_ms": 1}}, frontier="tpot", alternatives=2)
    assert (plan.status, plan.alternatives) == ("infeasible", ())
    assert plan.pareto
    assert not any(c.meets_sla or c.chosen for c in plan.pareto)
    assert "Frontier" in report_text(plan)


def test_json_round_trip(plan: Plan) -> None:
    """Corners and what alternatives give up are read back as they were."""
    assert Plan.from_json(plan.to_json()) == plan


def test_a_margin_is_the_agreements_and_not_the_axis() -> None:
    """With the profile's margin fewer corners meet the agreement; their figures are the same."""
    mapping = {**BASE, "serving": {**BASE["serving"], "mode": "agg"}}
    plain = solve(mapping, frontier="tpot").pareto
    with_margin = solve({**mapping, "sla": {"ttft_ms": 600, "tpot_ms": 20}}, frontier="tpot").pareto
    assert [c.pools for c in plain] == [c.pools for c in with_margin]
    assert [c.tpot_ms for c in plain] == pytest.approx([c.tpot_ms for c in with_margin], rel=1e-6)
    assert sum(c.meets_sla for c in with_margin) <= sum(c.meets_sla for c in plain)
