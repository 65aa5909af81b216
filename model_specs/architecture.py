"""Facts of one model's architecture, read from its ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aicfg.model_specs.checkpoint import CheckpointQuant, checkpoint_quant
from aicfg.model_specs.config_keys import ConfigKeys
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.facts import entry_names, read_entry

_CLASSES = Path(__file__).with_name("classes.yaml")


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a decoder-only transformer looks like; sizes in elements, in the terms of its ``config.json``."""

    model: str
    """Hugging Face id, or the path it was read from."""
    family: str
    """Module of ``aicfg.model_specs`` that lists its operations: "llama" or "gpt"."""
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
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
    biases: frozenset[str] = frozenset()
    """Which of ``qkv``, ``output``, ``mlp``, ``norm`` have a bias."""
    learned_positions: int = 0
    """Rows of a learned position embedding; 0 for rotary ones."""
    checkpoint: CheckpointQuant = field(default_factory=CheckpointQuant)
    source: str = ""
    """Where the facts come from."""

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        model: str,
        source: str,
        hf_quant: Mapping[str, Any] | None = None,
    ) -> "Architecture":
        """Read a ``config.json`` (and ``hf_quant_config.json``) given as mappings.

        Raises
        ------
        InputError
            For a class that is not covered, or a key that is missing, of the wrong type or absurd; the
            message names ``source`` and the key.
        """
        facts = class_facts(config, source)
        keys = ConfigKeys(config, facts, source)
        hidden, heads = keys.count("hidden_size"), keys.count("num_attention_heads")
        kv_heads = _kv_heads(keys, facts, heads)
        return cls(
            model=model,
            family=facts["family"],
            hidden_size=hidden,
            num_layers=keys.count("num_hidden_layers"),
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=_head_dim(keys, hidden, heads),
            intermediate_size=_intermediate_size(keys, facts, hidden),
            gated_mlp=facts["family"] != "gpt",
            vocab_size=keys.count("vocab_size"),
            max_position_embeddings=_context(keys),
            tie_word_embeddings=keys.flag("tie_word_embeddings"),
            qk_norm=facts.get("qk_norm", False),
            sliding_window=_sliding_window(keys, facts),
            biases=_biases(keys, facts),
            learned_positions=_learned_positions(keys, facts),
            checkpoint=checkpoint_quant(config, hf_quant, source),
            source=source,
        )


def class_facts(config: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """What ``classes.yaml`` says of the config's class; InputError when no family covers it."""
    classes = config.get("architectures")
    if not isinstance(classes, list) or not classes or not isinstance(classes[0], str):
        raise InputError(
            f"{source}: architectures: a list with the model's class is needed, found {classes!r:.60}"
        )
    found = read_entry(_CLASSES, classes[0])
    if found is None:
        close = nearest(classes[0], entry_names(_CLASSES))
        raise InputError(f"{source}: architecture {classes[0]!r} is not known; covered: {covered()}{close}")
    facts = found[1]
    if "family" not in facts:
        why = facts["not_covered"]
        raise InputError(
            f"{source}: architecture {classes[0]} ({why}) is not covered yet; covered: {covered()}"
        )
    return facts


@cache
def covered() -> str:
    """The classes that some family covers, for messages."""
    names = entry_names(_CLASSES)
    return ", ".join(name for name in names if "family" in (read_entry(_CLASSES, name) or ("", {}))[1])


def _kv_heads(keys: ConfigKeys, facts: Mapping[str, Any], heads: int) -> int:
    flag = facts.get("one_kv_head_key")
    if flag and keys.flag(flag, default=True):
        return 1
    kv_heads = keys.count("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise keys.error("num_key_value_heads", f"{kv_heads} does not divide num_attention_heads {heads}")
    return kv_heads


def _head_dim(keys: ConfigKeys, hidden: int, heads: int) -> int:
    if keys.has("head_dim"):
        return keys.count("head_dim")
    if hidden % heads:
        name = keys.name("num_attention_heads")
        raise keys.error("num_attention_heads", f"{name} {heads} does not divide hidden size {hidden}")
    return hidden // heads


def _intermediate_size(keys: ConfigKeys, facts: Mapping[str, Any], hidden: int) -> int:
    """GPT-2's n_inner may be null: four times the hidden size then."""
    default = 4 * hidden if facts.get("keys", {}).get("intermediate_size") == "n_inner" else None
    return keys.count("intermediate_size", default=default)


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


def _sliding_window(keys: ConfigKeys, facts: Mapping[str, Any]) -> int:
    flag = facts.get("window_key")
    if flag and not keys.flag(flag, default=False):
        return 0
    return keys.count("sliding_window", default=0)


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
