"""Layers of different shapes, which a search pruned one by one (Puzzle), read out of a config."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from aicfg.model_specs.config_keys import ConfigKeys

_WIDEST = 2**24
_MULTIPLE = 256
"""Widths of FFNs are rounded up to it."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Layers of one shape."""

    layers: int
    kv_heads: int
    """0: no attention."""
    inner: int
    """Width of the FFN; 0: none."""


def layer_shapes(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> tuple[LayerShape, ...]:
    """The shapes of a class whose layers differ, in the order of their first layers; empty for others."""
    if not facts.get("pruned"):
        return ()
    listed = keys.layers("block_configs", layers)
    if not listed:
        raise keys.error("block_configs", f"a list of {layers} layers is needed")
    shapes = [_shape(keys, block) for block in listed]
    return tuple(LayerShape(shapes.count(shape), *shape) for shape in dict.fromkeys(shapes))


def _shape(keys: ConfigKeys, block: Any) -> tuple[int, int]:
    """Key-value heads and FFN width of one layer, neither where it is left out."""
    try:
        attention, network = dict(block["attention"]), dict(block["ffn"])
        if attention.get("replace_with_linear") or network.get("replace_with_linear"):
            raise keys.error("block_configs", "a linear map in place of attention or an FFN is not covered")
        heads = keys.count("num_attention_heads")
        group = 0 if attention.get("no_op") else int(attention["n_heads_in_group"])
        kv_heads = heads // group if group else 0
        inner = 0 if network.get("no_op") else _inner(keys, Fraction(network["ffn_mult"]))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise keys.error("block_configs", f"cannot be understood ({error!r:.60}): {block!r:.80}") from None
    if group < 0 or kv_heads * group != (heads if group else 0):
        raise keys.error("block_configs", f"groups of {group} do not divide {heads} attention heads")
    if not 0 <= inner <= _WIDEST:
        raise keys.error("block_configs", f"an FFN of {float(inner):.3g} columns cannot be")
    return kv_heads, inner


def _inner(keys: ConfigKeys, multiplier: Fraction) -> int:
    """Two thirds of so many times the hidden size, as of a gated FFN in place of one without a gate."""
    whole = int(2 * multiplier * keys.count("hidden_size") / 3)
    return -(-whole // _MULTIPLE) * _MULTIPLE
