"""Operations of layers that pass a state of constant size from token to token.

Prompts and new tokens run different kernels, whose times do not depend on how many tokens came before.
"""

from typing import Literal

from msgspec import Struct


class DeltaRule(Struct, frozen=True, cache_hash=True):
    """One kernel of a gated-delta layer: the causal convolution of its inputs, or the recurrence itself."""

    name: str
    stage: Literal["convolution", "recurrence"]
    hidden: int
    key_heads: int
    """Heads of one GPU."""
    key_dim: int
    value_heads: int
    value_dim: int
    taps: int
    """Tokens that the convolution sees."""
    state_element_bytes: int = 4
    count: float = 1


class KimiDelta(Struct, frozen=True, cache_hash=True):
    """One kernel of a layer of Kimi delta attention; ``fused`` does both, and the gated norm after them."""

    name: str
    stage: Literal["convolution", "recurrence", "fused"]
    hidden: int
    heads: int
    """Heads of one GPU."""
    head_dim: int
    taps: int
    """Tokens that the convolution sees."""
    count: float = 1


class StateSpace(Struct, frozen=True, cache_hash=True):
    """One kernel of a Mamba-2 layer: the causal convolution of its inputs, or the recurrence itself."""

    name: str
    stage: Literal["convolution", "recurrence"]
    hidden: int
    state: int
    taps: int
    """Tokens that the convolution sees."""
    heads: int
    """Heads of one GPU."""
    head_dim: int
    groups: int
    chunk: int
    """Tokens of a prompt that are computed directly at a time."""
    state_element_bytes: int = 4
    count: float = 1
