"""Residual streams mixed into the layers' inputs and outputs (hyper-connections), measured by tokens.

A row holds both sublayers. Counts of the speed of light: those of AIConfigurator 0.12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sweep import Sweep, sweep_of
from aicfg.model_specs.operations import HyperConnection

FAMILY = "mhc"
SUBLAYERS = 2


@prices(HyperConnection)
def hyper_connection_ms(pricing: Pricing, op: HyperConnection, load: StepLoad) -> FloatArray:
    """Before or after both sublayers of one layer."""
    tokens = np.asarray(op.split.of(load.tokens))
    light = _light(pricing, op)

    def sweep() -> Sweep:
        def opened() -> Sweep:
            grid = pricing.tables.grid(FAMILY, (op.stage, op.streams, op.hidden))
            name = f"table {FAMILY} of {pricing.tables.backend} on {pricing.system.name}"
            return sweep_of(grid.axes[0], grid.values, light, name)

        return pricing.table((FAMILY, op.stage, op.streams, op.hidden), opened)

    return pricing.by_mode(
        measured=lambda: sweep()(tokens),
        light=lambda: light(tokens),
        estimated=lambda: sweep().loan().ms(light(tokens), tokens),
        reach=lambda: sweep().reach(tokens),
    )


@dataclass(frozen=True)
class HyperConnectionRoofline:
    """Dense products of few columns over all streams, in bfloat16; every stream is read and written."""

    stage: str
    hidden: int
    streams: int
    rounds: int
    peak_flops: float
    bandwidth: float

    def __call__(self, tokens: ArrayLike) -> FloatArray:
        """Both sublayers of a layer."""
        t, n = np.asarray(tokens, dtype=np.float64), self.streams
        width, mixing = n * self.hidden, (2 + n) * n
        before = 2.0 * width * mixing + 3.0 * width + mixing * self.rounds + 2.0 * width
        after = 2.0 * n * width + 2.0 * width
        operations = SUBLAYERS * t * (before if self.stage == "pre" else after)
        moved = SUBLAYERS * 2.0 * (mixing * width + mixing + 3 + 2.0 * t * width)
        if self.stage == "pre":
            moved = moved + SUBLAYERS * 4.0 * t * mixing
        return np.asarray(np.maximum(operations / self.peak_flops, moved / self.bandwidth) * 1000.0)


def _light(pricing: Pricing, op: HyperConnection) -> HyperConnectionRoofline:
    system = pricing.system
    peak, bandwidth = system.peak_flops("bfloat16"), system.memory_bandwidth_bytes_per_s
    return HyperConnectionRoofline(op.stage, op.hidden, op.streams, op.rounds, peak, bandwidth)
