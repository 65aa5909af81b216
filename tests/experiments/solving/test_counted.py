"""Bounds with a confidence: what counts, and that the plan keeps it exactly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.around.families import family_key
from aicfg.experiments.ask.loader import load
from aicfg.experiments.ask.schema import Experiment, Sla
from aicfg.experiments.capacity.case import prepare_capacity
from aicfg.experiments.predictions.simulate import Run, simulate_plan
from aicfg.experiments.solving.assemble import candidates
from aicfg.experiments.solving.counted import counted, counts_plainly, worst
from aicfg.experiments.solving.prepare import prepare
from aicfg.hardware.intervals import Regime
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.errors import InputError

ASKED: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1500, "tpot_ms": 30},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {
        "backend": "trtllm",
        "search": {"agg": {"max_batch": 64}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 64}},
    },
}
INTERVALS = load_profile("aicfg").intervals


def asked(**sla: float) -> Experiment:
    """The experiment with more in its agreement."""
    return load({**ASKED, "sla": {**ASKED["sla"], **sla}})[0]


def test_points_count_with_their_regimes_factor() -> None:
    """Every point's latency is the curve's times the factor of its mode, engine and metric."""
    plain, safe = (candidates(prepare(asked(confidence=each))) for each in (0, 0.9))
    assert INTERVALS is not None
    agg = plain.points.role == 0
    for metric, mode, own, mine in (
        ("tpot_ms", "agg", "tpot_ns", agg),
        ("ttft_ms", "agg", "ttft_ns", agg),
        ("tpot_ms", "disagg", "tpot_ns", plain.points.role == 2),
        ("ttft_ms", "disagg", "ttft_ns", plain.points.role == 1),
    ):
        factor = INTERVALS.factor(Regime(mode, "trtllm", estimated=False), metric, 0.9)  # type: ignore[arg-type]
        before, after = getattr(plain.points, own)[mine], getattr(safe.points, own)[mine]
        assert np.abs(after - before * factor).max() <= 1 + factor
    assert (safe.points.request_rate == plain.points.request_rate).all()


def test_workers_priced_with_estimates_have_their_own_margin() -> None:
    """In data mode hybrid a layout that silicon could not price counts as estimated, and no other does."""
    gpt = {**ASKED, "model": "openai/gpt-oss-120b", "fleet": {"system": "h100_sxm", "gpus": 4}}
    serving = {**ASKED["serving"], "mode": "agg"}
    strict, hybrid = (
        prepare(load({**gpt, "serving": {**serving, "data_mode": mode}})[0]) for mode in ("silicon", "hybrid")
    )
    assert INTERVALS is not None
    measured = {str(curve.layout) for curve in candidates(strict).curves}
    found = candidates(hybrid)
    layouts = {str(curve.layout) for curve in found.curves}
    assert measured and measured < layouts
    for curve, owner in zip(found.curves, found.owner, strict=True):
        regime = Regime("agg", "trtllm", estimated=str(curve.layout) not in measured)
        _, tpot_ms = counted(Sla(confidence=0.9), curve, owner.model)
        assert tpot_ms == pytest.approx(curve.tpot_ms * INTERVALS.factor(regime, "tpot_ms", 0.9))


def test_a_plan_of_estimates_keeps_its_bounds_with_their_margin() -> None:
    """The plan's certificate, evaluated afresh from its pools, agrees with what counted in the program."""
    sla = {**ASKED["sla"], "confidence": 0.9}
    few = {"agg": {"max_batch": 8}, "prefill": {"max_batch": 1}, "decode": {"max_batch": 8}}
    serving = {**ASKED["serving"], "data_mode": "hybrid", "search": few}
    asked = {**ASKED, "model": "openai/gpt-oss-120b", "objective": "tpot", "sla": sla, "serving": serving}
    plan = solve({**asked, "load": {"requests_per_s": 1}}, engine="both")
    assert plan.status == "optimal" and any(pool.estimated for pool in plan.pools)
    assert plan.objective.value == plan.counted.tpot_ms  # type: ignore[union-attr]
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, abs=1e-5)


def test_a_plan_keeps_its_bounds_with_the_margin() -> None:
    """What counts is within the bounds; the plain means are reported beside it, lower."""
    plan = solve(asked(confidence=0.9))
    assert plan.counted is not None and plan.counted.confidence == 0.9
    assert plan.counted.tpot_ms is not None and plan.tpot_ms is not None
    assert plan.tpot_ms < plan.counted.tpot_ms <= 30
    assert plan.ttft_ms < plan.counted.ttft_ms <= 1500  # type: ignore[operator]
    assert plan.counted.request_latency_ms > plan.request_latency_ms  # type: ignore[operator]


def test_a_margin_is_a_tighter_bound() -> None:
    """With one mode and engine, a confidence gives what bounds divided by its factors give."""
    assert INTERVALS is not None
    regime, metrics = Regime("agg", "trtllm", estimated=False), ("ttft_ms", "tpot_ms")
    factors = {name: INTERVALS.factor(regime, name, 0.9) for name in metrics}
    bounds = {name: ASKED["sla"][name] / factor for name, factor in factors.items()}
    serving = {**ASKED["serving"], "mode": "agg"}
    safe = solve({**ASKED, "serving": serving, "sla": {**ASKED["sla"], "confidence": 0.9}})
    tight = solve({**ASKED, "serving": serving, "sla": {**bounds, "confidence": 0}})
    assert safe.tokens_per_s == tight.tokens_per_s
    assert [pool.batch for pool in safe.pools] == [pool.batch for pool in tight.pools]


def test_more_confidence_never_gains() -> None:
    """The objective falls with the confidence; at 0 nothing is counted otherwise."""
    plans = [solve(asked(confidence=level)) for level in (0.5, 0.8, 0.95)]
    values = [plan.tokens_per_s or 0.0 for plan in plans]
    assert values == sorted(values, reverse=True)
    assert solve(asked(confidence=0)).counted is None


def test_tpot_has_the_profiles_margin_by_default() -> None:
    """Where nothing is said of confidence, TPOT counts with the profile's margin, and TTFT as it is."""
    default = load_profile("aicfg").tpot_margin
    assert default > 1
    plan = solve({**ASKED, "objective": "tpot", "load": {"requests_per_s": 1}})
    assert plan.counted is not None
    assert plan.counted.tpot_margin == default
    assert plan.counted.tpot_ms == pytest.approx(plan.tpot_ms * default, abs=1e-5)  # type: ignore[operator]
    assert plan.counted.ttft_ms == plan.ttft_ms
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, abs=1e-5)
    assert solve({**ASKED, "profile": "aiconfigurator-0.12"}).counted is None


def test_the_lowest_latency_is_recomputed_as_it_counts() -> None:
    """A latency objective is the latency that counts, and its certificate agrees."""
    experiment = msgspec.structs.replace(asked(confidence=0.9), objective="tpot")
    plan = solve({**msgspec.to_builtins(experiment), "load": {"requests_per_s": 1}})
    assert plan.counted is not None
    assert plan.objective.value == plan.counted.tpot_ms
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, abs=1e-5)


def test_a_profile_without_intervals_says_so() -> None:
    """The peer's profile was never compared with measured runs."""
    with pytest.raises(InputError, match=r"sla.confidence: the profile aiconfigurator-0.12 has no intervals"):
        solve({**msgspec.to_builtins(asked(confidence=0.9)), "profile": "aiconfigurator-0.12"})


@pytest.mark.parametrize("value", [0.4, 1.0, 90])
def test_a_confidence_is_a_share(run: Callable[..., Any], tmp_path: Path, value: float) -> None:
    """Below a half, all of it, or percent: one line says what is accepted."""
    (tmp_path / "ask.yaml").write_bytes(msgspec.yaml.encode(ASKED))
    code, _, err = run("solve", tmp_path / "ask.yaml", "--set", f"sla.confidence={value}")
    assert code == 2
    assert "sla.confidence" in err and "expected 0, or a share from 0.5 to less than 1, such as 0.9" in err


def test_experiments_of_other_confidence_share_no_curves() -> None:
    """A sweep over the confidence prices what counts anew; one over the bounds does not."""
    assert family_key(asked(confidence=0.9)) != family_key(asked())
    assert family_key(asked(confidence=0.9, tpot_ms=20)) == family_key(asked(confidence=0.9))


def test_plain_agreements_count_plainly() -> None:
    """Bounds alone change nothing where the profile has no margin, or none is wanted."""
    ours, peers = load_profile("aicfg"), load_profile("aiconfigurator-0.12")
    bounds = Sla(ttft_ms=1, tpot_ms=2)
    assert counts_plainly(bounds, peers) and not counts_plainly(bounds, ours)
    assert counts_plainly(Sla(confidence=0), ours) and not counts_plainly(Sla(confidence=0.5), ours)


def test_the_worst_of_each_group() -> None:
    """An aggregated point is a group of its own; prefill and decode workers of one group are summed up."""
    case = prepare(asked())
    found = candidates(case)
    by_role = {curve.role: curve for curve in found.curves}
    prefill, decode, agg = by_role["prefill"], by_role["decode"], by_role["agg"]
    latencies = worst([(prefill, 0), (decode, 3), (agg, 1)], 199)
    pair = float(prefill.ttft_ms[0]) + 199 * float(decode.tpot_ms[3])
    alone = float(agg.ttft_ms[1]) + 199 * float(agg.tpot_ms[1])
    assert latencies.request_latency_ms == pytest.approx(max(pair, alone), abs=1e-6)
    assert latencies.tpot_ms == pytest.approx(max(float(decode.tpot_ms[3]), float(agg.tpot_ms[1])), abs=1e-6)


def test_counted_without_confidence_is_the_curve_itself() -> None:
    """No margin: the same figures to the last bit."""
    case = prepare(asked())
    found = candidates(case)
    ttft, tpot = counted(Sla(confidence=0), found.curves[0], found.owner[0].model)
    assert np.array_equal(ttft, found.curves[0].ttft_ms) and np.array_equal(tpot, found.curves[0].tpot_ms)


PERCENTILES = {"ttft_ms": {"p99": 1500}, "tpot_ms": {"p90": 30}}


def test_a_percentile_written_for_short() -> None:
    """``{p99: 1500}`` is a bound and its percentile; what was understood loads again."""
    (experiment,) = load({**ASKED, "sla": PERCENTILES})
    assert (experiment.sla.ttft_ms, experiment.sla.ttft_percentile) == (1500, 99)
    assert (experiment.sla.tpot_ms, experiment.sla.tpot_percentile) == (30, 90)
    plan = solve(experiment)
    (again,) = load(plan.inputs)
    assert again.sla == experiment.sla


@pytest.mark.parametrize("bound", [{"p99": -1}, {"p42": 10}, {"q99": 10}, {"p90": 10, "p99": 20}])
def test_what_is_no_percentile(bound: dict[str, float]) -> None:
    """A bound below nothing, a percentile below the median, another letter, or two at once."""
    with pytest.raises(InputError, match=r"sla\.(ttft_ms|ttft_percentile)"):
        load({**ASKED, "sla": {"ttft_ms": bound}})


@pytest.mark.parametrize("mode", ["agg", "disagg"])
def test_percentiles_cost_throughput(mode: str) -> None:
    """P99 of TTFT and P90 of TPOT bound more than the means, Poisson arrivals more than a closed loop."""
    serving = {**ASKED["serving"], "mode": mode}
    means, closed, poisson = (
        solve({**ASKED, "serving": serving, "sla": sla})
        for sla in (ASKED["sla"], PERCENTILES, {**PERCENTILES, "arrivals": "poisson"})
    )
    assert means.tokens_per_s >= closed.tokens_per_s >= poisson.tokens_per_s > 0  # type: ignore[operator]
    for plan, bound in ((closed, 30), (poisson, 30)):
        assert plan.counted is not None and plan.counted.tpot_percentile == 90
        assert plan.tpot_ms - 1e-5 <= plan.counted.tpot_ms <= bound  # type: ignore[operator]
        assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-5)


def test_a_simulated_plan_keeps_its_percentiles() -> None:
    """What the law promises, the simulated scheduler keeps, within what a run scatters."""
    for arrivals in ("closed", "poisson"):
        sla = {"ttft_ms": {"p90": 1200}, "tpot_ms": {"p90": 30}, "arrivals": arrivals}
        plan = solve({**ASKED, "serving": {**ASKED["serving"], "mode": "agg"}, "sla": sla})
        found, _, _ = simulate_plan(plan, Run(arrivals, 40_000))  # type: ignore[arg-type]
        assert plan.counted is not None and plan.counted.tpot_ms is not None
        assert found.tpot_ms.p90 <= 1.12 * plan.counted.tpot_ms
        assert found.ttft_ms.p90 <= 1200


def test_both_engines_agree_on_percentiles() -> None:
    """Prefill workers at several loads are points like others: CP-SAT finds the same best plan."""
    serving = {**ASKED["serving"], "mode": "disagg"}
    plan = solve({**ASKED, "serving": serving, "sla": PERCENTILES}, engine="both")
    assert plan.status == "optimal" and plan.certificate.checked_by == ("cpsat",)


def test_percentiles_need_a_law() -> None:
    """The peer's profile knows means alone."""
    with pytest.raises(InputError, match=r"knows means alone"):
        solve({**ASKED, "sla": PERCENTILES, "profile": "aiconfigurator-0.12"})


def test_classes_count_as_the_whole_agreement_says() -> None:
    """A class with bounds of its own takes the confidence and the arrivals over, unless it names its own."""
    classes = [
        {"name": "a", "isl": 1000, "osl": 100, "requests_per_s": 1, "sla": {"tpot_ms": 30}},
        {"name": "b", "isl": 500, "osl": 100, "requests_per_s": 1, "sla": {"tpot_ms": 30, "confidence": 0.5}},
    ]
    asked_for = {**ASKED, "workload": {"classes": classes}, "sla": {"confidence": 0.9, "arrivals": "poisson"}}
    (experiment,) = load({**asked_for, "objective": "gpus"})
    first, second = (kind.sla for kind in prepare_capacity(experiment).kinds)
    assert (first.confidence, first.arrivals, second.confidence) == (0.9, "poisson", 0.5)
