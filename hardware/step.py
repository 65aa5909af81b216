"""One forward step of a worker: the sum of its operations' prices.

A step's time separates into what all its tokens share, the attention of its prompts and the attention of its
decoding requests, so three curves of one variable each describe a layout.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.pricing import Pricing
from aicfg.model_specs.operations import (
    AllReduce,
    Attention,
    Elementwise,
    Embedding,
    Gemm,
    Operation,
    PointToPoint,
    Rows,
)

Phase = Literal["prefill", "decode"]


@dataclass(frozen=True)
class StepModel:
    """Step times of one layout."""

    prefill: tuple[Operation, ...]
    decode: tuple[Operation, ...]
    pricing: Pricing

    def shared_ms(self, phase: Phase, tokens: FloatArray, logits: FloatArray) -> FloatArray:
        """Everything but attention, for (Q,) tokens of which (Q,) want their next token."""
        total = np.zeros(len(tokens))
        for operation in getattr(self, phase):
            if not isinstance(operation, Attention):
                total += operation.count * self._price(operation, tokens, logits)
        return total

    def prompts_ms(self, batch: FloatArray, length: int, prefix: int) -> FloatArray:
        """Attention of (Q,) prompts of ``length`` new tokens behind ``prefix`` cached ones."""
        priced = (
            op.count * self.pricing.context_attention_ms(op, batch, length, prefix) for op in self._attention
        )
        return np.asarray(np.sum(list(priced), axis=0))

    def decoding_ms(self, batch: FloatArray, lengths: FloatArray, weights: FloatArray) -> FloatArray:
        """Attention of (Q,) decoding requests, summed over cached lengths (S,) with weights (S,)."""
        priced = (
            op.count * self.pricing.generation_attention_ms(op, batch, lengths, weights)
            for op in self._attention
        )
        return np.asarray(np.sum(list(priced), axis=0))

    def prefill_ms(self, batch: FloatArray, isl: int, prefix: int) -> FloatArray:
        """A step that prefills (Q,) whole prompts."""
        tokens = batch * (isl - prefix)
        return self.shared_ms("prefill", tokens, batch) + self.prompts_ms(batch, isl - prefix, prefix)

    @cached_property
    def _attention(self) -> tuple[Attention, ...]:
        return tuple(op for op in self.prefill if isinstance(op, Attention))

    def _price(self, operation: Operation, tokens: FloatArray, logits: FloatArray) -> FloatArray:
        pricing = self.pricing
        match operation:
            case Gemm():
                return pricing.gemm_ms(operation, tokens if operation.rows is Rows.TOKENS else logits)
            case Elementwise():
                return pricing.elementwise_ms(operation, tokens)
            case Embedding():
                return pricing.embedding_ms(operation, tokens)
            case AllReduce():
                return pricing.all_reduce_ms(tokens * operation.width, operation.ranks)
            case PointToPoint():
                return pricing.point_to_point_ms(operation.width, tokens)
        raise TypeError(f"no price for {operation}")
