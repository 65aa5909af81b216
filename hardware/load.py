"""What a forward step carries: the arguments of a step's price."""

from dataclasses import dataclass

from aicfg.hardware.interpolation import FloatArray


@dataclass(frozen=True)
class Prompts:
    """Whole prompts (or chunks of them) prefilled in the step, one entry a step."""

    batch: FloatArray
    length: FloatArray
    """New tokens of each prompt."""
    prefix: FloatArray
    """Tokens of each prompt that are cached already."""


@dataclass(frozen=True)
class Decoding:
    """Requests that decode in the step: (Q,) batches, each over the same (S,) cached lengths.

    The price is the sum over lengths with these weights: of one length with weight 1, or of the lengths that
    a growing answer passes through with weights that add up to 1.
    """

    batch: FloatArray
    lengths: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class StepLoad:
    """Q steps: their tokens, the rows whose next token is wanted, and whose attention they compute."""

    tokens: FloatArray
    logits: FloatArray
    prompts: Prompts | None = None
    decoding: Decoding | None = None
