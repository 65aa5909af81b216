"""Dense products: the operation that most others are made of."""

from enum import Enum
from typing import Literal

from msgspec import Struct

from aicfg.model_specs.split import WHOLE, Split

Component = Literal["gemm", "moe", "bfloat16"]
"""Whose quantisation an operation's weights follow; ``bfloat16`` is never quantised (lm_head, router)."""


class Rows(Enum):
    """Which rows of the step's activations an operation works on."""

    TOKENS = "tokens"
    """Every token of the step."""
    LOGITS = "logits"
    """Only the positions whose next token is wanted."""


class Gemm(Struct, frozen=True, cache_hash=True):
    """Dense product of an (m, k) activation with a (k, n) weight; m is the number of ``rows``."""

    name: str
    n: int
    k: int
    count: float = 1
    component: Component = "gemm"
    rows: Rows = Rows.TOKENS
    input_low_precision: bool = False
    """The activation arrives already quantised (static fp8 scales: the scaling pass is saved)."""
    narrow: bool = False
    """So few columns that it may lie below every table; the speed of light stands in there."""
    split: Split = WHOLE
    tied: bool = False
    """The weight is another operation's too and takes no memory of its own."""
