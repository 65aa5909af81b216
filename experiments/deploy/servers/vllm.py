"""What vLLM's server is told."""

from collections.abc import Iterator
from typing import Any

from aicfg.experiments.deploy.command import Ref
from aicfg.experiments.deploy.dialect import Dialect
from aicfg.experiments.deploy.servers.wiring import Wiring
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.model_specs.errors import InputError

Facts = Iterator[tuple[str, Any]]
"""Neutral names with their values, in the order of the command line."""


def facts(worker: WorkerType, dialect: Dialect) -> Facts:
    """Everything that the plan decides, but where the worker runs. ``InputError`` for what vLLM lacks."""
    _refuse(worker)
    yield "tensor_parallel", worker.tp
    if worker.pp > 1:
        yield "pipeline_parallel", worker.pp
    if worker.dp > 1:
        yield "data_parallel", worker.dp
    if worker.moe_ep > 1:
        yield "expert_parallel", True
    yield "max_sequences", worker.sequences
    yield "max_step_tokens", worker.step_tokens
    yield "max_length", worker.max_length
    yield "kv_cache_dtype", worker.params.kv_cache_dtype or dialect.kv_cache_dtype(worker.kv_format)
    yield from _optional(worker, dialect)
    yield ("prefix_caching" if worker.prefix_caching else "no_prefix_caching"), True
    if worker.graph_batches:
        yield "graph_sizes", [batch * worker.queries for batch in worker.graph_batches]
    if worker.asked.drafts:
        yield "drafts", {"method": "mtp", "num_speculative_tokens": worker.asked.drafts}
    if worker.split:
        connector = worker.params.kv_transfer or dialect.data["kv_connector"]
        yield "kv_transfer", {"kv_connector": connector, "kv_role": "kv_both"}


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


def wiring(worker: WorkerType, place: Wiring, balanced: bool) -> Facts:
    """How a part of a worker over several nodes finds the others.

    Attention ranks that fit in a node are spread (data-parallel wiring); else the ranks of one attention rank
    are. ``balanced`` parts each take requests; otherwise only the first does.
    """
    if worker.dp == 1:
        yield "executor", "mp"
        yield "nodes", worker.nodes
        yield "node_rank", place.rank_word()
        yield "leader_address", place.leader
        yield "leader_port", place.leader_port
        if not place.leads:
            yield "headless", True
        return
    local = worker.dp // worker.nodes
    yield "data_parallel_local", local
    yield "data_parallel_start", place.rank_word(local)
    yield "data_parallel_address", place.leader
    yield "data_parallel_port", place.data_parallel_port
    if balanced:
        yield "data_parallel_balanced", True
    elif not place.leads:
        yield "headless", True


def environment(worker: WorkerType, side_channel_port: int, host: str | Ref) -> dict[str, str | Ref]:
    """Where the two sides of a handed-over cache meet."""
    if not worker.split:
        return {}
    return {"VLLM_NIXL_SIDE_CHANNEL_HOST": host, "VLLM_NIXL_SIDE_CHANNEL_PORT": str(side_channel_port)}


def _refuse(worker: WorkerType) -> None:
    if worker.cp > 1:
        raise InputError(
            f"plan: {worker.name}: vllm has no context-parallel prefill of this kind (cp {worker.cp})"
        )
    if worker.moe_tp > 1 and worker.moe_ep > 1:
        raise InputError(f"plan: {worker.name}: vllm splits experts by moe_tp or by moe_ep, not by both")
    if worker.nodes > 1 and worker.dp > 1 and worker.dp % worker.nodes:
        raise InputError(
            f"plan: {worker.name}: {worker.dp} attention ranks do not divide over {worker.nodes} nodes"
        )
