"""Facts of one model's architecture, read from its ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aicfg.model_specs.attention_kinds import AttentionKind
from aicfg.model_specs.checkpoint import CheckpointQuant, checkpoint_quant
from aicfg.model_specs.config_keys import ConfigKeys
from aicfg.model_specs.config_parts import attention_parts, moe_facts, windows
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.facts import entry_names, read_entry
from aicfg.model_specs.gemma_facts import GemmaFacts
from aicfg.model_specs.parts import (
    CHOOSES,
    BlockIndexFacts,
    CompressedFacts,
    IndexerFacts,
    LatentFacts,
    LightningFacts,
    MoeFacts,
)
from aicfg.model_specs.pruned_facts import LayerShape, layer_shapes
from aicfg.model_specs.recurrent import DeltaFacts, KimiDeltaFacts, MambaFacts, mixers

_CLASSES = Path(__file__).with_name("classes.yaml")
_ASSUMED = Path(__file__).with_name("assumed.yaml")


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a decoder-only transformer looks like; sizes in elements, in the terms of its ``config.json``."""

    model: str
    """Hugging Face id, or the path it was read from."""
    family: str
    """Module of ``aicfg.model_specs`` that lists its operations, such as llama."""
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    """Width of a dense FFN."""
    gated_mlp: bool
    """The FFN has a gate beside its up projection."""
    vocab_size: int
    max_position_embeddings: int
    """Longest context in tokens, rope scaling included."""
    tie_word_embeddings: bool
    """Input and output embedding are one table."""
    qk_norm: bool = False
    sliding_window: int = 0
    """Tokens each one attends to; 0 is all of them."""
    windowed_layers: int = 0
    """Layers whose attention and cache are confined to the window; without any, a window is not modelled."""
    biases: frozenset[str] = frozenset()
    """Which of ``qkv``, ``output``, ``mlp``, ``norm`` have a bias."""
    learned_positions: int = 0
    """Rows of a learned position embedding; 0 for rotary ones."""
    nextn: int = 0
    """Draft layers for speculative decoding (MTP) that the checkpoint has."""
    hf_class: str = ""
    """Its class in ``transformers``."""
    moe: MoeFacts | None = None
    latent: LatentFacts | None = None
    indexer: IndexerFacts | None = None
    block_index: BlockIndexFacts | None = None
    compressed: CompressedFacts | None = None
    lightning: LightningFacts | None = None
    delta: DeltaFacts | None = None
    mamba: MambaFacts | None = None
    kimi_delta: KimiDeltaFacts | None = None
    gemma: GemmaFacts | None = None
    attentions: tuple[AttentionKind, ...] = ()
    """Its kinds where layers differ in the shape of their attention."""
    shapes: tuple[LayerShape, ...] = ()
    """Of layers that a search left with attention, an FFN or widths of their own."""
    head_gate: bool = False
    """Each head's output is scaled by a gate of its own."""
    output_gate: bool = False
    """The attention's output is scaled by a gate as wide as the queries, from a projection of its own."""
    checkpoint: CheckpointQuant = field(default_factory=CheckpointQuant)
    source: str = ""
    """Where the facts come from."""

    @property
    def recurrent(self) -> LightningFacts | DeltaFacts | MambaFacts | KimiDeltaFacts | None:
        """The layers that keep a state of constant size instead of a cache."""
        return self.lightning or self.delta or self.mamba or self.kimi_delta

    @property
    def softmax_layers(self) -> int:
        """Layers whose attention keeps all tokens' keys and values, or a window's."""
        if self.shapes:
            return sum(shape.layers for shape in self.shapes if shape.kv_heads)
        alone = self.mamba.feed_forwards if self.mamba else 0
        return self.num_layers - alone - (self.recurrent.layers if self.recurrent else 0)

    @property
    def feed_forwards(self) -> int:
        """Layers that hold experts or an FFN: all, but where a layer is either a mixer of tokens or that."""
        if self.shapes:
            return sum(shape.layers for shape in self.shapes if shape.inner)
        return self.mamba.feed_forwards if self.mamba else self.num_layers

    @property
    def irregular_layers(self) -> int:
        """Layers whose attention is linear, or sparse by a choice at run time."""
        if self.indexer is not None or self.block_index is not None:
            return self.num_layers
        if self.compressed is not None:
            return self.compressed.ratios.count(CHOOSES)
        linear = self.lightning or self.delta or self.kimi_delta
        return 0 if linear is None else linear.layers

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        model: str,
        source: str,
        hf_quant: Mapping[str, Any] | None = None,
        assume_family: str | None = None,
    ) -> "Architecture":
        """Read a ``config.json`` (and ``hf_quant_config.json``) given as mappings.

        A class that no family covers is read as ``assume_family``, if given; the ``source`` says so. Raises
        InputError, naming ``source`` and key, for a class or a key that cannot be read.
        """
        facts, remark = class_facts(config, source, assume_family)
        keys = ConfigKeys(_language_model(config, facts, source), facts, source)
        layers = keys.count("num_hidden_layers", default=len(mixers(keys.config)) or None)
        moe = moe_facts(keys, facts, layers)
        window, windowed = windows(keys, facts, layers)
        shapes = layer_shapes(keys, facts, layers)
        return cls(
            model=model,
            family=facts["family"],
            hidden_size=keys.count("hidden_size"),
            num_layers=layers,
            num_heads=keys.count("num_attention_heads"),
            num_kv_heads=_kv_heads(keys, facts, shapes),
            head_dim=_head_dim(keys, facts),
            intermediate_size=_intermediate_size(keys, facts, moe, shapes),
            gated_mlp=facts["family"] != "gpt" and not facts.get("ungated", False),
            vocab_size=keys.count("vocab_size"),
            max_position_embeddings=_context(keys),
            tie_word_embeddings=keys.flag("tie_word_embeddings"),
            qk_norm=_qk_norm(keys, facts),
            sliding_window=window,
            windowed_layers=windowed,
            biases=_biases(keys, facts),
            learned_positions=_learned_positions(keys, facts),
            hf_class=_class_name(config, source),
            nextn=keys.count("num_nextn_predict_layers", default=0),
            moe=moe,
            shapes=shapes,
            **attention_parts(keys, facts, layers),
            checkpoint=checkpoint_quant(config, hf_quant, source, facts.get("kvcache", "")),
            source=source + remark,
        )


def class_facts(
    config: Mapping[str, Any], source: str, assume_family: str | None = None
) -> tuple[Mapping[str, Any], str]:
    """What ``classes.yaml`` says of the config's class, or ``assumed.yaml`` of the family, and a remark.

    Raises
    ------
    InputError
        When no family covers the class and none is assumed.
    """
    name = _class_name(config, source)
    found = read_entry(_CLASSES, name)
    facts = found[1] if found else {}
    if "family" in facts:
        return facts, "; the language model alone" if "nested" in facts else ""
    if assume_family is not None:
        return _assumed(assume_family, config), f"; {name} read as {assume_family} (assumed)"
    advice = f"{covered()}; or assume a family ({', '.join(entry_names(_ASSUMED))})"
    if found is None:
        close = nearest(name, entry_names(_CLASSES))
        raise InputError(f"{source}: architecture {name!r} is not known; covered: {advice}{close}")
    why = facts["not_covered"]
    raise InputError(f"{source}: architecture {name} ({why}) is not covered yet; covered: {advice}")


def _class_name(config: Mapping[str, Any], source: str) -> str:
    classes = config.get("architectures")
    if not isinstance(classes, list) or not classes or not isinstance(classes[0], str):
        raise InputError(
            f"{source}: architectures: a list with the model's class is needed, found {classes!r:.60}"
        )
    return classes[0]


def _assumed(family: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    found = read_entry(_ASSUMED, family)
    if found is None:
        names = entry_names(_ASSUMED)
        accepted, close = ", ".join(names), nearest(family, names)
        raise InputError(f"assume_family: {family!r} cannot be assumed; accepted: {accepted}{close}")
    nested = {"nested": "text_config"} if "text_config" in config and "hidden_size" not in config else {}
    return {**found[1], **nested}


def _language_model(config: Mapping[str, Any], facts: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """The language model's own config; whether embeddings are tied may be said outside of it."""
    text = config.get(facts["nested"]) if "nested" in facts else config
    if not isinstance(text, Mapping):
        raise InputError(f"{source}: {facts['nested']}: a mapping is needed, found {text!r:.60}")
    outer = {key: config[key] for key in ("tie_word_embeddings",) if key in config}
    return {**outer, **text}


@cache
def covered() -> str:
    """The classes that some family covers, for messages."""
    names = entry_names(_CLASSES)
    return ", ".join(name for name in names if "family" in (read_entry(_CLASSES, name) or ("", {}))[1])


def _kv_heads(keys: ConfigKeys, facts: Mapping[str, Any], shapes: tuple[LayerShape, ...]) -> int:
    """The most of any layer, where they differ."""
    if shapes:
        return max(shape.kv_heads for shape in shapes)
    flag = facts.get("one_kv_head_key")
    if flag and keys.flag(flag, default=True):
        return 1
    heads = keys.count("num_attention_heads")
    kv_heads = keys.count("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise keys.error("num_key_value_heads", f"{kv_heads} does not divide num_attention_heads {heads}")
    return kv_heads


def _head_dim(keys: ConfigKeys, facts: Mapping[str, Any]) -> int:
    """Stated, or the hidden size over the heads; latent attention has sizes of its own that need not fit."""
    if keys.has("head_dim"):
        return keys.count("head_dim")
    hidden, heads = keys.count("hidden_size"), keys.count("num_attention_heads")
    if hidden % heads and not facts.get("latent"):
        name = keys.name("num_attention_heads")
        raise keys.error("num_attention_heads", f"{name} {heads} does not divide hidden size {hidden}")
    return hidden // heads


def _intermediate_size(
    keys: ConfigKeys, facts: Mapping[str, Any], moe: MoeFacts | None, shapes: tuple[LayerShape, ...]
) -> int:
    """GPT-2's n_inner may be null: four times the hidden size then. Mixtures may have no dense layer.

    The most of any layer, where they differ.
    """
    if shapes:
        return max(shape.inner for shape in shapes)
    default = (
        4 * keys.count("hidden_size") if facts.get("keys", {}).get("intermediate_size") == "n_inner" else None
    )
    if moe is not None and not moe.dense_layers:
        default = moe.inner
    return keys.count("intermediate_size", default=default)


def _qk_norm(keys: ConfigKeys, facts: Mapping[str, Any]) -> bool:
    flag = facts.get("qk_norm_key")
    return keys.flag(flag, default=False) if flag else bool(facts.get("qk_norm", False))


def _context(keys: ConfigKeys) -> int:
    """Longest context: YaRN and linear scaling stretch the declared one, the others declare it stretched."""
    declared = keys.count("max_position_embeddings")
    scaling = keys.config.get("rope_scaling") or keys.config.get("rope_parameters") or {}
    if not isinstance(scaling, Mapping):
        raise keys.error("rope_scaling", f"a mapping is needed, found {scaling!r:.60}")
    kind, factor = scaling.get("rope_type", scaling.get("type")), scaling.get("factor", 1.0)
    if kind not in ("yarn", "linear", "dynamic"):
        return declared
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 10_000:
        raise keys.error("rope_scaling", f"factor must be a number from 1 to 10000, found {factor!r:.60}")
    if kind != "yarn":
        return int(declared * factor)
    original = scaling.get("original_max_position_embeddings", declared)
    return max(declared, int(original * factor)) if isinstance(original, int) else declared


def _biases(keys: ConfigKeys, facts: Mapping[str, Any]) -> frozenset[str]:
    found = set(facts.get("biases", ()))
    for key, biases in facts.get("bias_keys", {}).items():
        if keys.flag(key, default=False):
            found.update(biases)
    return frozenset(found)


def _learned_positions(keys: ConfigKeys, facts: Mapping[str, Any]) -> int:
    if "positions" not in facts:
        return 0
    return keys.count("max_position_embeddings") + int(facts["positions"])
