"""Operations that only move memory: norms, activations, embeddings. Never a table: bytes over bandwidth."""

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.system import System
from aicfg.model_specs.operations import Elementwise, Embedding

ACTIVATION_BYTES = 2.0


def memory_pass_ms(system: System, moved_bytes: ArrayLike) -> FloatArray:
    """A plain pass over memory: bytes at the bandwidth that such passes reach, plus a constant."""
    bandwidth = system.memory_bandwidth_bytes_per_s * system.memory_efficiency
    return np.asarray(moved_bytes, dtype=np.float64) / bandwidth * 1000.0 + system.memory_latency_ms


@prices(Elementwise)
def elementwise_ms(pricing: Pricing, op: Elementwise, load: StepLoad) -> FloatArray:
    """One pass over the tokens' activations."""
    return memory_pass_ms(
        pricing.system, ACTIVATION_BYTES * op.split.of(load.tokens) * (op.reads + op.writes)
    )


@prices(Embedding)
def embedding_ms(pricing: Pricing, op: Embedding, load: StepLoad) -> FloatArray:
    """Look-up of the tokens' rows."""
    return memory_pass_ms(pricing.system, ACTIVATION_BYTES * op.split.of(load.tokens) * op.width)
