"""One kind of worker of a deployment: a pool of the plan, with everything its server must be told."""

from dataclasses import dataclass
from typing import Literal

from aicfg.experiments.deploy.facts import ModelFacts
from aicfg.experiments.deploy.settings.schema import EngineParams
from aicfg.experiments.plans.plan import PoolPlan
from aicfg.model_specs.errors import InputError

DECODE_LEAST_TOKENS = 512
"""A decode worker's token budget is never smaller: a preempted request is prefilled again in such chunks."""
_GRANULE = {"sglang": 64}
"""Token budgets are multiples of the KV page, which attention backends of SGLang make up to 64."""
_STAGE_BATCHES = frozenset({"trtllm"})
"""Engines whose batch size is that of one pipeline stage; the others count all stages' requests together."""


@dataclass(frozen=True)
class Asked:
    """What the experiment asks of every worker."""

    isl: int
    osl: int
    prefix: int
    drafts: int
    """Draft tokens a step (multi-token prediction)."""
    memory_fraction: float | None

    @property
    def room(self) -> int:
        """Tokens beyond the prompt that a chat template and the spread of lengths may take."""
        return max(256, self.isl // 16)


@dataclass(frozen=True)
class WorkerType:
    """Equal workers. GPU counts are of one worker, batches and tokens of one attention rank."""

    name: str
    """DNS-1123 label: the role, numbered when a role has several types."""
    role: Literal["agg", "prefill", "decode"]
    system: str
    backend: str
    version: str
    tp: int
    pp: int
    dp: int
    cp: int
    moe_tp: int
    moe_ep: int
    gpus: int
    workers: int
    nodes: int
    """Nodes that one worker spans."""
    batch: int
    """Requests in flight of a rank and pipeline stage."""
    sequences: int
    """Requests in flight of a rank, as the engine counts them."""
    step_tokens: int
    max_length: int
    asked: Asked
    kv_format: str
    weights: str | None
    """Format that the server must turn the checkpoint's weights into; None: as they are."""
    prefix_caching: bool
    graph_batches: tuple[int, ...]
    interleaved: bool
    """Context-parallel ranks take every so many-th token of a prompt (an index needs it); else two pieces."""
    params: EngineParams

    @property
    def node_gpus(self) -> int:
        """GPUs of one worker on each of its nodes."""
        return self.gpus // self.nodes

    @property
    def world(self) -> int:
        """Ranks of one pipeline stage."""
        return self.tp * self.dp * self.cp

    @property
    def split(self) -> bool:
        """Whether prefill and decode are apart, so that caches are handed over."""
        return self.role != "agg"

    @property
    def queries(self) -> int:
        """Tokens that one decoding request brings to a step."""
        return 1 + self.asked.drafts

    @property
    def memory_fraction(self) -> float | None:
        """Share of a GPU's memory, if any was asked for."""
        return self.params.memory_fraction or self.asked.memory_fraction

    @property
    def layout(self) -> str:
        """The layout in words, such as ``tp4 pp2``."""
        degrees = {name: getattr(self, name) for name in ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep")}
        return " ".join(f"{name}{degree}" for name, degree in degrees.items() if degree > 1) or "one GPU"


def worker_type(
    name: str, pool: PoolPlan, gpus_per_node: int, asked: Asked, facts: ModelFacts, params: EngineParams
) -> WorkerType:
    """The kind of worker that a pool of the plan is. Raises ``InputError`` when no node can hold it."""
    together = 1 if pool.backend in _STAGE_BATCHES else pool.pp
    sequences = params.max_batch_size or pool.batch * together
    batch = max(1, sequences // together)
    if pool.gpus_per_worker != pool.tp * pool.pp * pool.dp * pool.cp:
        raise InputError(f"plan: {name}: {pool.gpus_per_worker} GPUs are not tp × pp × dp × cp")
    queries = 1 + asked.drafts
    tokens = params.max_num_tokens or _step_tokens(pool, batch, queries, asked)
    granule = _GRANULE.get(pool.backend, 1)
    return WorkerType(
        name=name,
        role=pool.role,
        system=pool.system,
        backend=pool.backend,
        version=pool.backend_version,
        **{
            degree: getattr(pool, degree)
            for degree in ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep", "workers")
        },
        gpus=pool.gpus_per_worker,
        nodes=_nodes(name, pool, gpus_per_node),
        batch=batch,
        sequences=sequences,
        step_tokens=max(-(-tokens // granule) * granule, sequences),
        max_length=params.max_seq_len or _max_length(asked, facts),
        asked=asked,
        kv_format=pool.quant.kvcache,
        weights=facts.turned_into(pool.quant.gemm, pool.quant.moe, name),
        prefix_caching=asked.prefix > 0
        if params.enable_prefix_caching is None
        else params.enable_prefix_caching,
        graph_batches=_graphs(pool, batch, params),
        interleaved=facts.chooses,
        params=params,
    )


def _step_tokens(pool: PoolPlan, batch: int, queries: int, asked: Asked) -> int:
    """Tokens of one rank's step as it was evaluated: the prompts' chunk beside the requests that decode."""
    if pool.role == "prefill":
        return batch * (asked.isl + asked.room)
    decoding = batch * queries
    return decoding + pool.chunk_tokens if pool.chunk_tokens else max(decoding, DECODE_LEAST_TOKENS)


def _max_length(asked: Asked, facts: ModelFacts) -> int:
    need = asked.isl + asked.osl
    with_room = -(-(need + asked.room) // 64) * 64
    return with_room if facts.max_length is None else max(need, min(with_room, facts.max_length))


def _nodes(name: str, pool: PoolPlan, gpus_per_node: int) -> int:
    """Fewest nodes over which a worker's GPUs, and its attention ranks, divide evenly."""
    gpus = pool.gpus_per_worker
    for nodes in range(-(-gpus // gpus_per_node), gpus + 1):
        by_ranks = pool.backend == "vllm" and pool.dp > 1 and nodes > 1
        if gpus % nodes == 0 and not (by_ranks and pool.dp % nodes):
            return nodes
    raise InputError(f"plan: {name}: {gpus} GPUs cannot be spread evenly over nodes of {gpus_per_node}")


def _graphs(pool: PoolPlan, batch: int, params: EngineParams) -> tuple[int, ...]:
    """Batches with a CUDA graph: dense where batches are small, the largest is the plan's own."""
    if params.cuda_graph_batch_sizes is not None:
        return tuple(sorted(set(params.cuda_graph_batch_sizes)))
    if pool.role == "prefill":
        return ()
    step = max(8, -(-batch // (32 * 8)) * 8)
    sizes = {1, 2, 4, *range(8, 64, 8), *range(step, batch, step)}
    return (*sorted(size for size in sizes if size < batch), batch)
