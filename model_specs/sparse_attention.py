"""Latent attention to the tokens that an indexer chose: DeepSeek sparse attention (DSA), as GLM-5 has it too.

Beside the projections of latent attention, a layer has an indexer: a few heads over one small key a token, in
fp8, whose scores choose the ``topk`` tokens that each query attends to. Beyond ``topk`` tokens the attention
costs the same whatever the length, and the indexer grows with it; up to as many, all are attended to. Some
models (GLM-5.2) choose in one layer of several, and the layers in between take over that choice. Source:
DeepSeek-AI, "DeepSeek-V3.2: Pushing the Frontier of Open Large Language Models", 2025; their config.json.
"""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import Step
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.operations import Collective, Component, Gemm, Operation, SparseLatentModule
from aicfg.model_specs.parts import IndexerFacts, LatentFacts


def sparse_module(step: Step, layers: float) -> tuple[Operation, ...]:
    """The attention of ``layers`` layers: those that choose, and those that take over a choice."""
    facts = _indexer(step)
    share = facts.layers / step.arch.num_layers
    kinds = (
        ("sparse_attention", True, layers * share),
        ("sparse_attention_shared", False, layers * (1 - share)),
    )
    return tuple(_module(step, name, chooses, count) for name, chooses, count in kinds if count)


def gathered_around(step: Step, modules: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """SGLang's large-expert-parallel stack: in prefill between a gather and a scatter over tp."""
    tp, hidden, layers = step.layout.tp, step.arch.hidden_size, step.arch.num_layers
    if step.phase == "decode" or tp == 1:
        return modules
    gather = Collective("tp_allgather", "all_gather", hidden, tp, layers)
    return (gather, *modules, Collective("tp_reduce_scatter", "reduce_scatter", hidden, tp, layers))


def sparse_token_bytes(arch: Architecture, element_bytes: float, conventions: Conventions) -> float:
    """Bytes that all layers' caches hold of one token.

    The compressed keys and values in the cache's format, the rotary key in bfloat16, and the index of the
    layers that choose.
    """
    assert arch.latent is not None and arch.indexer is not None
    latent, indexer = arch.latent, arch.indexer
    indexes = arch.num_layers if conventions.indexers_by_convention else indexer.layers
    cached = latent.kv_lora_rank * element_bytes + latent.qk_rope_head_dim * 2
    return arch.num_layers * cached + indexes * indexer.cached_bytes


def _module(step: Step, name: str, chooses: bool, count: float) -> SparseLatentModule:
    indexer, latent = _indexer(step), _latent(step)
    return SparseLatentModule(
        name,
        step.arch.hf_class,
        step.arch.hidden_size,
        step.arch.num_heads // step.layout.tp,
        latent,
        indexer.heads,
        indexer.head_dim,
        indexer.topk,
        chooses,
        _component(step, "o"),
        count,
        step.context,
        _projections(step, chooses, count),
    )


def _projections(step: Step, chooses: bool, count: float) -> tuple[Gemm, ...]:
    """The products that hold weights: the compressions and the indexer are whole on every rank."""
    latent, hidden = _latent(step), step.arch.hidden_size
    heads, counts = step.arch.num_heads // step.layout.tp, step.graph.conventions
    queries, unfolded = heads * latent.query_head, heads * latent.key_value_head
    products = (
        Gemm("query_compression", latent.q_lora_rank, hidden, count, _component(step, "q")),
        Gemm("queries", queries, latent.q_lora_rank, count, _component(step, "q")),
        Gemm("kv_compression", latent.cached, hidden, count, _component(step, "kv")),
        Gemm("keys_values", unfolded, latent.kv_lora_rank, count, _component(step, "kv")),
        Gemm("attention_out", hidden, heads * latent.v_head_dim, count, _component(step, "o")),
    )
    indexer = _index_products(step, count) if chooses or counts.indexers_by_convention else ()
    return (*products, *indexer)


def _index_products(step: Step, count: float) -> tuple[Gemm, ...]:
    """Queries of the indexer from the compressed ones, its head weights, and its one key a token."""
    facts, hidden, component = _indexer(step), step.arch.hidden_size, _component(step, "indexer")
    queries = Gemm("index_queries", facts.heads * facts.head_dim, _latent(step).q_lora_rank, count, component)
    if step.graph.conventions.indexers_by_convention:
        return queries, Gemm("index_weights", facts.heads, hidden, count, component)
    return (
        queries,
        Gemm("index_weights", facts.heads, hidden, count, "bfloat16"),
        Gemm("index_keys", facts.head_dim, hidden, count, component),
    )


def _component(step: Step, projection: str) -> Component:
    left_out = step.arch.checkpoint.unquantised
    norms = step.graph.conventions.norms_stand_for_sparse_attention and "attention_norms" in left_out
    return "bfloat16" if projection in left_out or norms else "gemm"


def _indexer(step: Step) -> IndexerFacts:
    assert step.arch.indexer is not None, f"{step.arch.model} has no indexer"
    return step.arch.indexer


def _latent(step: Step) -> LatentFacts:
    assert step.arch.latent is not None, f"{step.arch.model} has no latent attention"
    return step.arch.latent
