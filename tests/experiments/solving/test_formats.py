"""Number formats and engines as a decision: lists under serving."""

from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.ask.loader import load
from aicfg.experiments.reports.plan import report_text
from aicfg.model_specs.errors import InputError

BASE: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000, "tpot_ms": 40},
    "fleet": {"system": "h100_sxm", "gpus": 8},
}
SEARCH = {"agg": {"max_batch": 32}, "prefill": {"max_batch": 2}, "decode": {"max_batch": 64}}


def plan_with(constraints: tuple[str, ...] = (), **quant: Any) -> Any:
    """The plan with the given formats."""
    serving = {"search": SEARCH, "mode": "disagg", "quant": quant}
    return solve({**BASE, "serving": serving, "constraints": list(constraints)})


def test_the_best_of_the_formats_is_chosen() -> None:
    """A list gives at least the best plan of its members, with caches that prefill and decode share."""
    alone = [plan_with(kvcache=name).objective.value for name in ("bfloat16", "fp8")]
    both = plan_with(kvcache=["bfloat16", "fp8"])
    assert both.objective.value == max(alone)
    assert both.certificate.recomputed == pytest.approx(both.objective.value, rel=1e-6)
    assert len({pool.quant.kvcache for pool in both.pools}) == 1
    assert both.inputs["serving"]["quant"]["kvcache"] == ["bfloat16", "fp8"]
    assert solve(both.inputs).pools == both.pools
    text = report_text(both)
    assert "KV bfloat16 or fp8" in text
    assert f"formats   weights bfloat16, KV {both.pools[0].quant.kvcache}\n" in text


def test_weights_are_chosen_role_by_role() -> None:
    """Roles may differ in their weights, unless a constraint says otherwise."""
    free = plan_with(gemm=["bfloat16", "fp8"], kvcache="fp8")
    same = plan_with(("prefill.quant.gemm == 'bfloat16'",), gemm=["bfloat16", "fp8"], kvcache="fp8")
    assert {pool.quant.gemm for pool in same.pools if pool.role == "prefill"} == {"bfloat16"}
    assert free.objective.value >= same.objective.value
    apart = ("prefill.quant.gemm == 'fp8'", "decode.quant.gemm == 'bfloat16'")
    other = plan_with(apart, gemm=["bfloat16", "fp8"], kvcache="fp8")
    text = report_text(other)
    assert all(f"{pool.role}: weights {pool.quant.gemm}, KV fp8\n" in text for pool in other.pools)


def test_a_format_that_is_not_measured_is_left_out() -> None:
    """The others of its list go on, and the plan says why."""
    plan = plan_with(fmha=["bfloat16", "fp8"], kvcache="bfloat16")
    (reason,) = plan.left_out.values()
    assert {pool.quant.fmha for pool in plan.pools} == {"bfloat16"}
    assert "fmha 'fp8' with kvcache 'bfloat16' has no prefill attention table" in reason


def test_a_list_with_an_unknown_format() -> None:
    """Each member of a list is checked."""
    with pytest.raises(InputError, match=r"serving\.quant\.kvcache: 'fp9' is not a format"):
        load({**BASE, "serving": {"quant": {"kvcache": ["fp8", "fp9"]}}})


def test_the_best_of_the_engines_is_chosen() -> None:
    """A list of engines gives the best of their plans; no worker hands its cache to another engine's."""
    serving = {"search": SEARCH, "mode": "disagg"}
    names = ("vllm", "sglang", "trtllm")
    alone = [
        solve({**BASE, "serving": {**serving, "backend": name}}).objective.value or 0.0 for name in names
    ]
    plan = solve({**BASE, "serving": {**serving, "backend": list(names)}})
    assert plan.objective.value == max(alone)
    assert {pool.backend for pool in plan.pools} == {names[alone.index(max(alone))]}
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-6)
    assert solve(plan.inputs).pools == plan.pools
    assert "with vllm or sglang or trtllm" in report_text(plan)
    other = names[alone.index(min(alone))]
    rule = [f"prefill.backend == '{other}'"]
    bound = solve({**BASE, "serving": {**serving, "backend": list(names)}, "constraints": rule})
    assert {pool.backend for pool in bound.pools} == {other}
    assert bound.objective.value == min(alone)


def test_an_unknown_engine_in_a_list() -> None:
    """Each engine of a list is checked."""
    with pytest.raises(InputError, match="expected a list of engines of vllm, sglang, trtllm"):
        load({**BASE, "serving": {"backend": ["vllm", "vlm"]}})


AUTO_CASES = [("vllm", "mixed"), ("sglang", "disagg"), ("trtllm", "agg")]


@pytest.mark.parametrize(("backend", "mode"), AUTO_CASES)
def test_auto_is_the_best_of_every_combination_by_itself(backend: str, mode: str) -> None:
    """What ``quant: auto`` finds is the best of the plans of each combination that it stands for."""
    serving = {"search": SEARCH, "mode": mode, "backend": backend}
    plan = solve({**BASE, "serving": {**serving, "quant": "auto"}})
    alone = []
    for gemm, kvcache, fmha in product(("bfloat16", "fp8"), repeat=3):
        quant = {"gemm": gemm, "kvcache": kvcache, "fmha": fmha}
        if backend != "trtllm" or gemm == "bfloat16":  # which does not turn weights into fp8
            with suppress(InputError):  # not measured
                alone.append(solve({**BASE, "serving": {**serving, "quant": quant}}).objective.value or 0.0)
    assert (plan.objective.value or 0.0) >= max(alone)
    assert not plan.left_out
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-6)
    assert len({pool.quant.kvcache for pool in plan.pools if pool.role != "agg"}) <= 1
    assert len({pool.quant.gemm for pool in plan.pools}) > 1 or plan.objective.value == max(alone)
    assert solve(plan.inputs).pools == plan.pools


def test_auto_for_one_component_leaves_the_others() -> None:
    """``kvcache: auto`` chooses the cache; the weights are the checkpoint's."""
    plan = plan_with(kvcache="auto")
    assert plan.objective.value == plan_with(kvcache=["bfloat16", "fp8"]).objective.value
    assert {pool.quant.gemm for pool in plan.pools} == {"bfloat16"}
    assert plan.inputs["serving"]["quant"] == {
        "gemm": "bfloat16",
        "moe": None,
        "kvcache": "auto",
        "fmha": "bfloat16",
        "comm": "half",
    }
    assert "KV auto" in report_text(plan)
    assert f"KV {plan.pools[0].quant.kvcache}" in report_text(plan)


def test_auto_is_refused_where_it_means_nothing() -> None:
    """A member of a list is a format, and the whole is a mapping or auto."""
    with pytest.raises(InputError, match=r"serving\.quant\.kvcache: 'auto' is not a format"):
        load({**BASE, "serving": {"quant": {"kvcache": ["fp8", "auto"]}}})
    with pytest.raises(InputError, match=r"serving\.quant: got text 'atuo'; expected a mapping .*, or auto"):
        load({**BASE, "serving": {"quant": "atuo"}})


def test_the_best_chunk_budget_is_chosen() -> None:
    """``auto`` is the best of whole prompts and of each step of 512 tokens; a list is just its members."""

    def value(chunks: Any) -> float:
        search = {"agg": {"max_batch": 32, "tp": [2, 4], "chunk_tokens": chunks}}
        plan = solve({**BASE, "serving": {"search": search, "mode": "agg"}})
        if isinstance(chunks, list):
            assert {pool.chunk_tokens for pool in plan.pools} <= set(chunks)
        return plan.objective.value or 0.0

    steps = [value([tokens]) for tokens in range(512, 8192 + 1, 512)]
    whole = value(None)
    assert whole == value([2000, 4000, 6000, 8000])
    assert value("auto") == max(whole, *steps) > whole
    assert value([1024, 512, 1024]) == max(steps[:2])
