"""What TensorRT-LLM's server is told: nearly all in its engine file."""

from collections.abc import Iterator
from typing import Any

from aicfg.experiments.deploy.dialect import Dialect
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.model_specs.errors import InputError

Facts = Iterator[tuple[str, Any]]
"""Neutral names with their values, in the order of the engine file."""


def facts(worker: WorkerType, dialect: Dialect) -> Facts:
    """Everything that the plan decides. Raises ``InputError`` for what TensorRT-LLM lacks.

    Batch size and tokens are those of one attention rank; chunked prefill lets in a prompt beyond the budget.
    """
    _refuse(worker, dialect)
    yield "tensor_parallel", worker.world
    yield "pipeline_parallel", worker.pp
    if worker.moe_tp * worker.moe_ep > 1:
        yield "experts_tensor_parallel", worker.moe_tp
        yield "expert_parallel", worker.moe_ep
    yield "attention_data_parallel", worker.dp > 1
    if worker.nodes > 1:
        yield "gpus_per_node", worker.node_gpus
    yield "max_sequences", worker.sequences
    yield "max_step_tokens", worker.step_tokens
    yield "max_length", worker.max_length
    yield "chunked_prefill", True
    if worker.role == "prefill":
        yield "no_overlap", True
    yield "kv_cache_dtype", worker.params.kv_cache_dtype or dialect.kv_cache_dtype(worker.kv_format)
    yield "prefix_caching", worker.prefix_caching
    yield from _optional(worker)
    if worker.graph_batches:
        yield "graph_sizes", list(worker.graph_batches)
        yield "graph_padding", True
    if worker.asked.drafts:
        yield "drafts_kind", "MTP"
        yield "drafts", worker.asked.drafts
    if worker.split:
        yield "kv_transfer", worker.params.kv_transfer or dialect.data["kv_connector"]
        yield "kv_transfer_tokens", worker.max_length


def _optional(worker: WorkerType) -> Facts:
    given = {
        "memory_fraction": worker.memory_fraction,
        "block_size": worker.params.block_size,
        "moe_backend": worker.params.moe_backend,
    }
    yield from ((name, value) for name, value in given.items() if value is not None)


def _refuse(worker: WorkerType, dialect: Dialect) -> None:
    if worker.tp > 1 and worker.dp > 1:
        raise InputError(f"plan: {worker.name}: trtllm splits attention by tp or by dp, not by both")
    if worker.cp > 1:
        raise InputError(
            f"plan: {worker.name}: trtllm has no context-parallel prefill of this kind (cp {worker.cp})"
        )
    if worker.weights is not None or worker.params.quantization is not None:
        raise InputError(
            f"plan: {worker.name}: trtllm {dialect.version} takes the weights' format from the checkpoint; "
            "name a quantised one in ServiceConfig.model_path"
        )
    if worker.params.all_to_all_backend is not None:
        raise InputError(f"params.{worker.role}.all_to_all_backend: trtllm has no such setting")
