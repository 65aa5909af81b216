"""What of a forward step depends on who serves it: the engine, its expert exchange, modelling conventions.

A model's operations follow from its architecture and its layout; a few also from the engine that runs it
(which reduces and gathers where) and from what a profile counts. Those choices are named here; the families
heed them.
"""

from msgspec import Struct


class Conventions(Struct, frozen=True, cache_hash=True):
    """What a profile counts. The defaults are what a served model really computes and holds."""

    experts_in_every_layer: bool = False
    """Charge every layer as a mixture of experts, the dense ones too."""
    lm_head_in_expert_prefill: bool = True
    """Charge the LM head of GQA mixtures of experts in prefill (and count its weights)."""
    two_reductions_beside_exchange: bool = False
    """On vLLM, charge latent-attention models two all-reduces a layer on top of the expert exchange."""
    alltoall_of_replicated: bool = False
    """On vLLM, charge an all-to-all to the experts where every rank has all tokens (no attention ranks)."""
    deepep_before_rack: bool = False
    """Charge TensorRT-LLM and vLLM DeepEP where it was measured, not the exchange over a rack's NVLink."""
    wide_formats_as_measured: bool = False
    """On SGLang, leave the experts of decode workers on several nodes to collectives where the kernels behind
    an all-to-all were measured in other formats alone."""
    wide_decode_hastened: bool = False
    """On TensorRT-LLM, charge decoding layers behind an all-to-all a tenth less, as if their kernels alone
    overlapped."""
    attention_reduction_beside_alltoall: bool = True
    """Sum the attention output over tp where an all-to-all, which does not sum, reaches the experts."""
    short_wide_graph: bool = False
    """SGLang's large-expert-parallel step of latent-attention models: no second norm, no LM head, no weights
    of the attention's inner projections, the compression charged twice; no hand-over for any model."""
    wide_router_left_out: tuple[str, ...] = ()
    """Classes whose router is left out of that step."""
    collectives_alone: tuple[str, ...] = ()
    """Classes whose experts no all-to-all reaches, whatever was measured."""
    kernel_heads_of_128: bool = False
    """Look the latent-attention kernel up as if the model had 128 heads."""
    shared_experts_of_gqa: bool = True
    """Charge the shared experts of GQA mixtures of experts."""
    whole_latent_embedding: bool = False
    """Every rank holds the whole embedding of latent-attention models, which then needs no reduction."""
    unquantised_attention_of_gqa: bool = True
    """Leave the attention projections of GQA models unquantised where their checkpoint does."""
    whole_experts_beside_sparse: bool = False
    """Models with sparse attention: split shared experts as the routed ones are; let every context-parallel
    rank compute them, the router and the embedding for all tokens."""
    compressed_by_convention: bool = False
    """DeepSeek-V4: count the weights of hyper-connections once before and once after the sublayers; let
    context-parallel ranks gather and scatter tokens around the experts in decode as in prefill."""
    block_sparse_by_convention: bool = False
    """MiniMax-M3: charge leading layers of full attention as sparse ones; leave the weights of the attention
    and the cache of its index out."""
    indexers_by_convention: bool = False
    """Count an index of every layer in the cache and the weights, without the product of its keys."""
    norms_stand_for_sparse_attention: bool = False
    """Take a sparse attention as unquantised where the checkpoint says so of its norms."""
    coarse_hybrids: bool = False
    """Hybrids as AIConfigurator 0.12 lists them: no passes of gates and gated norms. Gated-delta models: the
    decay's projection in the other projections' format, attention projections quantised all or none; on
    TensorRT-LLM the attention's output summed twice and shared experts after the routed ones. Mamba models:
    kernels of all heads on every rank, a cache in every layer and no states, the whole embedding on every
    rank, a third all-reduce around the experts, shared experts after them, latent projections split. Models
    with two kinds of attention: no sums over tp but around experts, the whole embedding on every rank; Gemma
    4 without its further norms, norms of queries and keys, shared caches and inputs of layers, and with
    experts in the dense FFN's format; MiMo-V2's marks of windows read the other way round, its cache
    without them. Kimi-K3: the latent attention's compression beside the module that holds it, the attention's
    output summed once more before the experts, shared experts after them, five states a request. Pruned
    models: the whole embedding on every rank, no cache."""
    tied_embedding_twice: bool = False
    """Count the weights of an output embedding that is the input embedding a second time."""


class Graph(Struct, frozen=True, cache_hash=True):
    """Who serves the step, and how its experts are reached."""

    backend: str
    """``vllm``, ``sglang`` or ``trtllm``."""
    prefill_transport: str | None = None
    """All-to-all that reaches a large expert group in prefill, such as ``deepep_ht``; None: collectives."""
    decode_transport: str | None = None
    """The same in decode."""
    conventions: Conventions = Conventions()

    @property
    def wide(self) -> bool:
        """Whether experts are reached by an all-to-all (large expert parallelism)."""
        return self.prefill_transport is not None or self.decode_transport is not None
