"""Speed of light of attention to compressed tokens (DeepSeek-V4), with its projections.

Products in the weights' format, output compression and index weights in bfloat16, index scores in fp8, the
attention in its own arithmetic; one group after the other. Counts: those of AIConfigurator 0.12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.modules import causal_pairs
from aicfg.model_specs.operations import CompressedModule
from aicfg.model_specs.parts import CHOOSES


@dataclass(frozen=True)
class CompressedRoofline:
    """What bounds one module on one GPU."""

    module: CompressedModule
    weight_bytes: float
    kv_bytes: float
    query_bytes: float
    bandwidth: float
    product_flops: float
    plain_flops: float
    index_flops: float
    attention_flops: float

    def _ms(
        self, heads: FloatArray, tokens: FloatArray, batch: FloatArray, seen: FloatArray, pairs: FloatArray
    ) -> FloatArray:
        """Of ``tokens`` new ones over ``seen`` of each request, of which ``pairs`` are attended to."""
        op, width = self.module, heads * self.module.head_dim
        outputs = op.groups * op.o_lora_rank
        projected = op.hidden * (op.q_lora_rank + op.head_dim + outputs) + op.q_lora_rank * width
        entries = op.hidden * self._widths[0] + self._widths[1]
        index, scored = self._index(tokens, batch, seen)
        arithmetic = (
            2.0 * tokens * (projected + entries) / self.product_flops
            + 2.0 * tokens * (width * op.o_lora_rank + index * op.hidden) / self.plain_flops
            + scored / self.index_flops
            + 4.0 * width * pairs / self.attention_flops
        )
        moved = (
            self._weights(projected, width)
            + tokens * (op.hidden + op.q_lora_rank + width + op.head_dim + outputs) * self.weight_bytes
            + pairs * op.head_dim * self.kv_bytes
            + tokens * heads * op.rotary * self.query_bytes
            + (batch * (seen // op.ratio) * op.index_head_dim / 2.0 if op.ratio == CHOOSES else 0.0)
        )
        return np.asarray(np.maximum(arithmetic, moved / self.bandwidth) * 1000.0)

    @property
    def _widths(self) -> tuple[float, float]:
        """Of a token's part in an entry, twice over (values and scores), and once: for products, and sums."""
        op = self.module
        once = (2.0 if op.ratio == CHOOSES else 1.0) * op.head_dim
        if op.ratio == CHOOSES:
            once += 2.0 * op.index_head_dim
        return 2.0 * once, once

    def _index(
        self, tokens: FloatArray, batch: FloatArray, seen: FloatArray
    ) -> tuple[float, FloatArray | float]:
        """Columns of the index's weights of heads, and operations of its queries and scores."""
        op = self.module
        if op.ratio != CHOOSES:
            return 0.0, 0.0
        heads = op.index_heads * op.index_head_dim
        return float(op.index_heads), 2.0 * tokens * heads * (op.q_lora_rank + seen // op.ratio)

    def _weights(self, projected: FloatArray, width: FloatArray) -> FloatArray:
        """Bytes of the weights; those of the index's own entries are not counted."""
        op = self.module
        narrow = projected + 2.0 * op.hidden * (2.0 if op.ratio == CHOOSES else 1.0) * op.head_dim
        plain = width * op.o_lora_rank
        if op.ratio == CHOOSES:
            narrow = narrow + op.q_lora_rank * op.index_heads * op.index_head_dim
            plain = plain + op.hidden * op.index_heads
        return narrow * self.weight_bytes + 2.0 * plain


class CompressedContextRoofline(CompressedRoofline):
    """Prompts."""

    def __call__(
        self, heads: ArrayLike, prefix: ArrayLike, length: ArrayLike, batch: ArrayLike
    ) -> FloatArray:
        """``length`` new tokens behind ``prefix`` cached ones."""
        n, p, s, b = (np.asarray(x, dtype=np.float64) for x in (heads, prefix, length, batch))
        op, whole = self.module, p + s
        most = op.topk if op.ratio == CHOOSES else np.inf
        pairs = causal_pairs(p, s, op.window) + _entry_pairs(p, s, op.ratio, most)
        return self._ms(n, b * s, b, whole, b * pairs)


class CompressedGenerationRoofline(CompressedRoofline):
    """New tokens."""

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """One new token of each request over ``length - 1`` cached ones."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        op, cached = self.module, np.maximum(s - 1.0, 0.0)
        entries = cached // op.ratio
        chosen = np.minimum(entries, op.topk) if op.ratio == CHOOSES else entries
        return self._ms(n, b, b, cached, b * (np.minimum(cached, op.window) + chosen))


def _entry_pairs(prefix: FloatArray, length: FloatArray, ratio: int, most: float) -> FloatArray:
    """Pairs of a prompt's new token and an entry that it attends to: those made so far, at most so many."""

    def upto(tokens: FloatArray) -> FloatArray:
        few = np.minimum(tokens, most * ratio - 1.0)
        whole, rest = few // ratio, few % ratio
        made = ratio * whole * (whole - 1.0) / 2.0 + whole * (rest + 1.0)
        beyond = np.maximum(tokens - few, 0.0)
        return np.asarray(made + np.where(beyond > 0, beyond * most, 0.0) if np.isfinite(most) else made)

    return upto(prefix + length) - upto(prefix)
