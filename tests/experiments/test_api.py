"""aicfg.solve and its relatives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import aicfg
from aicfg.experiments import api
from aicfg.experiments.plans.plan import Plan

MAPPING: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000, "tpot_ms": 40},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {
        "search": {"agg": {"max_batch": 64}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 64}}
    },
}


def test_public_names() -> None:
    """Everything in __all__ is there, and nothing else pretends to be."""
    for name in aicfg.__all__:
        assert getattr(aicfg, name) is not None
    assert set(aicfg.__all__) <= set(dir(aicfg))
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        _ = aicfg.solv  # type: ignore[attr-defined]


def test_the_version_is_the_distributions() -> None:
    """The package's version is what pyproject.toml says."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'version = "{aicfg.__version__}"' in text


def test_a_path_a_mapping_and_an_object_give_one_plan(small: Path) -> None:
    """The same experiment has the same plan, whichever way it comes in."""
    experiment = aicfg.load(small)[0]
    plans = [aicfg.solve(source) for source in (small, str(small), MAPPING, experiment)]
    assert {plan.pools for plan in plans} == {plans[0].pools}
    assert {plan.experiment for plan in plans} == {"small", "experiment"}


def test_auto_is_the_better_of_the_two_modes() -> None:
    """mode: auto gives the better of agg and disagg; the other one is the alternative."""
    agg, disagg = (
        aicfg.solve({**MAPPING, "serving": {**MAPPING["serving"], "mode": m}}) for m in ("agg", "disagg")
    )
    auto = aicfg.solve(MAPPING)
    assert (agg.mode, disagg.mode) == ("agg", "disagg")
    assert auto.tokens_per_s == max(agg.tokens_per_s or 0, disagg.tokens_per_s or 0)
    assert [each.tokens_per_s for each in auto.alternatives] == [
        min(agg.tokens_per_s or 0, disagg.tokens_per_s or 0)
    ]
    assert agg.alternatives == ()


def test_one_infeasible_mode_leaves_the_other() -> None:
    """With one GPU there is no disaggregated plan; the aggregated one stands alone."""
    plan = aicfg.solve({**MAPPING, "fleet": {"system": "h200_sxm", "gpus": 1}})
    assert (plan.status, plan.mode, plan.alternatives) == ("optimal", "agg", ())


def test_both_engines_agree() -> None:
    """engine both: HiGHS's plan, checked by CP-SAT."""
    plan = aicfg.solve({**MAPPING, "fleet": {"system": "h100_sxm", "gpus": 4}}, engine="both")
    assert plan.certificate.engine == "highs"
    assert plan.certificate.checked_by == ("cpsat",)


def test_several_experiments(tmp_path: Path) -> None:
    """solve_all gives a plan each in order; solve says that there are several."""
    path = tmp_path / "two.yaml"
    path.write_text(
        "defaults: {model: Qwen/Qwen3-32B, workload: {isl: 2000, osl: 200}, serving: {mode: agg}}\n"
        "experiments:\n  four: {fleet: {system: h100, gpus: 4}}\n  eight: {fleet: {system: h100, gpus: 8}}\n"
    )
    four, eight = aicfg.solve_all(path)
    assert (four.experiment, eight.experiment) == ("four", "eight")
    assert (eight.tokens_per_s or 0) >= 2 * (four.tokens_per_s or 0)
    with pytest.raises(aicfg.InputError, match=r"2 experiments \(four, eight\): call aicfg\.solve_all"):
        aicfg.solve(path)


@pytest.mark.parametrize(("engine", "part"), [("gurobi", "gurobi"), ("", "highs")])
def test_an_unknown_engine(engine: str, part: str) -> None:
    """An engine that is none is refused with those that are."""
    with pytest.raises(aicfg.InputError, match=part):
        aicfg.solve(MAPPING, engine=engine)


def stopped(plan: Plan, **changes: Any) -> Plan:
    """The plan as an engine that was stopped would leave it."""
    certificate = replace(plan.certificate, **changes)
    return replace(plan, status="feasible", certificate=certificate)


def test_a_proof_covers_all_modes() -> None:
    """When the other mode was stopped with a bound above the best plan, that plan is not called optimal."""
    best = aicfg.solve(MAPPING)
    value = best.tokens_per_s or 0
    other = best.alternatives[0]
    open_end = api._over_all_modes(best, [stopped(other, bound=2 * value, gap=1.0)])
    assert (open_end.status, open_end.certificate.bound, open_end.certificate.gap) == (
        "feasible",
        2 * value,
        1.0,
    )
    closed = api._over_all_modes(best, [stopped(other, bound=0.9 * value, gap=0.1)])
    assert closed == best
    unknown = api._over_all_modes(best, [stopped(other, bound=None, gap=None)])
    assert (unknown.status, unknown.certificate.bound) == ("feasible", None)
