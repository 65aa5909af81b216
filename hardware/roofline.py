"""Speed of light: the least time an operation can take on a GPU, in milliseconds.

Every function is vectorised over its numeric arguments and returns ``max(operations / peak, bytes /
bandwidth)``. Byte and operation counts: Williams et al., Roofline (CACM 2009), with each operand moved once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def _ms(operations: FloatArray, peak: float, moved_bytes: FloatArray, bandwidth: float) -> FloatArray:
    return np.maximum(operations / peak, moved_bytes / bandwidth) * 1000.0


@dataclass(frozen=True)
class GemmRoofline:
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


@dataclass(frozen=True)
class ContextAttentionRoofline:
    """Causal attention of prompts against themselves: 2·b·s²·n·d operations."""

    kv_heads: int
    """0 when every query head has its own."""
    head_dim: int
    window: int
    kv_bytes: float
    peak_flops: float
    bandwidth: float

    def __call__(self, heads: ArrayLike, length: ArrayLike, batch: ArrayLike) -> FloatArray:
        """Queries and outputs at 2 bytes, keys and values at the cache's width; a window caps the keys."""
        n, s, b = (np.asarray(x, dtype=np.float64) for x in (heads, length, batch))
        kv = self.kv_heads or n
        full = 2.0 * b * s * s * n * self.head_dim
        windowed = 4.0 * b * s * self.window * n * self.head_dim
        operations = np.where((self.window > 0) & (s > self.window), windowed, full)
        moved = b * s * self.head_dim * (4.0 * n + 2.0 * self.kv_bytes * kv)
        return _ms(operations, self.peak_flops, moved, self.bandwidth)


@dataclass(frozen=True)
class GenerationAttentionRoofline:
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
