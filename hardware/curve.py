"""A worker type at many batches: how fast it is at each, what it serves, and what it keeps in memory."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.memory import MemoryUse
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant

Role = Literal["agg", "prefill", "decode"]


@dataclass(frozen=True)
class Curve:
    """One worker type at N operating points: every array has N entries and is about one worker."""

    role: Role
    layout: Layout
    quant: Quant
    efficiency: float
    """Share of ``requests_per_s`` left after the roles' rates are matched; 1 for aggregated workers."""
    group: str
    """Prefill and decode workers of one group can exchange KV caches; empty for aggregated workers."""
    batch: IntArray
    """Requests per attention-data-parallel rank and pipeline stage."""
    chunk_tokens: IntArray
    """Context tokens per step; 0 for workers of one phase."""
    step_ms: FloatArray
    """The step that the batch is named for: decode (agg: of requests only), or the whole prefill."""
    ttft_ms: FloatArray
    """0 for decode workers."""
    tpot_ms: FloatArray
    """0 for prefill workers."""
    requests_per_s: FloatArray
    """Before ``efficiency``."""
    tokens_per_s: FloatArray
    """Before ``efficiency``."""
    memory: MemoryUse

    def at(self, points: NDArray[np.bool_] | NDArray[np.int64]) -> "Curve":
        """Some of the points, by mask or position."""
        cut = {name: getattr(self, name)[points] for name in POINTWISE}
        return replace(self, memory=self.memory.at(points), **cut)


POINTWISE = ("batch", "chunk_tokens", "step_ms", "ttft_ms", "tpot_ms", "requests_per_s", "tokens_per_s")
"""What a curve holds for each of its points, beside the memory."""
