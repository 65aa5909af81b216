"""The vocabulary in which a model says what one forward step must compute.

An operation names its shape as one GPU of the worker sees it and leaves the number of tokens open, so
that one list serves every batch size. ``count`` is how often the step performs it (layers, or twice the
layers). None of them knows a millisecond: ``aicfg.hardware`` prices them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Component = Literal["gemm", "moe", "bfloat16"]
"""Whose quantisation an operation's weights follow; ``bfloat16`` is never quantised (lm_head, router)."""


class Rows(Enum):
    """Which rows of the step's activations an operation works on."""

    TOKENS = "tokens"
    """Every token of the step."""
    LOGITS = "logits"
    """Only the positions whose next token is wanted."""


@dataclass(frozen=True, slots=True)
class Gemm:
    """Dense product of an (m, k) activation with a (k, n) weight; m is the number of ``rows``."""

    name: str
    n: int
    k: int
    count: int = 1
    component: Component = "gemm"
    rows: Rows = Rows.TOKENS
    input_low_precision: bool = False
    """The activation arrives already quantised (static fp8 scales: the scaling pass is saved)."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Grouped-query attention of the step's requests against their KV caches, query heads split over tp."""

    name: str
    heads: int
    kv_heads: int
    head_dim: int
    window: int = 0
    """Sliding window in tokens; 0 is full attention."""
    qk_norm: bool = False
    """Queries and keys are normalised per head before the product."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A memory-bound pass (norm, activation): reads and writes so many 2-byte elements a token."""

    name: str
    reads: int
    writes: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Embedding:
    """Token embedding: one row of ``width`` 2-byte elements a token out of a (vocabulary, width) table."""

    name: str
    width: int
    vocabulary: int
    """Rows of the table on one GPU."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class AllReduce:
    """Sum of (tokens, width) activations over ``ranks`` GPUs."""

    name: str
    width: int
    ranks: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class PointToPoint:
    """Hand-over of (tokens, width) 2-byte activations from one pipeline stage to the next."""

    name: str
    width: int
    count: int = 1


Operation = Gemm | Attention | Elementwise | Embedding | AllReduce | PointToPoint
