"""What SGLang's server is told."""

from collections.abc import Iterator
from typing import Any

from aicfg.experiments.deploy.dialect import Dialect
from aicfg.experiments.deploy.servers.wiring import Wiring
from aicfg.experiments.deploy.worker import WorkerType

Facts = Iterator[tuple[str, Any]]
"""Neutral names with their values, in the order of the command line."""
_DEFAULT_PREFILL_TOKENS = 16_384


def facts(worker: WorkerType, dialect: Dialect, bootstrap_port: int | None) -> Facts:
    """Everything that the plan decides, but where the worker runs.

    The server divides running requests by dp (and stages), and the chunk by dp: it is given the products.
    """
    yield from _degrees(worker)
    yield "max_sequences", worker.sequences * worker.dp
    if worker.role != "decode":
        yield from _budget(worker)
    yield "max_length", worker.max_length
    yield "kv_cache_dtype", worker.params.kv_cache_dtype or dialect.kv_cache_dtype(worker.kv_format)
    yield from _optional(worker, dialect)
    if not worker.prefix_caching and worker.role != "decode":  # a decode server has none by itself
        yield "no_prefix_caching", True
    if worker.graph_batches:
        yield "graph_sizes", list(worker.graph_batches)
    if worker.asked.drafts:
        yield from _drafts(worker.asked.drafts)
    if worker.split:
        yield "role", worker.role
        yield "kv_transfer", worker.params.kv_transfer or dialect.data["kv_connector"]
    if worker.role == "prefill" and bootstrap_port is not None:
        yield "bootstrap_port", bootstrap_port


def _degrees(worker: WorkerType) -> Facts:
    yield "tensor_parallel", worker.world
    if worker.pp > 1:
        yield "pipeline_parallel", worker.pp
    if worker.dp > 1:
        yield "data_parallel", worker.dp
        yield "attention_data_parallel", True
    if worker.cp > 1:
        yield "context_parallel", worker.cp
        yield "context_parallel_prefill", True
        yield "context_parallel_strategy", "interleave" if worker.interleaved else "zigzag"
    if worker.moe_ep > 1:
        yield "expert_parallel", worker.moe_ep


def _budget(worker: WorkerType) -> Facts:
    yield "max_step_tokens", worker.step_tokens * worker.dp
    if worker.step_tokens > _DEFAULT_PREFILL_TOKENS:
        yield "max_prefill_tokens", worker.step_tokens
    if worker.role == "agg":
        yield "mixed_batches", True


def _drafts(drafts: int) -> Facts:
    yield "drafts_algorithm", "NEXTN"
    yield "drafts_steps", drafts
    yield "drafts_topk", 1
    yield "drafts_tokens", drafts + 1


def _optional(worker: WorkerType, dialect: Dialect) -> Facts:
    quantization = worker.params.quantization or dialect.data["quantizations"].get(worker.weights)
    given = {
        "quantization": quantization,
        "memory_fraction": worker.memory_fraction,
        "block_size": worker.params.block_size,
        "all_to_all": worker.params.all_to_all_backend,
        "moe_backend": worker.params.moe_backend,
    }
    yield from ((name, value) for name, value in given.items() if value is not None)


def wiring(worker: WorkerType, place: Wiring) -> Facts:
    """How a part of a worker over several nodes finds the others."""
    yield "nodes", worker.nodes
    yield "node_rank", place.rank_word()
    yield "leader", place.leader_word()
