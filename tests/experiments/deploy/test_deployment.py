"""What a plan becomes: worker types, nodes, budgets of tokens, groups."""

from dataclasses import replace
from typing import Any

import pytest
from deploy_plans import CASES, MOE, plan, pool

from aicfg.experiments.deploy.deployment import Deployment, deployment
from aicfg.experiments.deploy.placement import place
from aicfg.experiments.deploy.settings.schema import EngineParams, Node, Params, Settings
from aicfg.model_specs.errors import InputError


def made(*pools: Any, **given: Any) -> Deployment:
    """The deployment of a plan with these pools."""
    return deployment(plan(*pools, **given), Settings())


def test_a_step_holds_the_chunk_beside_the_decoding_requests() -> None:
    """An aggregated worker's token budget is what was evaluated: C prompt tokens and b · (1 + n)."""
    drafts = {"serving": {"speculative": {"nextn": 2}}}
    (worker,) = made(pool("vllm", "agg", 1, batch=24, chunk_tokens=4000), **drafts).types
    assert worker.step_tokens == 4000 + 24 * 3
    (paged,) = made(pool("sglang", "agg", 1, batch=24, chunk_tokens=4000)).types
    assert paged.step_tokens == 4032  # 4,024 up to whole KV pages of 64


def test_a_prefill_step_holds_its_prompts_whole() -> None:
    """Batch × (prompt with room), and the longest sequence has prompt, output and room."""
    prefill, _ = made(pool("vllm", "prefill", 1, batch=2), pool("vllm", "decode", 1)).types
    assert prefill.step_tokens == 2 * (4000 + 256)
    assert prefill.max_length == 4800
    assert prefill.graph_batches == ()


def test_no_context_beyond_the_models() -> None:
    """Room never asks for more than the model's positions: Qwen3-32B has 40,960."""
    (worker,) = made(pool("vllm", "agg", 1), workload={"isl": 40_000, "osl": 900}).types
    assert worker.max_length == 40_960


@pytest.mark.parametrize(("backend", "sequences"), [("vllm", 96), ("sglang", 96), ("trtllm", 24)])
def test_stages_share_an_engines_requests(backend: str, sequences: int) -> None:
    """vLLM and SGLang count the requests of all pipeline stages, TensorRT-LLM those of one."""
    (worker,) = made(pool(backend, "agg", 1, pp=4, batch=24)).types
    assert worker.sequences == sequences


def test_graphs_end_at_the_plans_batch() -> None:
    """CUDA graph sizes are sorted, unique, few, and end at the batch."""
    for batch in (1, 3, 24, 216, 2048):
        (worker,) = made(pool("vllm", "agg", 1, batch=batch)).types
        assert worker.graph_batches == tuple(sorted(set(worker.graph_batches)))
        assert worker.graph_batches[-1] == batch
        assert len(worker.graph_batches) <= 50


@pytest.mark.parametrize(
    "case", [pair for pair in CASES if pair[0].gpus in (12, 50, 256)], ids=lambda pair: pair[0].name
)
def test_no_gpu_is_shared_and_no_small_worker_crosses_a_node(case: Any) -> None:
    """Each node's parts take disjoint GPUs of it; a worker of one node's GPUs lies in one node."""
    deployed = deployment(case[1], Settings())
    for node in place(deployed):
        used = [gpu for part in node.parts for gpu in part.gpus]
        assert len(used) == len(set(used)) and set(used) <= set(range(8))
    for part in (part for node in place(deployed) for part in node.parts):
        assert len(part.nodes) == part.worker.nodes == -(-part.worker.gpus // 8)


def test_uneven_workers_span_nodes_evenly() -> None:
    """12 GPUs on nodes of 8 are 6 on each of two; 12 attention ranks too."""
    (worker,) = made(pool("vllm", "agg", 1, dp=12, moe_ep=12), model=MOE).types
    assert (worker.nodes, worker.node_gpus) == (2, 6)


def test_node_size_can_be_set() -> None:
    """NodeConfig.num_gpus_per_node counts in place of the system's own."""
    small = Settings(node=Node(num_gpus_per_node=4))
    deployed = deployment(plan(pool("vllm", "agg", 1, tp=8)), small)
    assert deployed.types[0].nodes == 2


def test_mixed_plans_have_two_fronts() -> None:
    """Pairs and aggregated workers stand behind fronts of their own, on ports of their own."""
    deployed = made(pool("vllm", "agg", 1, tp=4), pool("vllm", "prefill", 1), pool("vllm", "decode", 1, tp=2))
    assert [group.name for group in deployed.groups] == ["disagg", "agg"]
    assert [deployed.port(group) for group in deployed.groups] == [8000, 8001]


def test_several_types_of_a_role_are_numbered() -> None:
    """Two decode types are decode-0 and decode-1, each with its own batch."""
    deployed = made(
        pool("sglang", "prefill", 1),
        pool("sglang", "decode", 1, tp=2),
        pool("sglang", "decode", 1, tp=4, batch=8),
    )
    assert [(each.name, each.batch) for each in deployed.types][1:] == [("decode-0", 24), ("decode-1", 8)]


def test_a_batch_of_the_users_own_counts() -> None:
    """params.<role>.max_batch_size reaches the engine's batch, token budget and graphs."""
    own = Settings(params=Params(agg=EngineParams(max_batch_size=80)))
    (worker,) = deployment(plan(pool("vllm", "agg", 1)), own).types
    assert (worker.sequences, worker.graph_batches[-1], worker.step_tokens) == (80, 80, 4080)


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ([pool("vllm", "prefill", 1)], "serve together only"),
        ([pool("vllm", "prefill", 1), pool("sglang", "decode", 1)], "cannot serve behind one front"),
        ([replace(pool("vllm", "agg", 1, tp=2), gpus_per_worker=3)], "are not tp × pp × dp × cp"),
        ([], "nothing to deploy"),
    ],
)
def test_plans_that_nothing_can_serve_are_refused(pools: list[Any], said: str) -> None:
    """One line says what is missing."""
    with pytest.raises(InputError, match=said):
        made(*pools)


def test_weights_that_no_server_makes_are_refused() -> None:
    """A block-fp8 plan of a 16-bit checkpoint needs another checkpoint; plain fp8 is made while loading."""
    with pytest.raises(InputError, match="no server turns one into the other"):
        made(pool("vllm", "agg", 1), model="Qwen/Qwen3-32B")
    online = replace(
        pool("vllm", "agg", 1), quant=replace(pool("vllm", "agg", 1).quant, gemm="fp8", moe="fp8")
    )
    assert made(online, model="Qwen/Qwen3-32B").types[0].weights == "fp8"
