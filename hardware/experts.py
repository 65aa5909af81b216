"""Prices of routed experts: the engines' plain kernels, and those behind an all-to-all.

Rules: performance model of AIConfigurator 0.12, §3.3, §3.4 and §4.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aicfg.hardware.expert_estimates import experts_loan
from aicfg.hardware.expert_lenders import lent_by_engines, low_latency_lent
from aicfg.hardware.expert_tables import (
    ExpertShape,
    expert_sweep,
    experts_roofline,
    wide_sweep,
    wide_sweep_of_any_format,
)
from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sweep import Sweep
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.operations import ExpertCompute, Experts

LOW_LATENCY_TOKENS = 128
"""Up to so many tokens TensorRT-LLM runs gated nvfp4 experts in kernels of their own."""
BALANCED_SHARE = 0.8
"""Tokens that the busiest rank still sees in prefill after its experts were placed for load balance."""


@prices(Experts)
def experts_ms(pricing: Pricing, op: Experts, load: StepLoad) -> FloatArray:
    """The experts of one layer over the tokens of every attention-data-parallel rank."""
    if op.component == "bfloat16":
        pricing = pricing.with_experts_in("bfloat16")
    degrees = (op.moe_tp, op.moe_ep)
    shape = ExpertShape(
        op.hidden, op.inner, op.topk, op.experts, *degrees, skew=op.skew, gated=op.gated, slots=op.experts
    )
    return _by_mode(pricing, load.tokens * op.dp, _Fused(pricing, shape))


@prices(ExpertCompute)
def expert_compute_ms(pricing: Pricing, op: ExpertCompute, load: StepLoad) -> FloatArray:
    """The experts behind an all-to-all, which delivers the tokens of every attention rank.

    Their own tables first; on vLLM and TensorRT-LLM the plain kernels serve what those lack.
    """
    slots = op.slots or op.experts
    shape = ExpertShape(
        op.hidden, op.inner, op.topk, op.experts, 1, op.moe_ep, skew=op.skew, gated=op.gated, slots=slots
    )
    tokens = load.tokens * op.dp
    if op.balanced and op.phase == "prefill" and pricing.tables.backend != "trtllm":
        tokens = np.floor(tokens * BALANCED_SHARE)
    return _by_mode(pricing, tokens, _Wide(pricing, shape, op.phase))


@dataclass(frozen=True)
class _Fused:
    """The plain expert kernels of an engine."""

    pricing: Pricing
    shape: ExpertShape

    def kernels(self, tokens: FloatArray) -> Iterator[tuple[NDArray[np.bool_], Sweep]]:
        """Which queries each measured curve serves."""
        few = tokens <= LOW_LATENCY_TOKENS
        if few.any() and (fast := self._low_latency()):
            yield few, fast
            few = ~few
        else:
            few = np.ones(len(tokens), dtype=np.bool_)
        if few.any():
            yield few, expert_sweep(self.pricing, "moe", self.shape, self.pricing.dtype("moe"))

    def _low_latency(self) -> Sweep | None:
        if self.pricing.dtype("moe") != "nvfp4" or not self.shape.gated:
            return None
        with suppress(MissingDataError):
            return expert_sweep(self.pricing, "moe_low_latency", self.shape, "nvfp4")
        lends = self.pricing.profile.operations.experts_not_measured == "other_engines"
        if lends and self.pricing.tables.backend == "trtllm":
            with suppress(MissingDataError):
                plain = expert_sweep(self.pricing, "moe", self.shape, "nvfp4")
                return low_latency_lent(self.pricing, self.shape, "nvfp4", plain)
        return None


@dataclass(frozen=True)
class _Wide:
    """The kernels of a large expert group, or the plain ones where those were not measured."""

    pricing: Pricing
    shape: ExpertShape
    phase: str

    def kernels(self, tokens: FloatArray) -> Iterator[tuple[NDArray[np.bool_], Sweep]]:
        """Which queries each measured curve serves."""
        try:
            sweep = wide_sweep(self.pricing, self.shape, self.phase)
        except MissingDataError:
            if self.pricing.tables.backend == "sglang":
                if self.pricing.profile.graph.wide_formats_as_measured:
                    raise
                lent = wide_sweep_of_any_format(self.pricing, self.shape, self.phase)
                yield np.ones(len(tokens), dtype=np.bool_), lent
                return
            plain = replace(self.shape, slots=self.shape.experts)
            yield from _Fused(self.pricing, plain).kernels(tokens)
        else:
            yield np.ones(len(tokens), dtype=np.bool_), sweep


def _by_mode(pricing: Pricing, tokens: FloatArray, source: _Fused | _Wide) -> FloatArray:
    def measured() -> FloatArray:
        times = np.zeros(len(tokens))
        for served, sweep in source.kernels(tokens):
            times[served] = sweep(tokens[served])
        return times

    def reach() -> IntArray:
        sources = np.full(len(tokens), int(Source.MEASURED))
        for served, sweep in source.kernels(tokens):
            sources[served] = sweep.reach(tokens[served])
        return sources

    def light() -> FloatArray:
        return experts_roofline(pricing, source.shape, pricing.dtype("moe"))(tokens)

    return pricing.by_mode(measured, light, lambda: _estimated(pricing, source, tokens, light()), reach)


def _estimated(
    pricing: Pricing, source: _Fused | _Wide, tokens: FloatArray, light_ms: FloatArray
) -> FloatArray:
    """By the utilisation of the shape's own curves; where it has none, from another engine or shape."""
    try:
        times = np.zeros(len(tokens))
        for served, sweep in source.kernels(tokens):
            times[served] = sweep.loan().ms(light_ms[served], tokens[served])
    except MissingDataError:
        times = _borrowed(pricing, source.shape, tokens, light_ms)
    return times


def _borrowed(pricing: Pricing, shape: ExpertShape, tokens: FloatArray, light_ms: FloatArray) -> FloatArray:
    """From another engine where the profile says so, else from the nearest shape."""
    if pricing.profile.operations.experts_not_measured == "other_engines":
        with suppress(MissingDataError):
            return lent_by_engines(pricing, shape, pricing.dtype("moe"))(tokens)
    return experts_loan(pricing, shape).ms(light_ms, tokens)
