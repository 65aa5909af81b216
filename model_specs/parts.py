"""Facts of parts that only some transformers have: mixtures of experts, kinds of attention."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoeFacts:
    """A mixture of experts in place of the FFN."""

    experts: int
    topk: int
    """Experts a token goes to, shared ones apart."""
    inner: int
    """Width of one routed expert's FFN."""
    shared_inner: int = 0
    """Width of all shared experts together; they see every token."""
    dense_layers: int = 0
    """Layers that have a dense FFN instead; its width is the architecture's ``intermediate_size``."""
    skew: str = "power_law_1.2"
    """How unevenly tokens choose experts, in the terms of the measured distributions."""
    biases: bool = False
    """The router and the experts have biases (they count as parameters, nothing else)."""
    shared_gate: bool = False
    """The shared expert's output is scaled by a gate of its own."""
    gated: bool = True
    """An expert's FFN has a gate beside its up projection."""
    latent: int = 0
    """Width that tokens are projected to for the routed experts, and back from; 0: not at all."""
    latent_norm: bool = False
    """They are normed there."""


@dataclass(frozen=True, slots=True)
class LatentFacts:
    """Multi-head latent attention: keys and values are kept as one compressed vector a token."""

    q_lora_rank: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int

    @property
    def compressed(self) -> int:
        """Elements a token's compressed queries, keys and values take together."""
        return self.q_lora_rank + self.cached

    @property
    def cached(self) -> int:
        """Elements of one token in one layer's cache: compressed keys and values, and the rotary key."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def query_head(self) -> int:
        """Width of one query head."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def key_value_head(self) -> int:
        """Width of one head's unfolded key (without its rotary part) and value together."""
        return self.qk_nope_head_dim + self.v_head_dim


@dataclass(frozen=True, slots=True)
class IndexerFacts:
    """A small attention that chooses the tokens which the layer's own attention sees (DeepSeek's DSA)."""

    heads: int
    head_dim: int
    topk: int
    """Tokens that each query attends to."""
    layers: int
    """Layers that choose for themselves; the others take over the choice of an earlier one."""

    @property
    def cached_bytes(self) -> int:
        """Bytes of one token's key in one layer's index: fp8, with a float32 scale for every 128 elements."""
        return self.head_dim + -(-self.head_dim // 128) * 4


@dataclass(frozen=True, slots=True)
class BlockIndexFacts:
    """A small attention that chooses blocks of tokens which grouped-query attention sees (MiniMax's MSA)."""

    heads: int
    """Index heads; they share one key a token."""
    head_dim: int
    topk_blocks: int
    block: int
    """Tokens of one block."""
    layers: int
    """Layers that have it; the others attend to all tokens."""

    @property
    def topk(self) -> int:
        """Tokens that each query attends to."""
        return self.topk_blocks * self.block


CHOOSES = 4
"""Tokens of a compressed entry in the layers whose index chooses among them (DeepSeek-V4)."""
WIDE = 128
"""Tokens of an entry in the layers that attend to all entries."""


@dataclass(frozen=True, slots=True)
class CompressedFacts:
    """Attention within a window and to compressed tokens before it, over residual streams (DeepSeek-V4)."""

    ratios: tuple[int, ...]
    """Of each layer: tokens that one compressed entry stands for; 0: the window alone."""
    window: int
    q_lora_rank: int
    o_lora_rank: int
    o_groups: int
    """Groups of heads whose outputs are compressed together."""
    rotary: int
    index_heads: int
    index_head_dim: int
    topk: int
    """Compressed entries that each query attends to in the layers that choose."""
    streams: int
    """Residual streams (hyper-connections)."""
    rounds: int
    """Sinkhorn iterations that make their mixing doubly stochastic."""


@dataclass(frozen=True, slots=True)
class LightningFacts:
    """Linear attention with a fixed decay: a (head_dim, head_dim) state a head instead of a cache."""

    layers: int
    """Layers that have it; the others have softmax attention."""
    heads: int
    head_dim: int
    block: int = 256
    """Tokens that are attended to directly at a time; their outcome is folded into the state."""

    def state_bytes(self, tp: int) -> int:
        """Bytes of the float32 states that one request keeps in one layer, on one of ``tp`` ranks."""
        return self.heads // tp * self.head_dim**2 * 4

    def parameters(self, hidden: int) -> int:
        """Of one layer: queries, keys, values, output gate and output, and the norm before the gate."""
        width = self.heads * self.head_dim
        return 5 * hidden * width + width
