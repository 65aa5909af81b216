"""Models whose layers have attention of two shapes: full in some, within a window in the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicfg.model_specs.config_keys import ConfigKeys

_WINDOWED = ("sliding_attention", 1)
"""How a config marks a layer with a window, in ``layer_types`` or in ``hybrid_layer_pattern``."""
_USUAL_INTERVAL = 6
"""Gemma 4 without a list: every sixth layer attends to all tokens."""


@dataclass(frozen=True, slots=True)
class AttentionKind:
    """Grouped-query attention of one shape, and the layers that have it."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    """Width of a query and a key of one head."""
    value_dim: int
    """Width of a value of one head."""
    window: int = 0
    """Tokens each one attends to; 0 is all of them."""
    owners: int = 0
    """Layers with keys and values of their own; the others take those of an earlier layer."""
    keys_are_values: bool = False
    """One product gives keys and values (both are kept, for only keys are rotated)."""

    @property
    def key_value_columns(self) -> int:
        """Columns that project one KV head's keys and values."""
        return self.head_dim + (0 if self.keys_are_values else self.value_dim)

    def local_kv_heads(self, tp: int) -> int:
        """Key-value heads on one GPU; at least one, replicated when there are more ranks than heads."""
        return -(-self.kv_heads // tp)

    def cached(self, tp: int) -> int:
        """Elements of one token in one layer's cache, on one GPU."""
        return self.local_kv_heads(tp) * (self.head_dim + self.value_dim)


def attention_kinds(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> tuple[AttentionKind, ...]:
    """Full attention and windowed attention of a class that has both; empty for others."""
    if not facts.get("kinds"):
        return ()
    marks = _marks(keys, layers)
    own = marks[: layers - keys.count("num_kv_shared_layers", default=0)] or marks
    heads, kv_heads = keys.count("num_attention_heads"), keys.count("num_key_value_heads")
    head_dim = keys.count("head_dim", default=keys.count("hidden_size") // heads)

    def kind(windowed: bool, window: int) -> AttentionKind:
        part = "windowed" if windowed else "full"
        width = keys.count(f"{part}_head_dim", default=head_dim)
        return AttentionKind(
            layers=marks.count(windowed),
            heads=keys.count(f"{part}_heads", default=heads),
            kv_heads=keys.count(f"{part}_kv_heads", default=kv_heads),
            head_dim=width,
            value_dim=keys.count(f"{part}_value_dim", default=width),
            window=window,
            owners=own.count(windowed),
            keys_are_values=not windowed and keys.flag("attention_k_eq_v", default=False),
        )

    return kind(windowed=False, window=0), kind(windowed=True, window=keys.count("sliding_window"))


def _marks(keys: ConfigKeys, layers: int) -> list[bool]:
    """Whether each layer has a window."""
    listed = keys.layers("layer_types", layers) or keys.layers("hybrid_layer_pattern", layers)
    if listed:
        return [mark in _WINDOWED for mark in listed]
    return [(at + 1) % _USUAL_INTERVAL != 0 for at in range(layers)]
