"""One forward step of a worker: the sum of its operations' prices.

A step's time separates into what all its tokens share, the attention of its prompts and the attention of its
decoding requests, so three curves of one variable each describe a layout.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.pricing import Pricing
from aicfg.model_specs.operations import (
    AllToAll,
    AttentionKernel,
    DeltaRule,
    ExpertCompute,
    ExpertExchange,
    Experts,
    FirstMeasured,
    KimiDelta,
    Operation,
    StateSpace,
)

KERNELS = get_args(AttentionKernel)
RECURRENCES = (DeltaRule, KimiDelta, StateSpace)
POOLED = (AllToAll, ExpertCompute, ExpertExchange, Experts)
"""What sees the tokens of all attention ranks."""


@dataclass(frozen=True)
class StepModel:
    """Step times of one layout. ``decode_scale`` weighs every operation of a decode step."""

    prefill: tuple[Operation, ...]
    decode: tuple[Operation, ...]
    pricing: Pricing
    decode_scale: float = 1.0

    def prefill_ms(self, batch: FloatArray, isl: int, prefix: int, alone: bool = False) -> FloatArray:
        """A step that prefills (Q,) whole prompts behind ``prefix`` cached tokens each.

        They are on every attention rank; ``alone``, on one of them, so that the experts see its tokens only.
        """
        new = float(isl - prefix)
        load = StepLoad(batch * new, batch, prompts=_prompts(batch, new, prefix))
        shared = tuple(op for op in self.prefill if isinstance(op, POOLED)) if alone else ()
        if not shared:
            return self.pricing.total(self.prefill, load)
        own = tuple(op for op in self.prefill if not isinstance(op, POOLED))
        ranks = max(op.dp for op in shared if not isinstance(op, AllToAll))
        few = StepLoad(load.tokens / ranks, batch, prompts=load.prompts)
        return self.pricing.total(own, load) + self.pricing.total(shared, few)

    def decode_ms(self, queries: FloatArray, lengths: FloatArray, weights: FloatArray) -> FloatArray:
        """A step that decodes (Q,) tokens, averaged over cached lengths (S,) with weights (S,)."""
        load = StepLoad(queries, queries, decoding=Decoding(queries, lengths, weights))
        return self.decode_scale * self.pricing.total(self.decode, load)

    def shared_ms(self, tokens: FloatArray, logits: FloatArray, prefix: int = 0) -> FloatArray:
        """A prefill of (Q,) tokens without its attention kernels.

        Blocks that hold one see a single prompt behind ``prefix`` cached tokens.
        """
        cached = np.full(len(tokens), float(prefix))
        load = StepLoad(tokens, logits, prompts=Prompts(np.ones(len(tokens)), tokens, cached))
        return self.pricing.total(self._shared, load)

    def prompts_ms(self, batch: float, length: int, prefix: int) -> float:
        """Attention kernels of ``batch`` prompts of ``length`` new tokens behind ``prefix`` cached ones."""
        one = np.array([batch])
        load = StepLoad(one * length, one, prompts=_prompts(one, float(length), prefix))
        return float(self.pricing.total(self._prefill_kernels, load)[0])

    def decoding_ms(self, queries: FloatArray, length: float) -> FloatArray:
        """Attention kernels of (Q,) new tokens over ``length`` cached ones."""
        load = StepLoad(queries, queries, decoding=Decoding(queries, np.array([length]), np.ones(1)))
        return self.decode_scale * self.pricing.total(self._decode_kernels, load)

    @cached_property
    def _kernels(self) -> tuple[type, ...]:
        """What a mixed step prices for prompts and decoding apart.

        Attention kernels, or blocks that hold one and recurrences too.
        """
        apart = self.pricing.profile.operations.mixed_step_blocks == "apart"
        return (*KERNELS, FirstMeasured, *RECURRENCES) if apart else KERNELS

    @cached_property
    def _shared(self) -> tuple[Operation, ...]:
        return tuple(op for op in self.prefill if not isinstance(op, self._kernels))

    @cached_property
    def _prefill_kernels(self) -> tuple[Operation, ...]:
        return tuple(op for op in self.prefill if isinstance(op, self._kernels))

    @cached_property
    def _decode_kernels(self) -> tuple[Operation, ...]:
        return tuple(op for op in self.decode if isinstance(op, self._kernels))


def _prompts(batch: FloatArray, length: float, prefix: int) -> Prompts:
    return Prompts(batch, np.full(len(batch), length), np.full(len(batch), float(prefix)))
