"""What a decode step takes beside its kernels: ranks that wait for each other, and bookkeeping.

Kernels are timed one by one, with all ranks in step and all requests alike. In a served model the ranks of a
tensor-parallel group meet twice in each layer, to sum, and wait for the slowest; requests of unlike lengths
do not finish their attention together; and the scheduler and the sampler look at each request.
"""

from dataclasses import dataclass

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.laws import Host
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.layout import Layout

MEETINGS = 2
"""Sums of a layer: of attention, and of the FFN or the experts."""

NO_HOST = Host(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Stack:
    """What a step passes through: a number, or one of each of N runs."""

    layers: FloatArray | float
    irregular: FloatArray | float
    """Layers whose attention is linear or sparse."""
    ranks: FloatArray | float
    """GPUs of a tensor-parallel group, which meet to sum. Those of attention data parallelism meet to
    exchange experts' tokens, which is timed with all of them: what it takes is in its own price."""

    def repeated(self, count: int) -> "Stack":
        """As arrays of ``count`` runs."""
        each = (self.layers, self.irregular, self.ranks)
        return Stack(*(np.broadcast_to(np.asarray(value, dtype=np.float64), count) for value in each))


def stack_of(architecture: Architecture, layout: Layout) -> Stack:
    """Of a worker; the stages of a pipeline are passed one by one."""
    return Stack(float(architecture.num_layers), float(architecture.irregular_layers), float(layout.tp))


def host_ms(rule: Host, batch: FloatArray, stack: Stack) -> FloatArray:
    """Of a step with (N,) requests of one attention rank."""
    meeting = rule.us_per_meeting * MEETINGS * stack.layers * np.log2(stack.ranks)
    each = rule.us_per_request + rule.us_per_request_and_layer * stack.layers
    return np.asarray((meeting + rule.us_per_irregular_layer * stack.irregular + each * batch) / 1000.0)
