"""Latent attention of SGLang's large-expert-parallel stack: all of its projections but the compression.

Measured on DeepSeek-V3's shapes alone. Rules: performance model of AIConfigurator 0.12, §3.4 and §4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.attention_tables import (
    FP8_GENERATION_SM,
    ContextAttentionTable,
    GenerationAttentionTable,
)
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.latent import LatentKernel
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import Key
from aicfg.model_specs.operations import WideLatentAttention
from aicfg.model_specs.quantization import element_bytes, flops_class

HEADS = 128
HIDDEN, QUERY_RANK, CACHE_RANK, ROTARY, PLAIN, VALUE = 7168, 1536, 512, 64, 128, 128
"""DeepSeek-V3: hidden size, ranks of the compressed queries and keys, parts of a query head, a value head."""
KERNELS = ("flashinfer", "trtllm_mla")
"""The engine's default, and what takes its place on Blackwell."""


@dataclass(frozen=True)
class WideRoofline:
    """Projections in the served format, the attention product in bfloat16; bytes at the format's width."""

    element_bytes: float
    peak_flops: float
    bfloat16_flops: float
    bandwidth: float

    def _ms(self, products: FloatArray, attention: FloatArray, elements: FloatArray) -> FloatArray:
        arithmetic = products / self.peak_flops + attention / self.bfloat16_flops
        return np.asarray(np.maximum(arithmetic, elements * self.element_bytes / self.bandwidth) * 1000.0)


def _product(
    rows: FloatArray, depth: FloatArray | int, columns: FloatArray | int, weights: FloatArray
) -> FloatArray:
    """Elements of a product: input, weights, output (counted twice)."""
    return rows * depth + weights + 2.0 * rows * columns


class WideContextRoofline(WideRoofline):
    """Prompts: keys and values expanded."""

    def __call__(
        self, heads: ArrayLike, length: ArrayLike, batch: ArrayLike, prefix: ArrayLike = 0.0
    ) -> FloatArray:
        """Of ``length`` tokens, the first ``prefix`` cached."""
        n, s, b, p = (np.asarray(x, dtype=np.float64) for x in (heads, length, batch, prefix))
        rows = b * (s - p)
        query, expanded, output = n * (PLAIN + ROTARY), n * (PLAIN + VALUE), n * VALUE
        products = 2.0 * rows * (QUERY_RANK * query + CACHE_RANK * expanded + output * HIDDEN)
        attention = n * (2 * PLAIN + ROTARY) * b * (s * s - p * p)
        read = n * b * ((s - p) * (2 * PLAIN + ROTARY) + s * (2 * PLAIN + ROTARY))
        elements = (
            _product(rows, QUERY_RANK, query, QUERY_RANK * query)
            + _product(rows, CACHE_RANK, expanded, CACHE_RANK * expanded)
            + 2.0 * read
            + _product(rows, output, HIDDEN, output * HIDDEN)
        )
        return self._ms(products, attention, elements)


class WideGenerationRoofline(WideRoofline):
    """New tokens: the up-projection folded into queries and outputs, all heads over one latent."""

    def __call__(self, heads: ArrayLike, batch: ArrayLike, length: ArrayLike) -> FloatArray:
        """One new token of each request over ``length`` cached ones."""
        n, b, s = (np.asarray(x, dtype=np.float64) for x in (heads, batch, length))
        query, output, folded = n * (PLAIN + ROTARY), n * VALUE, n * CACHE_RANK
        products = 2.0 * b * (QUERY_RANK * query + PLAIN * folded + VALUE * folded + output * HIDDEN)
        attention = 2.0 * b * s * n * (ROTARY + 2 * CACHE_RANK)
        read = b * (n * (2 * CACHE_RANK + ROTARY) + s * (CACHE_RANK + ROTARY))
        elements = (
            _product(b, QUERY_RANK, query, QUERY_RANK * query)
            + _product(b, n * PLAIN, folded, PLAIN * folded)
            + 2.0 * read
            + _product(b, folded, output, VALUE * folded)
            + _product(b, output, HIDDEN, output * HIDDEN)
        )
        return self._ms(products, attention, elements)


WIDE_LABEL = "fp8_block"
"""What the measured rows call their arithmetic.

The checkpoint's format, whatever the attention computes in.
"""


@prices(WideLatentAttention)
def wide_latent_attention_ms(pricing: Pricing, op: WideLatentAttention, load: StepLoad) -> FloatArray:
    """The step's prompts, or its new tokens."""
    quant, system, tables = pricing.quant, pricing.system, pricing.tables
    in_fp8 = quant.kvcache == "fp8" and system.sm >= FP8_GENERATION_SM
    context_light = WideContextRoofline(*_facts(pricing, quant.fmha))
    generation_light = WideGenerationRoofline(*_facts(pricing, "fp8" if in_fp8 else "bfloat16"))

    def context() -> ContextAttentionTable:
        family = "wideep_context_mla"
        kernel = _kernel(pricing, family)
        labelled = (kernel, quant.fmha, quant.kvcache) in tables.keys(family)
        key = (kernel, quant.fmha if labelled else WIDE_LABEL, quant.kvcache)
        return ContextAttentionTable(tables.grid(family, key), context_light)

    def generation() -> GenerationAttentionTable:
        family = "wideep_generation_mla"
        key: Key = (_kernel(pricing, family), quant.kvcache)
        return GenerationAttentionTable(tables.grid(family, key), generation_light, above_light=False)

    kernel = LatentKernel(
        HEADS // op.tp,
        lambda: pricing.table(("wide_context_mla",), context),
        lambda: pricing.table(("wide_generation_mla",), generation),
        context_light,
        generation_light,
    )
    return kernel.price(pricing, load, op.context)


def _facts(pricing: Pricing, fmha: str) -> tuple[float, float, float, float]:
    system = pricing.system
    peak, plain = system.peak_flops(flops_class("fmha", fmha)), system.peak_flops("bfloat16")
    return element_bytes("fmha", fmha), peak, plain, system.memory_bandwidth_bytes_per_s


def _kernel(pricing: Pricing, family: str) -> str:
    """The kernel whose rows answer: the engine's default, or Blackwell's."""
    measured = {key[0] for key in pricing.tables.keys(family)}
    return next((kernel for kernel in KERNELS if kernel in measured), KERNELS[0])
