"""Latent attention to chosen tokens (DSA): prompts, behind a prefix too, and new tokens."""

from dataclasses import replace

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Prompts, StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.modules import context_table, decoding_ms, piecewise, prompts_ms
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sparse_context import shared_prompt_ms
from aicfg.hardware.sparse_rows import CONTEXT, DENSE, GENERATION, SparseRows, rows_of
from aicfg.model_specs.operations import SparseLatentModule


@prices(SparseLatentModule)
def sparse_latent_ms(pricing: Pricing, op: SparseLatentModule, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    if load.prompts is not None:
        return _prompts_ms(pricing, op, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return decoding_ms(pricing, rows_of(pricing, op, GENERATION), op.heads, load.decoding)


def _prompts_ms(pricing: Pricing, op: SparseLatentModule, prompts: Prompts) -> FloatArray:
    rows = rows_of(pricing, op, CONTEXT)

    def rows_ms(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
        return _module_ms(pricing, rows, op.heads, prefix, length, batch)

    module = piecewise(pricing, rows, rows_ms)
    if op.context == 1:
        where = prompts.prefix, prompts.length, prompts.batch
        return prompts_ms(pricing, rows, op.heads, prompts, measured=lambda: module(*where))
    return prompts_ms(
        pricing,
        rows,
        op.heads,
        prompts,
        op.context,
        measured=lambda: shared_prompt_ms(pricing, op, module, prompts),
        reach=lambda: Source.INTERPOLATED,
    )


def _module_ms(
    pricing: Pricing,
    rows: SparseRows,
    heads: int,
    prefix: FloatArray,
    length: FloatArray,
    batch: FloatArray,
) -> FloatArray:
    """From the rows of all kernels, or of those that the engine runs for that many tokens."""
    at = (np.full(len(batch), float(heads)), prefix, length, batch)
    times = context_table(pricing, rows)(*at)
    many = prefix + length > rows.module.topk
    if many.any() and pricing.profile.operations.short_sparse_prompts == "apart":
        indexed = replace(rows, without=DENSE)
        times[many] = context_table(pricing, indexed)(*(each[many] for each in at))
    return times
