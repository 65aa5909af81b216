"""The plan: its fields, its JSON, its table."""

import json
from dataclasses import astuple, replace
from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError

FIELDS = [
    "schema",
    "status",
    "experiment",
    "mode",
    "inputs",
    "profile",
    "provenance",
    "objective",
    "pools",
    "ttft_ms",
    "tpot_ms",
    "request_latency_ms",
    "concurrency",
    "tokens_per_s",
    "tokens_per_s_per_gpu",
    "tokens_per_s_per_user",
    "gpus_used",
    "gpus_budget",
    "certificate",
    "alternatives",
    "pareto",
    "explanation",
    "requests_per_s",
    "cost_per_hour",
    "left_out",
    "gives_up",
    "capacity",
    "counted",
    "likely",
]
POOL_FIELDS = [
    "role",
    "system",
    "backend",
    "backend_version",
    "tp",
    "pp",
    "dp",
    "cp",
    "moe_tp",
    "moe_ep",
    "gpus_per_worker",
    "workers",
    "batch",
    "chunk_tokens",
    "quant",
    "step_ms",
    "requests_per_s",
    "memory_gib",
    "sources",
    "estimated",
    "pool",
]
SOURCES = ["measured", "interpolated", "extrapolated", "replaced", "estimated", "formula", "light"]
CERTIFICATE_FIELDS = [
    "engine",
    "bound",
    "gap",
    "recomputed",
    "worker_types",
    "points",
    "rows",
    "solve_ms",
    "total_ms",
    "checked_by",
]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A solved plan, disaggregated, with the aggregated one as its alternative."""
    mapping: dict[str, Any] = {
        "model": "Qwen/Qwen3-32B",
        "workload": {"isl": 4000, "osl": 500},
        "sla": {"ttft_ms": 300, "tpot_ms": 10},
        "fleet": {"system": "h100", "gpus": 28},
        "serving": {"search": {"decode": {"max_batch": 64}, "agg": {"max_batch": 32}}},
    }
    return solve(mapping)


def test_field_names(plan: Plan) -> None:
    """The JSON has exactly the documented fields, in their order, at every level."""
    data = json.loads(plan.to_json())
    assert list(data) == FIELDS
    assert [list(pool) for pool in data["pools"]] == [POOL_FIELDS] * 2
    assert [list(pool["sources"]) for pool in data["pools"]] == [SOURCES] * 2
    assert list(data["pools"][0]["quant"]) == ["gemm", "moe", "kvcache", "fmha", "comm"]
    assert list(data["pools"][0]["memory_gib"]) == ["weights", "kv", "activations", "other", "limit"]
    assert list(data["certificate"]) == CERTIFICATE_FIELDS
    assert list(data["objective"]) == ["name", "value", "sense"]
    assert list(data["provenance"]) == ["aicfg", "tables", "model"]


def test_figures_of_a_plan_belong_together(plan: Plan) -> None:
    """Derived figures follow from the others; the budget, not the use, divides tokens/s."""
    prefill, decode = plan.pools
    assert (plan.schema, plan.status, plan.mode) == (1, "optimal", "disagg")
    assert (prefill.role, decode.role) == ("prefill", "decode")
    assert plan.gpus_used == prefill.gpus + decode.gpus <= plan.gpus_budget == 28
    assert plan.concurrency == decode.workers * decode.batch
    assert plan.tokens_per_s == plan.objective.value == plan.certificate.bound
    assert plan.tokens_per_s_per_gpu == pytest.approx((plan.tokens_per_s or 0) / 28)
    assert plan.tokens_per_s_per_user == pytest.approx(1000 / (plan.tpot_ms or 1))
    assert plan.request_latency_ms == pytest.approx((plan.ttft_ms or 0) + 499 * (plan.tpot_ms or 0))
    rates = (pool.workers * pool.requests_per_s for pool in plan.pools)
    assert plan.tokens_per_s == pytest.approx(500 * min(rates), rel=1e-6)
    assert (prefill.chunk_tokens, decode.chunk_tokens) == (None, None)
    assert all(pool.memory_gib.used <= pool.memory_gib.limit for pool in plan.pools)


def test_an_aggregated_pool_has_a_chunk(plan: Plan) -> None:
    """The runner-up is the aggregated plan, whose chunk is a number."""
    (other,) = plan.alternatives
    assert other.mode == "agg"
    assert (other.tokens_per_s or 0) < (plan.tokens_per_s or 0)
    assert other.pools[0].chunk_tokens is not None
    assert other.alternatives == ()


def test_recomputed_agrees_with_the_value(plan: Plan) -> None:
    """The objective priced afresh from the pools is the program's within the rounding to micro-units."""
    for each in (plan, *plan.alternatives):
        assert each.certificate.recomputed == pytest.approx(each.tokens_per_s, rel=1e-6)
        assert each.certificate.gap == 0.0


def test_json_round_trip(plan: Plan) -> None:
    """What is written, compact or pretty, is read back as an equal plan."""
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json(indent=2)) == plan
    assert plan.to_json().count("\n") == 0
    assert json.loads(plan.to_json())["pools"] == list(plan.to_dict()["pools"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": "x"}'])
def test_json_that_is_no_plan(text: str) -> None:
    """Text that is not a plan is refused in one line."""
    with pytest.raises(InputError, match="not a plan: "):
        Plan.from_json(text)


def test_inputs_are_an_experiment_again(plan: Plan) -> None:
    """Solving what was understood gives the same plan: names are canonical, defaults filled in."""
    assert plan.inputs["fleet"]["system"] == "h100_sxm"
    assert plan.inputs["serving"]["version"] == plan.pools[0].backend_version
    assert plan.inputs["serving"]["quant"]["gemm"] == "bfloat16"
    again = solve(plan.inputs)
    assert again.pools == plan.pools
    assert again.inputs == plan.inputs


def test_dataframe_has_a_row_a_pool(plan: Plan) -> None:
    """The table has one row a pool with nested fields joined by a point, and one row without pools."""
    table = plan.to_dataframe()
    assert table["role"].tolist() == ["prefill", "decode"]
    assert {"memory_gib.weights", "quant.gemm", "tokens_per_s", "workers"} <= set(table.columns)
    assert (table["tokens_per_s"] == plan.tokens_per_s).all()
    empty = replace(plan, pools=(), status="infeasible").to_dataframe()
    assert empty["status"].tolist() == ["infeasible"]


@pytest.mark.parametrize(
    ("status", "code"), [("optimal", 0), ("feasible", 0), ("infeasible", 3), ("unknown", 4)]
)
def test_exit_codes(plan: Plan, status: Any, code: int) -> None:
    """Each status has its exit code."""
    assert replace(plan, status=status).exit_code == code


def test_provenance_names_the_tables(plan: Plan) -> None:
    """The plan says which tables it rests on."""
    (used,) = plan.provenance.tables
    assert (used.system, used.backend, used.version) == ("h100_sxm", "vllm", plan.pools[0].backend_version)
    assert used.sources["gemm"][0] == f"vllm {used.version}"
    assert {"gemm", "context_attention", "generation_attention"} <= set(used.sources)
    assert plan.provenance.model == "catalog/Qwen.yaml: Qwen/Qwen3-32B"


def test_each_pool_says_what_its_time_rests_on(plan: Plan) -> None:
    """Shares add up to one; under silicon tables nothing is estimated or at the speed of light."""
    for pool in (*plan.pools, *plan.alternatives[0].pools):
        assert pool.sources is not None
        assert sum(astuple(pool.sources)) == pytest.approx(1.0)
        assert pool.sources.interpolated > 0.5
        assert (pool.sources.estimated, pool.sources.light) == (0.0, 0.0)


def test_a_plan_of_an_earlier_aicfg_is_read(plan: Plan) -> None:
    """Fields that schema 1 gained since may be missing."""
    data = json.loads(plan.to_json())
    del data["provenance"]["model"]
    for pool in data["pools"]:
        del pool["sources"]
    read = Plan.from_json(json.dumps(data))
    assert [pool.sources for pool in read.pools] == [None, None]
    assert read.provenance.model == ""
