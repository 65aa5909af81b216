"""What the layers of all decoder-only transformers have in common, as operations of one GPU of a worker.

Shapes follow the performance model §3.1: tp splits query heads, FFN width and vocabulary evenly; key-value
heads are split as far as they go and replicated beyond.
"""

from typing import Literal

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Component,
    Elementwise,
    Gemm,
    Operation,
    PointToPoint,
    Rows,
)

Role = Literal["agg", "prefill", "decode"]


def attention_block(arch: Architecture, layout: Layout) -> tuple[Operation, ...]:
    """Norm, query-key-value projection, attention and output projection with its reduction, in every layer.

    The window is left open: tables hold no window the dense models use (Mistral's 4096), so full attention is
    the figure on the safe side.
    """
    tp, layers = layout.tp, arch.num_layers
    heads, kv_heads = arch.num_heads // tp, local_kv_heads(arch, layout)
    width = heads * arch.head_dim
    component: Component = "gemm" if arch.checkpoint.attention_quantised else "bfloat16"
    return (
        Elementwise("attention_norm", 2 * arch.hidden_size, 2 * arch.hidden_size, layers),
        Gemm("qkv", width + 2 * kv_heads * arch.head_dim, arch.hidden_size, layers, component),
        Attention("attention", heads, kv_heads, arch.head_dim, qk_norm=arch.qk_norm, count=layers),
        Gemm("attention_out", arch.hidden_size, width, layers, component, input_low_precision=True),
        *all_reduce("attention_allreduce", arch.hidden_size, layout, layers),
    )


def ffn_block(arch: Architecture, layout: Layout) -> tuple[Operation, ...]:
    """Norm, feed-forward network and its reduction, in every layer; a gate doubles the first GEMM's width."""
    layers, inner = arch.num_layers, arch.intermediate_size // layout.tp
    up = 2 * inner if arch.gated_mlp else inner
    return (
        Elementwise("ffn_norm", 2 * arch.hidden_size, 2 * arch.hidden_size, layers),
        Gemm("gate_up", up, arch.hidden_size, layers),
        Elementwise("activation", up, inner, layers),
        Gemm("down", arch.hidden_size, inner, layers, input_low_precision=True),
        *all_reduce("ffn_allreduce", arch.hidden_size, layout, layers),
    )


def lm_head(arch: Architecture, layout: Layout) -> Gemm:
    """Product with the output embedding: never quantised, on the positions whose next token is wanted."""
    return Gemm(
        "lm_head", arch.vocab_size // layout.tp, arch.hidden_size, component="bfloat16", rows=Rows.LOGITS
    )


def all_reduce(name: str, width: int, layout: Layout, count: int = 1) -> tuple[AllReduce, ...]:
    """Sum over the tp ranks; nothing on one rank."""
    return (AllReduce(name, width, layout.tp, count),) if layout.tp > 1 else ()


def stage_hand_over(arch: Architecture, layout: Layout) -> tuple[PointToPoint, ...]:
    """Activations handed from each pipeline stage to the next; nothing with one stage."""
    return (PointToPoint("p2p", arch.hidden_size, layout.pp - 1),) if layout.pp > 1 else ()


def local_kv_heads(arch: Architecture, layout: Layout) -> int:
    """Key-value heads on one GPU; at least one, replicated when there are more ranks than heads."""
    return -(-arch.num_kv_heads // layout.tp)


def illegal_attention(arch: Architecture, layout: Layout) -> str | None:
    """Why the heads cannot be split as the layout asks, or None."""
    tp, heads, kv_heads = layout.tp, arch.num_heads, arch.num_kv_heads
    if heads % tp:
        return f"tp {tp} does not divide the {heads} attention heads"
    if kv_heads % tp and tp % kv_heads:
        return f"tp {tp} and the {kv_heads} key-value heads: one must divide the other"
    return None


def illegal_dense(arch: Architecture, layout: Layout) -> str | None:
    """Why a dense model cannot be laid out so, or None."""
    if (layout.dp, layout.cp, layout.moe_tp, layout.moe_ep) != (1, 1, 1, 1):
        return "a dense model has dp = cp = moe_tp = moe_ep = 1"
    if layout.pp > arch.num_layers:
        return f"pp {layout.pp} exceeds the {arch.num_layers} layers"
    if arch.intermediate_size % layout.tp:
        return f"tp {layout.tp} does not divide the intermediate size {arch.intermediate_size}"
    return illegal_attention(arch, layout) or _illegal_blocks(arch, layout)


def _illegal_blocks(arch: Architecture, layout: Layout) -> str | None:
    """Weights with one scale a block: every shard must hold whole blocks, or the engines refuse to load."""
    block = arch.checkpoint.block
    if not block or layout.tp == 1:
        return None
    shards = {
        "query heads": arch.num_heads // layout.tp * arch.head_dim,
        "key-value heads": local_kv_heads(arch, layout) * arch.head_dim,
        "intermediate size": arch.intermediate_size // layout.tp,
    }
    for name, width in shards.items():
        if width % block:
            return f"tp {layout.tp} leaves {width} of the {name}, no multiple of the fp8 block {block}"
    return None
