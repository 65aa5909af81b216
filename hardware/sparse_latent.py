"""Latent attention to chosen tokens (DSA): prompts, behind a prefix too, and new tokens."""

from dataclasses import replace
from functools import partial

import numpy as np

from aicfg.hardware.equal_scores import Choice, of_decoding, overstated_ms
from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.modules import context_table, decoding_ms, decoding_rows_ms, piecewise, prompts_ms
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sparse_context import CHOICE, shared_prompt_ms
from aicfg.hardware.sparse_rows import CONTEXT, DENSE, GENERATION, SparseRows, rows_of
from aicfg.model_specs.operations import SparseLatentModule

EQUAL_SCORES = Choice(*CHOICE["flat"], CHOICE["top_last"][1], heads=64)
"""SGLang's choice of 2,048 tokens, timed at one number of heads, on which it does not depend."""


@prices(SparseLatentModule)
def sparse_latent_ms(pricing: Pricing, op: SparseLatentModule, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    if load.prompts is not None:
        return _prompts_ms(pricing, op, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return _decoding_ms(pricing, op, load.decoding)


def _decoding_ms(pricing: Pricing, op: SparseLatentModule, decoding: Decoding) -> FloatArray:
    rows = rows_of(pricing, op, GENERATION)

    def measured() -> FloatArray:
        over = of_decoding(partial(_overstated_ms, pricing, op), decoding)
        return np.maximum(decoding_rows_ms(pricing, rows, op.heads, decoding) - over, 0.0)

    return decoding_ms(pricing, rows, op.heads, decoding, measured)


def _overstated_ms(
    pricing: Pricing, op: SparseLatentModule, prefix: FloatArray, length: FloatArray, batch: FloatArray
) -> FloatArray:
    """By the choice of equal scores, if the module has one."""
    if not op.chooses or pricing.profile.operations.equal_scores == "of_v4":
        return np.zeros(len(batch))
    return overstated_ms(pricing, EQUAL_SCORES, prefix, length, batch)


def _prompts_ms(pricing: Pricing, op: SparseLatentModule, prompts: Prompts) -> FloatArray:
    rows = rows_of(pricing, op, CONTEXT)

    def rows_ms(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
        times = _module_ms(pricing, rows, op.heads, prefix, length, batch)
        return np.maximum(times - _overstated_ms(pricing, op, prefix, length, batch), 0.0)

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
