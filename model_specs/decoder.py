"""What the layers of all decoder-only transformers have in common, as operations of one GPU of a worker.

Shapes follow the performance model §3.1: tp splits query heads, FFN width and vocabulary evenly; key-value
heads are split as far as they go and replicated beyond. Context parallelism shares out the tokens of a
prefill, and each layer gathers all keys and values; decode does without it.
"""

from dataclasses import dataclass, replace

from msgspec import structs

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    WHOLE,
    AllReduce,
    Attention,
    Collective,
    Component,
    Elementwise,
    Embedding,
    Gemm,
    Operation,
    Phase,
    PointToPoint,
    Rows,
    Split,
)

_PROJECTIONS = frozenset({"linear", "q", "kv", "o"})
"""Parts of a checkpoint that are attention projections."""


@dataclass(frozen=True, slots=True)
class Step:
    """One forward step: of which model, on which layout, in which phase, served by whom."""

    arch: Architecture
    layout: Layout
    phase: Phase
    graph: Graph

    @property
    def context(self) -> int:
        """Ranks that share a prompt."""
        return 1 if self.phase == "decode" else self.layout.cp

    @property
    def split(self) -> Split:
        """A rank's share of the tokens."""
        return WHOLE if self.context == 1 else Split(context=self.context)

    @property
    def transport(self) -> str | None:
        """All-to-all that reaches the experts in this phase, if any does."""
        return self.graph.decode_transport if self.phase == "decode" else self.graph.prefill_transport

    @property
    def whole_beside_sparse(self) -> bool:
        """What surrounds a sparse attention is counted for all tokens (a convention)."""
        return self.arch.indexer is not None and self.graph.conventions.whole_experts_beside_sparse

    @property
    def wide_sglang(self) -> bool:
        """SGLang's large-expert-parallel stack, which replicates the embedding."""
        return self.graph.wide and self.graph.backend == "sglang"


def embedding(step: Step, *, whole: bool = False) -> tuple[Operation, ...]:
    """Token embedding: on every rank ``whole``, else sharded over the vocabulary and summed."""
    arch, layout, split = step.arch, step.layout, step.split
    if whole:
        return (Embedding("embedding", arch.hidden_size, arch.vocab_size, split=split),)
    table = Embedding("embedding", arch.hidden_size, arch.vocab_size // layout.tp, split=split)
    return (table, *all_reduce("embedding_allreduce", step, 1))


def attention_block(step: Step) -> tuple[Operation, ...]:
    """Norm, query-key-value projection, attention and output projection, in every layer; not summed yet."""
    arch, tp, layers = step.arch, step.layout.tp, step.arch.num_layers
    width = arch.num_heads // tp * arch.head_dim
    gated = arch.output_gate and not step.graph.conventions.coarse_hybrids
    kv_width = 2 * local_kv_heads(arch, step.layout) * arch.head_dim
    hidden, split = arch.hidden_size, step.split
    return (
        Elementwise("attention_norm", 2 * hidden, 2 * hidden, layers, split=split),
        Gemm(
            "qkv",
            (2 if arch.output_gate else 1) * width + kv_width,
            hidden,
            layers,
            attention_component(step, "q", "kv"),
            split=split,
        ),
        *softmax_attention(step, layers),
        *gather_keys_and_values(step, kv_width, layers),
        *((Elementwise("attention_gate", 2 * width, width, layers, split=split),) if gated else ()),
        Gemm(
            "attention_out",
            hidden,
            width,
            layers,
            attention_component(step, "o"),
            input_low_precision=True,
            split=split,
        ),
    )


def softmax_attention(step: Step, layers: int) -> tuple[Attention, ...]:
    """Grouped-query attention of ``layers`` layers, those with a window apart.

    A window that all layers share (Mistral's 4096) is left open: no table holds it, and full attention is the
    figure on the safe side.
    """
    arch, windowed = step.arch, step.arch.windowed_layers
    heads, kv_heads = arch.num_heads // step.layout.tp, local_kv_heads(arch, step.layout)
    kinds = (
        ("attention_window", arch.sliding_window, windowed),
        ("attention", 0, layers - windowed),
    )
    return tuple(
        Attention(name, heads, kv_heads, arch.head_dim, window, arch.qk_norm, count, step.context)
        for name, window, count in kinds
        if count
    )


def with_stored_formats(step: Step) -> Step:
    """The step with attention projections in the formats of the checkpoint; coarsely, all of them or none."""
    counts, arch = step.graph.conventions, step.arch
    if counts.coarse_hybrids and arch.checkpoint.unquantised & _PROJECTIONS:
        kept = replace(arch.checkpoint, unquantised=arch.checkpoint.unquantised | _PROJECTIONS)
        arch = replace(arch, checkpoint=kept)
    heeding = structs.replace(counts, unquantised_attention_of_gqa=True)
    return replace(step, arch=arch, graph=structs.replace(step.graph, conventions=heeding))


def attention_component(step: Step, *projections: str) -> Component:
    """Format of attention projections: bfloat16 where the checkpoint leaves all of them in it."""
    left_out = step.arch.checkpoint.unquantised
    heeded = step.graph.conventions.unquantised_attention_of_gqa
    return "bfloat16" if heeded and left_out.issuperset(projections) else "gemm"


def gather_keys_and_values(step: Step, width: float, layers: int) -> tuple[Collective, ...]:
    """All keys and values of a prompt on each of its context-parallel ranks, in every layer."""
    if step.context == 1:
        return ()
    gathered = Collective("kv_allgather", "all_gather", width, step.context, layers, payload="kvcache")
    return (gathered,)


def ffn_block(step: Step) -> tuple[Operation, ...]:
    """Norm, feed-forward network and both reductions of a dense layer, in every layer."""
    arch, layers = step.arch, step.arch.num_layers
    return (
        *all_reduce("attention_allreduce", step, layers),
        Elementwise("ffn_norm", 2 * arch.hidden_size, 2 * arch.hidden_size, layers, split=step.split),
        *ffn("", arch, arch.intermediate_size // step.layout.tp, layers, step.split, low_precision=True),
        *all_reduce("ffn_allreduce", step, layers),
    )


def ffn(
    prefix: str,
    arch: Architecture,
    inner: int,
    count: float,
    split: Split,
    component: Component = "gemm",
    *,
    low_precision: bool = False,
) -> tuple[Operation, ...]:
    """Feed-forward network of ``inner`` columns on this rank; a gate doubles the first GEMM's width."""
    up = 2 * inner if arch.gated_mlp else inner
    return (
        Gemm(f"{prefix}gate_up", up, arch.hidden_size, count, component, split=split),
        Elementwise(f"{prefix}activation", up, inner, count, split=split),
        Gemm(
            f"{prefix}down",
            arch.hidden_size,
            inner,
            count,
            component,
            input_low_precision=low_precision,
            split=split,
        ),
    )


def lm_head(step: Step) -> Gemm:
    """Product with the output embedding: never quantised, on the positions whose next token is wanted."""
    arch = step.arch
    return Gemm(
        "lm_head",
        arch.vocab_size // step.layout.tp,
        arch.hidden_size,
        component="bfloat16",
        rows=Rows.LOGITS,
        split=step.split,
        tied=arch.tie_word_embeddings and not step.graph.conventions.tied_embedding_twice,
    )


def all_reduce(name: str, step: Step, count: float) -> tuple[AllReduce, ...]:
    """Sum over the tp ranks of activations as wide as the hidden size; nothing on one rank."""
    if step.layout.tp == 1 or not count:
        return ()
    return (AllReduce(name, step.arch.hidden_size, step.layout.tp, count, split=step.split),)


def stage_hand_over(step: Step) -> tuple[PointToPoint, ...]:
    """Activations handed from each pipeline stage to the next; nothing with one stage."""
    stages, gpus = step.layout.pp, step.layout.gpus
    if stages == 1:
        return ()
    return (PointToPoint("p2p", step.arch.hidden_size, stages - 1, step.split, gpus),)


def local_kv_heads(arch: Architecture, layout: Layout) -> int:
    """Key-value heads on one GPU; at least one, replicated when there are more ranks than heads."""
    return -(-arch.num_kv_heads // layout.tp)
