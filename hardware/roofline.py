"""Speed of light: the least time an operation can take on a GPU, in milliseconds.

Every function is vectorised over its numeric arguments and returns ``max(operations / peak, bytes /
bandwidth)``. Byte and operation counts: Williams et al., Roofline (CACM 2009), with each operand moved once.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def _ms(operations: FloatArray, peak: float, moved_bytes: FloatArray, bandwidth: float) -> FloatArray:
    return np.maximum(operations / peak, moved_bytes / bandwidth) * 1000.0


class GemmRoofline(Struct, frozen=True):
    """(m, k) x (k, n) product whose operands and result are counted at the weight's width."""

    weight_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(self, m: ArrayLike, n: ArrayLike, k: ArrayLike) -> FloatArray:
        """2·m·n·k operations; m·n + m·k + n·k elements."""
        rows, columns, depth = (np.asarray(x, dtype=np.float64) for x in (m, n, k))
        elements = rows * columns + rows * depth + columns * depth
        operations = 2.0 * rows * columns * depth
        return _ms(operations, self.peak_flops, self.weight_bytes * elements, self.bandwidth)


class ContextAttentionRoofline(Struct, frozen=True):
    """Causal attention of prompts against themselves.

    2·b·((s + p)² - p²)·n·d operations behind p cached tokens.
    """

    kv_heads: int
    """0 when every query head has its own."""
    head_dim: int
    window: int
    kv_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(
        self, heads: ArrayLike, length: ArrayLike, batch: ArrayLike, prefix: ArrayLike = 0.0
    ) -> FloatArray:
        """Of ``length`` tokens, the first ``prefix`` cached.

        Queries and outputs of the new ones at 2 bytes, all keys and values at the cache's width; a window
        caps the keys.
        """
        n, s, b, p = (np.asarray(x, dtype=np.float64) for x in (heads, length, batch, prefix))
        kv = self.kv_heads or n
        full = 2.0 * b * (s * s - p * p) * n * self.head_dim
        windowed = 4.0 * b * (s - p) * self.window * n * self.head_dim
        operations = np.where((self.window > 0) & (s > self.window), windowed, full)
        moved = b * self.head_dim * (4.0 * n * (s - p) + 2.0 * self.kv_bytes * kv * s)
        return _ms(operations, self.peak_flops, moved, self.bandwidth)


class GenerationAttentionRoofline(Struct, frozen=True):
    """One new token of each request against its cache: 4·b·n·d·len operations."""

    kv_heads: int
    """0 when every query head has its own."""
    head_dim: int
    window: int
    kv_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """Reads ``length - 1`` cached keys and values (at most the window's)."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        cached = np.minimum(s - 1.0, self.window) if self.window > 0 else s - 1.0
        kv = self.kv_heads or n
        operations = 4.0 * b * n * self.head_dim * cached
        moved = b * self.head_dim * (4.0 * n + 2.0 * kv * cached * self.kv_bytes)
        return _ms(operations, self.peak_flops, moved, self.bandwidth)


class ExpertsRoofline(Struct, frozen=True):
    """The routed experts' products of one GPU; every operand is counted at the weights' width."""

    hidden: int
    inner: int
    topk: int
    slots: int
    """Experts (replicas included) over all GPUs."""
    moe_tp: int
    moe_ep: int
    gated: bool
    weight_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(self, tokens: ArrayLike) -> FloatArray:
        """Tokens of all attention ranks; those of a GPU's experts are 1/ep of them, rounded down.

        Input, output and inner activations of each routed token; weights of the experts that any chose.
        """
        routed = np.asarray(tokens, dtype=np.float64) * self.topk
        products = 3 if self.gated else 2
        here = routed // self.moe_ep
        operations = routed * self.hidden * self.inner * products * 2 // self.moe_ep // self.moe_tp
        active = np.minimum(self.slots // self.moe_ep, here)
        weights = self.hidden * self.inner * products // self.moe_tp * active
        elements = here * self.hidden * 2 + here * self.inner * products // self.moe_tp + weights
        return _ms(operations, self.peak_flops, self.weight_bytes * elements, self.bandwidth)


LATENT_QUERY = 192 + 128
"""Elements of a head's key (with its rotary part) and value in DeepSeek's latent attention."""
LATENT_CACHE = 512 + 64
"""Elements that the cache holds of a token: the latent and the rotary key."""
LATENT_ABSORBED = 512 + LATENT_CACHE
"""Elements that a head reads and writes of a token when the up-projection is folded into the query."""


class LatentContextRoofline(Struct, frozen=True):
    """Causal latent attention of prompts, keys and values expanded: b·n·320·((s + p)² - p²) operations."""

    kv_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(
        self, heads: ArrayLike, length: ArrayLike, batch: ArrayLike, prefix: ArrayLike = 0.0
    ) -> FloatArray:
        """Of ``length`` tokens, the first ``prefix`` cached: as for grouped-query attention."""
        n, s, b, p = (np.asarray(x, dtype=np.float64) for x in (heads, length, batch, prefix))
        operations = b * n * LATENT_QUERY * (s * s - p * p)
        moved = b * n * LATENT_QUERY * (self.kv_bytes * s + 2.0 * (s - p))
        return _ms(operations, self.peak_flops, moved, self.bandwidth)


class AbsorbedProductRoofline(Struct, frozen=True):
    """(tokens, 128) x (128, 512) product of each head; every operand at the weights' width."""

    weight_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(self, heads: ArrayLike, tokens: ArrayLike) -> FloatArray:
        """2·T·n·128·512 operations; n·(640·T + 128·512) elements."""
        n, t = (np.asarray(x, dtype=np.float64) for x in (heads, tokens))
        moved = n * (t * (128 + 512) + 128 * 512) * self.weight_bytes
        return _ms(2.0 * t * n * 128 * 512, self.peak_flops, moved, self.bandwidth)


class LatentGenerationRoofline(Struct, frozen=True):
    """One new token of each request against its latent cache: 2·b·n·1088·s operations.

    With ``absorbed``, the products that fold the up-projection into query and output are part of it.
    """

    kv_bytes: float
    peak_flops: float
    bandwidth: float
    absorbed: AbsorbedProductRoofline | None = None

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """Reads ``length - 1`` cached latents, which all heads share."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        arithmetic = 2.0 * b * n * LATENT_ABSORBED * s / self.peak_flops
        moved = b * (2.0 * n * LATENT_ABSORBED + (s - 1.0) * LATENT_CACHE * self.kv_bytes)
        memory = moved / self.bandwidth
        if self.absorbed is not None:
            arithmetic = arithmetic + 4.0 * b * n * 128 * 512 / self.absorbed.peak_flops
            weights = 2.0 * n * (b * (128 + 512) + 128 * 512) * self.absorbed.weight_bytes
            memory = memory + weights / self.bandwidth
        return np.asarray(np.maximum(arithmetic, memory) * 1000.0)
