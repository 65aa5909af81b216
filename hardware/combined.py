"""Operations made of others: two streams at once, and one computation measured whole or in parts."""

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.model_specs.operations import FirstMeasured, Overlap


@prices(Overlap)
def overlap_ms(pricing: Pricing, op: Overlap, load: StepLoad) -> FloatArray:
    """The slower of two streams."""
    return pricing.slowest((op.first, op.second), load)


@prices(FirstMeasured)
def first_measured_ms(pricing: Pricing, op: FirstMeasured, load: StepLoad) -> FloatArray:
    """The measured whole, else the sum of its parts."""
    return pricing.first_measured(op.whole, op.parts, load)
