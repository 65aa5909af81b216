"""Which layouts a model can have: what must divide what, and what each engine does not do."""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import local_kv_heads
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout

CONTEXT_PARALLEL = ("sglang",)
"""Engines that can share one prompt over ranks."""


def illegal_dense(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why a dense model cannot be laid out so, or None."""
    if (layout.dp, layout.moe_tp, layout.moe_ep) != (1, 1, 1):
        return "a dense model has dp = moe_tp = moe_ep = 1"
    if arch.intermediate_size % layout.tp:
        return f"tp {layout.tp} does not divide the intermediate size {arch.intermediate_size}"
    shards = {"intermediate size": arch.intermediate_size // layout.tp}
    return (
        illegal_stages(arch, layout)
        or illegal_context(layout, graph)
        or illegal_heads(arch, layout)
        or illegal_blocks(arch, layout, attention_shards(arch, layout) | shards)
    )


def illegal_mixture(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why the experts of a mixture, its stages and its prompts cannot be laid out so, or None."""
    assert arch.moe is not None
    moe, ranks = arch.moe, layout.tp * layout.dp * layout.cp
    if ranks != layout.moe_tp * layout.moe_ep:
        return (
            f"tp x dp x cp = {ranks} and moe_tp x moe_ep = {layout.moe_tp * layout.moe_ep} "
            "must be equal: attention and experts share the GPUs"
        )
    if moe.experts % layout.moe_ep:
        return f"moe_ep {layout.moe_ep} does not divide the {moe.experts} experts"
    if moe.inner % layout.moe_tp:
        return f"moe_tp {layout.moe_tp} does not divide the experts' width {moe.inner}"
    if moe.dense_layers and arch.intermediate_size % layout.tp:
        return f"tp {layout.tp} does not divide the dense layers' width {arch.intermediate_size}"
    block = arch.checkpoint.block
    if block and (moe.inner // layout.moe_tp) % block:
        width = moe.inner // layout.moe_tp
        return f"moe_tp {layout.moe_tp} leaves {width} of an expert, no multiple of the fp8 block {block}"
    return (
        illegal_stages(arch, layout)
        or illegal_context(layout, graph)
        or _illegal_engine(layout, graph)
        or _illegal_alltoall(layout, graph)
    )


def illegal_grouped_mixture(arch: Architecture, layout: Layout, graph: Graph) -> str | None:
    """Why a mixture of experts with grouped-query attention cannot be laid out so, or None."""
    return (
        illegal_mixture(arch, layout, graph)
        or illegal_heads(arch, layout)
        or illegal_blocks(arch, layout, attention_shards(arch, layout))
    )


def illegal_stages(arch: Architecture, layout: Layout) -> str | None:
    """Why the layers cannot be split into the stages, or None."""
    if layout.pp > arch.num_layers:
        return f"pp {layout.pp} exceeds the {arch.num_layers} layers"
    return None


def illegal_context(layout: Layout, graph: Graph) -> str | None:
    """Why a prompt cannot be shared out so, or None. SGLang's context parallelism excludes the other two."""
    if layout.cp == 1:
        return None
    if graph.backend not in CONTEXT_PARALLEL:
        return f"{graph.backend} has no context parallelism (cp {layout.cp})"
    if layout.tp > 1 or layout.dp > 1:
        return f"{graph.backend}: cp {layout.cp} excludes tp and dp of the attention"
    return None


def illegal_heads(arch: Architecture, layout: Layout) -> str | None:
    """Why the heads cannot be split as the layout asks, or None."""
    tp, heads, kv_heads = layout.tp, arch.num_heads, arch.num_kv_heads
    if heads % tp:
        return f"tp {tp} does not divide the {heads} attention heads"
    if kv_heads % tp and tp % kv_heads:
        return f"tp {tp} and the {kv_heads} key-value heads: one must divide the other"
    return None


def attention_shards(arch: Architecture, layout: Layout) -> dict[str, int]:
    """Columns of a rank's attention projections, by what they are."""
    return {
        "query heads": arch.num_heads // layout.tp * arch.head_dim,
        "key-value heads": local_kv_heads(arch, layout) * arch.head_dim,
    }


def illegal_blocks(arch: Architecture, layout: Layout, shards: dict[str, int]) -> str | None:
    """Weights with one scale a block: every shard must hold whole blocks, or the engines refuse to load."""
    block = arch.checkpoint.block
    if not block or layout.tp == 1:
        return None
    for name, width in shards.items():
        if width % block:
            return f"tp {layout.tp} leaves {width} of the {name}, no multiple of the fp8 block {block}"
    return None


def _illegal_engine(layout: Layout, graph: Graph) -> str | None:
    """What the engines' own switches cannot express (performance model §7)."""
    if graph.backend == "vllm" and layout.moe_tp > 1 and layout.moe_ep > 1:
        return "vllm splits experts by moe_tp or by moe_ep, not by both"
    if graph.backend == "trtllm" and layout.tp > 1 and layout.dp > 1:
        return "trtllm splits attention by tp or by dp, not by both"
    return None


def _illegal_alltoall(layout: Layout, graph: Graph) -> str | None:
    if not graph.wide:
        return None
    if layout.moe_tp > 1 or layout.moe_ep == 1:
        return "an all-to-all to the experts needs moe_tp 1 and moe_ep beyond 1"
    if graph.backend == "trtllm" and layout.dp == 1:
        return "trtllm's all-to-all to the experts needs dp beyond 1"
    return None
