"""What a forward step carries: the arguments of a step's price."""

from functools import cached_property

from msgspec import Struct

from aicfg.hardware.interpolation import FloatArray


class Prompts(Struct, frozen=True):
    """Whole prompts (or chunks of them) prefilled in the step, one entry a step."""

    batch: FloatArray
    length: FloatArray
    """New tokens of each prompt."""
    prefix: FloatArray
    """Tokens of each prompt that are cached already."""


class Decoding(Struct, frozen=True):
    """Requests that decode in the step: (Q,) batches, each over the same (S,) cached lengths.

    The price is the sum over lengths with these weights: of one length with weight 1, or of the lengths that
    a growing answer passes through with weights that add up to 1.
    """

    batch: FloatArray
    lengths: FloatArray
    weights: FloatArray


class StepLoad(Struct, frozen=True, eq=False, dict=True):
    """Q steps: their tokens, the rows whose next token is wanted, and whose attention they compute.

    Loads of the same values are equal, so that what was priced for one layout serves another.
    """

    tokens: FloatArray
    logits: FloatArray
    prompts: Prompts | None = None
    decoding: Decoding | None = None

    def __hash__(self) -> int:
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepLoad) and self._values == other._values

    @cached_property
    def rows(self) -> "StepLoad":
        """The same steps without whose attention they compute."""
        return StepLoad(self.tokens, self.logits)

    @cached_property
    def _values(self) -> tuple[bytes | None, ...]:
        """Every array's bytes; None for those of a phase that is not computed."""
        prompts, decoding = self.prompts, self.decoding
        return (
            self.tokens.tobytes(),
            self.logits.tobytes(),
            *(
                (prompts.batch.tobytes(), prompts.length.tobytes(), prompts.prefix.tobytes())
                if prompts
                else (None,)
            ),
            *(
                (decoding.batch.tobytes(), decoding.lengths.tobytes(), decoding.weights.tobytes())
                if decoding
                else (None,)
            ),
        )

    @cached_property
    def _digest(self) -> int:
        return hash(self._values)
