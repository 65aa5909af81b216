"""Plans to render, made without solving: every engine, mode, model kind, span of a worker and budget."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from aicfg.experiments.plans.plan import (
    Certificate,
    MemoryGib,
    Objective,
    Plan,
    PoolPlan,
    Provenance,
    QuantPlan,
)

DENSE, MOE = "Qwen/Qwen3-32B-FP8", "deepseek-ai/DeepSeek-V3"
VERSIONS = {"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20"}
BUDGETS, SPANS = (8, 12, 50, 64, 256), (1, 2, 8)


class Case(NamedTuple):
    """One plan of the matrix."""

    backend: str
    mode: Literal["agg", "disagg"]
    kind: Literal["dense", "moe"]
    nodes: int
    """Nodes that the largest worker spans."""
    gpus: int

    @property
    def name(self) -> str:
        """Its name as a test's id."""
        return f"{self.backend}-{self.mode}-{self.kind}-{self.nodes}nodes-{self.gpus}gpus"


def pool(backend: str, role: Any, workers: int, **degrees: Any) -> PoolPlan:
    """A pool of equal workers; what is left out is 1 or usual."""
    sizes = {name: degrees.pop(name, 1) for name in ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep")}
    gpus = sizes["tp"] * sizes["pp"] * sizes["dp"] * sizes["cp"]
    given = {
        "system": "h200_sxm",
        "batch": 1 if role == "prefill" else 24,
        "chunk_tokens": 4000 if role == "agg" else None,
        "quant": QuantPlan("fp8_block", "fp8_block", "fp8", "bfloat16", "half"),
        **degrees,
    }
    return PoolPlan(
        role=role,
        backend=backend,
        backend_version=VERSIONS[backend],
        gpus_per_worker=gpus,
        workers=workers,
        step_ms=20.0,
        requests_per_s=2.0,
        memory_gib=MemoryGib(10.0, 20.0, 1.0, 3.0, 130.0),
        **sizes,
        **given,
    )


def plan(
    *pools: PoolPlan, budget: int | None = None, model: str = DENSE, name: str = "test", **inputs: Any
) -> Plan:
    """A plan with these pools."""
    used = sum(each.gpus for each in pools)
    roles = {each.role for each in pools}
    mode: Any = "agg" if roles == {"agg"} else "mixed" if "agg" in roles else "disagg"
    asked = {
        "name": name,
        "model": model,
        "workload": {"isl": 4000, "osl": 500, "prefix": 0},
        "sla": {"ttft_ms": 1000.0, "tpot_ms": 40.0},
        "serving": {"speculative": {"nextn": 0}, "memory_fraction": None},
        **inputs,
    }
    return Plan(
        schema=1,
        status="optimal",
        experiment=name,
        mode=mode,
        inputs=asked,
        profile="aiconfigurator-0.12",
        provenance=Provenance("0.1.0", ()),
        objective=Objective("tokens_per_s", 1000.0, "max"),
        pools=pools,
        ttft_ms=500.0,
        tpot_ms=20.0,
        request_latency_ms=None,
        concurrency=sum(each.concurrency for each in pools if each.role != "prefill"),
        tokens_per_s=1000.0,
        tokens_per_s_per_gpu=20.0,
        tokens_per_s_per_user=50.0,
        gpus_used=used,
        gpus_budget=budget or used,
        certificate=Certificate("highs", 1000.0, 0.0, 1000.0, 1, 1, 1, 1.0, 1.0),
    )


def layout(kind: str, backend: str, nodes: int) -> dict[str, int]:
    """Degrees of a worker that takes half a node (one node asked), or so many whole ones."""
    gpus = 4 if nodes == 1 else 8 * nodes
    if kind == "moe":
        return {"dp": gpus, "moe_ep": gpus}
    return {"tp": 4} if nodes == 1 else {"tp": 8, "pp": nodes}


def case_plan(case: Case) -> Plan | None:
    """The plan of a case; None where the budget cannot hold it."""
    degrees = layout(case.kind, case.backend, case.nodes)
    large = pool(case.backend, "agg" if case.mode == "agg" else "decode", 1, **degrees)
    small = layout(case.kind, case.backend, 1)
    prefill = pool(case.backend, "prefill", 1, **small)
    model = MOE if case.kind == "moe" else DENSE
    if case.mode == "agg":
        workers = case.gpus // 8 * 8 // large.gpus_per_worker + (case.nodes == 1) * (case.gpus % 8 // 4)
        pools = (replace(large, workers=workers),) if workers else ()
    else:
        workers = max(1, (case.gpus - prefill.gpus_per_worker) * 2 // 3 // large.gpus_per_worker)
        left = case.gpus - workers * large.gpus_per_worker
        pairs = (replace(prefill, workers=left // prefill.gpus_per_worker), replace(large, workers=workers))
        pools = pairs if left >= prefill.gpus_per_worker else ()
    return plan(*pools, budget=case.gpus, model=model, name=case.name) if pools else None


def cases() -> Iterator[tuple[Case, Plan]]:
    """The whole matrix, as far as budgets hold workers that span the nodes.

    The widest deployments of narrow workers are 33 scripts each: one engine's stand for all.
    """
    for backend in VERSIONS:
        for mode in ("agg", "disagg"):
            for kind in ("dense", "moe"):
                for nodes in SPANS:
                    for gpus in BUDGETS:
                        if gpus == 256 and nodes < 8 and (backend, mode) != ("vllm", "disagg"):
                            continue
                        case = Case(backend, mode, kind, nodes, gpus)  # type: ignore[arg-type]
                        made = case_plan(case)
                        if made is not None:
                            yield case, made


CASES = tuple(cases())
