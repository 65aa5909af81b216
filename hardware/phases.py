"""Workers of one phase: prefill only, or decode only.

Rules: performance model of AIConfigurator 0.12, §6.1 and §6.4.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.laws import Phases
from aicfg.hardware.step import StepModel
from aicfg.hardware.workload import Speculative, Workload


def prefill_ms(
    step: StepModel, workload: Workload, batch: FloatArray, rule: Phases, alone: bool = False
) -> FloatArray:
    """Time in ms to prefill ``batch`` (N,) whole prompts at once; ``alone``, on one rank of a worker."""
    return step.prefill_ms(batch, workload.isl, workload.prefix, alone) * rule.prefill_correction


def decode_ms(
    step: StepModel, workload: Workload, batch: FloatArray, rule: Phases, speculative: Speculative
) -> FloatArray:
    """Mean time in ms that ``batch`` (N,) requests take for each token of an answer.

    One step in every ``decode_stride_tokens`` is priced, with the cache it finds, and stands for those up to
    the next.
    """
    steps = workload.osl - 1
    priced = np.arange(0, steps, rule.decode_stride_tokens)
    stands_for = np.minimum(rule.decode_stride_tokens, steps - priced) / steps
    lengths = (workload.isl + priced + 1).astype(np.float64)
    queries = batch * speculative.queries
    return step.decode_ms(queries, lengths, stands_for) * rule.decode_correction / speculative.progress
