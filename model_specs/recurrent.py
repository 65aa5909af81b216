"""Facts of layers that keep a state of constant size instead of a cache that grows, read out of a config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicfg.model_specs.config_keys import ConfigKeys

_ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_CACHED_INPUT_BYTES = 2
"""Inputs of a convolution that wait for the next token are kept as the activations are."""


@dataclass(frozen=True, slots=True)
class DeltaFacts:
    """Gated delta rule: linear attention whose (key_dim, value_dim) state a value head forgets and corrects.

    Source: Yang et al., "Gated Delta Networks", 2025; ``modeling_qwen3_next`` of ``transformers``.
    """

    layers: int
    """Layers that have it; the others have softmax attention."""
    key_heads: int
    key_dim: int
    value_heads: int
    value_dim: int
    taps: int
    """Tokens that the causal convolution before it sees."""
    state_element_bytes: int = 4

    @property
    def keys(self) -> int:
        """Width of all keys (and of all queries)."""
        return self.key_heads * self.key_dim

    @property
    def values(self) -> int:
        """Width of all values (and of the output gate)."""
        return self.value_heads * self.value_dim

    @property
    def convolved(self) -> int:
        """Channels of the convolution: queries, keys and values."""
        return 2 * self.keys + self.values

    def state_bytes(self, tp: int) -> int:
        """Bytes that one request keeps in one layer, on one of ``tp`` ranks."""
        state = self.value_heads * self.key_dim * self.value_dim * self.state_element_bytes
        waiting = self.convolved * (self.taps - 1) * _CACHED_INPUT_BYTES
        return (state + waiting) // tp

    def parameters(self, hidden: int) -> int:
        """Of one layer: projections, convolution, decay and step of each value head, norm before the gate."""
        inner = hidden * (self.convolved + self.values + 2 * self.value_heads) + self.values * hidden
        return inner + self.convolved * self.taps + 2 * self.value_heads + self.value_dim


def delta_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> DeltaFacts | None:
    """The gated delta rule of a class that has it, in the layers listed or in all but every fourth."""
    if not facts.get("delta"):
        return None
    listed = keys.layers("layer_types", layers)
    interval = keys.count("full_attention_interval", default=4)
    key_heads, value_heads = keys.count("linear_num_key_heads"), keys.count("linear_num_value_heads")
    if value_heads % key_heads:
        raise keys.error("linear_num_value_heads", f"{value_heads} is no multiple of {key_heads} key heads")
    return DeltaFacts(
        layers=listed.count("linear_attention") if listed else layers - layers // interval,
        key_heads=key_heads,
        key_dim=keys.count("linear_key_head_dim"),
        value_heads=value_heads,
        value_dim=keys.count("linear_value_head_dim"),
        taps=keys.count("linear_conv_kernel_dim"),
        state_element_bytes=_ELEMENT_BYTES.get(str(keys.config.get("mamba_ssm_dtype")), 4),
    )
