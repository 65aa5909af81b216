"""Reads the facts of experts, of kinds of attention and of windows out of a ``config.json``."""

from collections.abc import Mapping
from typing import Any

from aicfg.model_specs.attention_kinds import attention_kinds
from aicfg.model_specs.config_keys import ConfigKeys
from aicfg.model_specs.gemma_facts import gemma_facts
from aicfg.model_specs.parts import (
    CHOOSES,
    WIDE,
    BlockIndexFacts,
    CompressedFacts,
    IndexerFacts,
    LatentFacts,
    LightningFacts,
    MoeFacts,
)
from aicfg.model_specs.recurrent import delta_facts, kimi_delta_facts, mamba_facts, mixers

_NO_ROPE_INTERVAL = 4
"""Llama 4: every fourth layer attends to all tokens, the others within chunks."""


def moe_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> MoeFacts | None:
    """The mixture of experts of a class that has one."""
    flag = facts.get("experts")
    if not flag or (facts.get("mamba") and "E" not in mixers(keys.config)):
        return None
    if isinstance(flag, str) and not keys.flag(flag, default=False):
        return None
    experts, topk = keys.count("num_experts"), keys.count("num_experts_per_tok")
    if topk > experts:
        raise keys.error("num_experts_per_tok", f"{topk} of {experts} experts cannot be")
    inner = keys.count("moe_intermediate_size")
    dense = _dense_layers(keys, layers)
    if dense == layers:
        raise keys.error("num_hidden_layers", "no layer has experts")
    return MoeFacts(
        experts=experts,
        topk=topk,
        inner=inner,
        shared_inner=_shared_inner(keys, facts, inner),
        dense_layers=dense,
        skew=facts.get("skew", "power_law_1.2"),
        biases=facts.get("expert_biases", False),
        shared_gate=facts.get("shared_gate", False),
        gated=not facts.get("ungated", False),
        latent=keys.count("moe_latent_size", default=0),
        latent_norm=_stated(keys, facts, "latent_norm"),
    )


def _shared_inner(keys: ConfigKeys, facts: Mapping[str, Any], inner: int) -> int:
    """Width of the shared experts: stated, or so many times a routed one's."""
    if "shared_experts" in facts:
        return int(facts["shared_experts"]) * inner
    stated = keys.count("shared_intermediate_size", default=0)
    return stated or inner * keys.count("n_shared_experts", default=0)


def _dense_layers(keys: ConfigKeys, layers: int) -> int:
    """Layers without experts: the first so many, those of a list, or all but every so many."""
    kinds = mixers(keys.config)
    if kinds:
        return kinds.count("-")
    listed = keys.config.get("moe_layer_freq")
    if isinstance(listed, list):
        return sum(1 for sparse in keys.layers("moe_layer_freq", layers) if not sparse)
    first = keys.count("first_k_dense_replace", default=0)
    step = keys.count("sparse_step", default=1)
    named = keys.config.get("mlp_only_layers") or ()
    if not isinstance(named, list | tuple):
        raise keys.error("mlp_only_layers", f"a list of layers is needed, found {named!r:.60}")
    return sum(1 for at in range(layers) if at < first or at in named or (at + 1) % step)


def attention_parts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """Facts of the kinds of attention beside the grouped-query one, by the architecture's fields."""
    return {
        "latent": latent_facts(keys, facts),
        "indexer": indexer_facts(keys, facts, layers),
        "block_index": block_index_facts(keys, facts, layers),
        "compressed": compressed_facts(keys, facts, layers),
        "lightning": lightning_facts(keys, facts, layers),
        "delta": delta_facts(keys, facts, layers),
        "mamba": mamba_facts(keys, facts, layers),
        "kimi_delta": kimi_delta_facts(keys, facts, layers),
        "gemma": gemma_facts(keys, facts),
        "attentions": attention_kinds(keys, facts, layers),
        "output_gate": _stated(keys, facts, "output_gate"),
        "head_gate": _stated(keys, facts, "head_gate"),
    }


def _stated(keys: ConfigKeys, facts: Mapping[str, Any], fact: str) -> bool:
    """Whether the class has it, or the config's key that the class names for it says so."""
    named = facts.get(f"{fact}_key")
    return keys.flag(named, default=False) if named else bool(facts.get(fact, False))


def latent_facts(keys: ConfigKeys, facts: Mapping[str, Any]) -> LatentFacts | None:
    """Multi-head latent attention of a class that has it."""
    if not facts.get("latent"):
        return None
    return LatentFacts(
        q_lora_rank=keys.count("q_lora_rank", default=0),
        kv_lora_rank=keys.count("kv_lora_rank"),
        qk_nope_head_dim=keys.count("qk_nope_head_dim"),
        qk_rope_head_dim=keys.count("qk_rope_head_dim"),
        v_head_dim=keys.count("v_head_dim"),
    )


def indexer_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> IndexerFacts | None:
    """The indexer of sparse attention of a class that has it."""
    if not facts.get("indexer"):
        return None
    return IndexerFacts(
        heads=keys.count("index_n_heads"),
        head_dim=keys.count("index_head_dim"),
        topk=keys.count("index_topk"),
        layers=_choosing_layers(keys, layers),
    )


def _choosing_layers(keys: ConfigKeys, layers: int) -> int:
    """Layers with an indexer of their own: all, those marked full, or the first and then every so many."""
    kinds = keys.layers("indexer_types", layers)
    if kinds:
        return kinds.count("full")
    step, first = keys.count("index_topk_freq", default=1), keys.count("index_skip_topk_offset", default=2)
    return sum(1 for at in range(layers) if max(at - first + 1, 0) % step == 0)


def block_index_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> BlockIndexFacts | None:
    """The choice of blocks of a class that has it, in the layers marked 1."""
    if not facts.get("block_index"):
        return None
    inside = keys.inside("sparse_attention_config")
    kinds = inside.layers("sparse_attention_freq", layers)
    return BlockIndexFacts(
        heads=inside.count("sparse_num_index_heads"),
        head_dim=inside.count("sparse_index_dim"),
        topk_blocks=inside.count("sparse_topk_blocks"),
        block=inside.count("sparse_block_size"),
        layers=kinds.count(1) if kinds else layers,
    )


def compressed_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> CompressedFacts | None:
    """Attention to compressed tokens of a class that has it."""
    if not facts.get("compressed"):
        return None
    ratios = keys.layers("compress_ratios", layers)
    if len(ratios) != layers or not set(ratios) <= {0, CHOOSES, WIDE}:
        raise keys.error("compress_ratios", f"{layers} of 0, 4 and 128 are needed, found {ratios!r:.60}")
    return CompressedFacts(
        ratios=tuple(ratios),
        window=keys.count("sliding_window"),
        q_lora_rank=keys.count("q_lora_rank"),
        o_lora_rank=keys.count("o_lora_rank"),
        o_groups=keys.count("o_groups"),
        rotary=keys.count("qk_rope_head_dim"),
        index_heads=keys.count("index_n_heads"),
        index_head_dim=keys.count("index_head_dim"),
        topk=keys.count("index_topk"),
        streams=keys.count("hc_mult"),
        rounds=keys.count("hc_sinkhorn_iters", default=20),
    )


def lightning_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> LightningFacts | None:
    """Lightning attention of a class that has it, in the layers marked 0."""
    if not facts.get("lightning"):
        return None
    kinds = keys.layers("attn_type_list", layers)
    return LightningFacts(kinds.count(0), keys.count("num_attention_heads"), keys.count("head_dim"))


def windows(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> tuple[int, int]:
    """Tokens of the attention window, and the layers that are modelled with it.

    A window that all layers share has 0 of them: it is a fact of the model that no table has.
    """
    flag = facts.get("window_key")
    if flag and not keys.flag(flag, default=False):
        return 0, 0
    window = keys.count("sliding_window", default=0)
    kind = facts.get("windowed")
    if not window or kind is None:
        return window, 0
    if kind == "chunks":
        return window, layers - layers // _NO_ROPE_INTERVAL
    listed = keys.layers("layer_types", layers)
    return window, listed.count("sliding_attention") if listed else -(-layers // 2)
