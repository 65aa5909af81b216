"""Speed of light of latent attention to chosen tokens (DSA), with its projections and its indexer.

Products run in the weights' format, the index scores always in fp8, the attention in its own arithmetic; one
group after the other. Counts: those of AIConfigurator 0.12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.modules import causal_pairs
from aicfg.model_specs.operations import SparseLatentModule


@dataclass(frozen=True)
class SparseRoofline:
    """What bounds one module on one GPU."""

    module: SparseLatentModule
    weight_bytes: float
    kv_bytes: float
    query_bytes: float
    """Of one element of a prompt's queries."""
    bandwidth: float
    product_flops: float
    index_flops: float
    attention_flops: float

    @property
    def _index_bytes(self) -> int:
        """Of one token's key in the index, with its scales."""
        return self.module.index_head_dim + -(-self.module.index_head_dim // 128) * 4

    def _products(self, heads: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Operations a token, and weights, of the projections.

        The folded up-projections count as operations, not as weights.
        """
        op, latent = self.module, self.module.latent
        index = op.index_heads * op.index_head_dim
        compressed = op.hidden * (latent.compressed + op.index_head_dim + op.index_heads)
        queries = latent.q_lora_rank * (heads * latent.query_head + index)
        weights = compressed + queries + heads * latent.v_head_dim * op.hidden
        folded = heads * latent.kv_lora_rank * latent.key_value_head
        return 2.0 * (weights + folded), np.asarray(weights, dtype=np.float64)

    def _ms(
        self,
        products: FloatArray,
        scores: FloatArray,
        pairs: FloatArray,
        heads: FloatArray,
        moved: FloatArray,
    ) -> FloatArray:
        """Of operations of products, of index scores, of pairs of a query and a token that it attends to."""
        latent = self.module.latent
        attention = 2.0 * heads * (latent.cached + latent.kv_lora_rank) * pairs
        arithmetic = (
            products / self.product_flops + scores / self.index_flops + attention / self.attention_flops
        )
        return np.asarray(np.maximum(arithmetic, moved / self.bandwidth) * 1000.0)


class SparseContextRoofline(SparseRoofline):
    """Prompts."""

    def __call__(
        self, heads: ArrayLike, prefix: ArrayLike, length: ArrayLike, batch: ArrayLike
    ) -> FloatArray:
        """``length`` new tokens behind ``prefix`` cached ones.

        Without more tokens than are chosen there is nothing to index.
        """
        n, p, s, b = (np.asarray(x, dtype=np.float64) for x in (heads, prefix, length, batch))
        op, latent, whole = self.module, self.module.latent, s + p
        indexes = (whole > op.topk) & op.chooses
        products, weights = self._products(n)
        scores = np.where(indexes, 2.0 * b * s * op.index_heads * op.index_head_dim * whole, 0.0)
        cache = b * n * np.minimum(whole, op.topk) * latent.cached * self.kv_bytes
        index = np.where(indexes, b * whole * self._index_bytes, 0.0)
        queries = 2.0 * b * s * n * latent.query_head * self.query_bytes
        moved = weights * self.weight_bytes + cache + index + queries
        return self._ms(products * b * s, scores, b * causal_pairs(p, s, op.topk), n, moved)


class SparseGenerationRoofline(SparseRoofline):
    """New tokens; the index is read whether or not it chooses."""

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """One new token of each request over ``length`` tokens."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        op, latent = self.module, self.module.latent
        products, weights = self._products(n)
        seen = np.minimum(s, op.topk)
        scores = 2.0 * b * op.index_heads * op.index_head_dim * s
        moved = (
            weights * self.weight_bytes + b * s * self._index_bytes + b * seen * latent.cached * self.kv_bytes
        )
        return self._ms(products * b, scores, b * seen, n, moved)
