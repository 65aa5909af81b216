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


@dataclass(frozen=True, slots=True)
class MambaFacts:
    """Mamba-2: a state-space model whose (head_dim, state) matrix a head decays and takes each token in.

    Each layer of such a hybrid is one mixer: Mamba-2, attention, experts or an FFN. Source: Dao and Gu,
    "Transformers are SSMs", 2024; ``modeling_nemotron_h`` of NVIDIA's checkpoints.
    """

    layers: int
    """Layers of Mamba-2."""
    feed_forwards: int
    """Layers of experts or FFNs; the remaining ones have attention."""
    heads: int
    head_dim: int
    groups: int
    """Heads of one group share what reads and writes the state."""
    state: int
    taps: int
    """Tokens that the causal convolution before it sees."""
    chunk: int
    """Tokens of a prompt that are computed directly at a time."""
    state_element_bytes: int = 4

    @property
    def inner(self) -> int:
        """Width of all heads."""
        return self.heads * self.head_dim

    def groups_of(self, tp: int) -> int:
        """Groups of one of ``tp`` ranks: at least one, replicated when there are more ranks than groups."""
        return max(self.groups // tp, 1)

    def state_bytes(self, tp: int) -> int:
        """Bytes that one request keeps in one layer, on one of ``tp`` ranks."""
        convolved = self.inner // tp + 2 * self.groups_of(tp) * self.state
        state = self.inner // tp * self.state * self.state_element_bytes
        return state + convolved * (self.taps - 1) * _CACHED_INPUT_BYTES

    def parameters(self, hidden: int) -> int:
        """Of one layer: projections, convolution with its bias, three values a head, norm before the gate."""
        convolved = self.inner + 2 * self.groups * self.state
        projections = hidden * (self.inner + convolved + self.heads) + self.inner * hidden
        return projections + convolved * (self.taps + 1) + 3 * self.heads + self.inner


@dataclass(frozen=True, slots=True)
class KimiDeltaFacts:
    """Kimi delta attention: a gated delta rule whose (head_dim, head_dim) state forgets channel by channel.

    Source: Kimi Team, "Kimi Linear", 2025; ``modeling_kimi_linear`` of Moonshot's checkpoints.
    """

    layers: int
    """Layers that have it; the others have latent attention."""
    heads: int
    head_dim: int
    taps: int
    """Tokens that the causal convolution before it sees."""
    full_gate: bool = False
    """The output gate is one product; else two, through ``head_dim`` columns, as the decay's always are."""
    residual_block: int = 0
    """Layers of a block whose outputs all later sublayers may read (attention residuals); 0: they do not."""

    @property
    def inner(self) -> int:
        """Width of all heads."""
        return self.heads * self.head_dim

    def state_bytes(self, tp: int) -> int:
        """Bytes that one request keeps in one layer, on one of ``tp`` ranks."""
        state = self.head_dim * _ELEMENT_BYTES["float32"]
        return self.inner // tp * (state + 3 * (self.taps - 1) * _CACHED_INPUT_BYTES)

    def parameters(self, hidden: int) -> int:
        """Of one layer: projections, convolutions, decays (a bias a channel, a scale a head), gated norm."""
        gate = hidden * self.inner if self.full_gate else self.head_dim * (hidden + self.inner)
        decay = self.head_dim * (hidden + self.inner) + self.inner + self.heads
        products = 4 * hidden * self.inner + hidden * self.heads
        return products + gate + decay + 3 * self.inner * self.taps + self.head_dim


def kimi_delta_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> KimiDeltaFacts | None:
    """Kimi delta attention of a class that has it, in the layers listed (from 1)."""
    if not facts.get("kimi_delta"):
        return None
    inside = keys.inside("linear_attn_config")
    listed = inside.config.get("kda_layers")
    if not isinstance(listed, list) or not set(listed) <= set(range(1, layers + 1)):
        raise inside.error(
            "kda_layers", f"a list of layers from 1 to {layers} is needed, found {listed!r:.60}"
        )
    return KimiDeltaFacts(
        layers=len(set(listed)),
        heads=inside.count("num_heads"),
        head_dim=inside.count("head_dim"),
        taps=inside.count("short_conv_kernel_size", default=4),
        full_gate=inside.flag("use_full_rank_gate", default=False),
        residual_block=keys.count("attn_res_block_size", default=0),
    )


_MIXERS = {"mamba": "M", "attention": "*", "moe": "E", "mlp": "-"}


def mixers(config: Mapping[str, Any]) -> str:
    """What each layer of a Mamba hybrid is, a letter each: M, * attention, E experts, - FFN; else empty."""
    listed = config.get("hybrid_override_pattern") or config.get("layers_block_type") or ""
    if isinstance(listed, list):
        return "".join(_MIXERS.get(str(kind), "?") for kind in listed)
    return listed if isinstance(listed, str) else "?"


def mamba_facts(keys: ConfigKeys, facts: Mapping[str, Any], layers: int) -> MambaFacts | None:
    """Mamba-2 of a class that has it, in the layers marked so."""
    if not facts.get("mamba"):
        return None
    kinds = mixers(keys.config)
    if len(kinds) != layers or set(kinds) - set(_MIXERS.values()):
        listed = "hybrid_override_pattern" if keys.has("hybrid_override_pattern") else "layers_block_type"
        raise keys.error(listed, f"{layers} layers of M, *, E or - are needed, found {kinds!r:.60}")
    return MambaFacts(
        layers=kinds.count("M"),
        feed_forwards=kinds.count("E") + kinds.count("-"),
        heads=keys.count("mamba_num_heads"),
        head_dim=keys.count("mamba_head_dim"),
        groups=keys.count("n_groups"),
        state=keys.count("ssm_state_size"),
        taps=keys.count("conv_kernel"),
        chunk=keys.count("chunk_size"),
        state_element_bytes=_ELEMENT_BYTES.get(str(keys.config.get("mamba_ssm_cache_dtype")), 4),
    )
