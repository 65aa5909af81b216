"""Latent attention to chosen tokens (DSA): prompts, behind a prefix too, and new tokens.

Rules: those of AIConfigurator 0.12 (performance model, §4).
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import Source
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.sparse_context import shared_prompt_ms
from aicfg.hardware.sparse_loans import context_reached, generation_reached
from aicfg.hardware.sparse_rows import (
    CONTEXT,
    DENSE,
    GENERATION,
    SparseRows,
    context_light,
    context_table,
    generation_light,
    generation_table,
    rows_of,
)
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.operations import SparseLatentModule


@prices(SparseLatentModule)
def sparse_latent_ms(pricing: Pricing, op: SparseLatentModule, load: StepLoad) -> FloatArray:
    """The step's prompts against themselves, or its new tokens against their caches."""
    if load.prompts is not None:
        return _prompts_ms(pricing, op, load.prompts)
    assert load.decoding is not None, "attention needs prompts or decoding requests"
    return _decoding_ms(pricing, op, load.decoding)


def _prompts_ms(pricing: Pricing, op: SparseLatentModule, prompts: Prompts) -> FloatArray:
    rows, ranks = rows_of(pricing, op, CONTEXT), op.context
    where = prompts.prefix, prompts.length, prompts.batch
    at = (np.full(len(prompts.batch), float(op.heads)), *where)

    def module(prefix: FloatArray, length: FloatArray, batch: FloatArray) -> FloatArray:
        return _module_ms(pricing, _there(rows), op.heads, prefix, length, batch)

    def light() -> FloatArray:
        return context_light(pricing, rows)(*at) / ranks

    return pricing.by_mode(
        measured=lambda: module(*where) if ranks == 1 else shared_prompt_ms(pricing, op, module, prompts),
        light=light,
        estimated=lambda: light() / context_reached(pricing, rows, op.heads)(*where),
        reach=lambda: context_table(pricing, rows).reach(*at) if ranks == 1 else Source.INTERPOLATED,
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
        times[many] = context_table(pricing, rows, DENSE)(*(each[many] for each in at))
    return times


def _decoding_ms(pricing: Pricing, op: SparseLatentModule, decoding: Decoding) -> FloatArray:
    rows = rows_of(pricing, op, GENERATION)
    batch, lengths, weights = decoding.batch, decoding.lengths, decoding.weights
    each, length = np.meshgrid(batch, lengths, indexing="ij")
    at = each.ravel(), length.ravel()

    def light() -> FloatArray:
        return generation_light(pricing, rows)(float(op.heads), *at)

    def averaged(ms: FloatArray) -> FloatArray:
        return np.asarray(ms.reshape(each.shape) @ weights)

    return pricing.by_mode(
        measured=lambda: generation_table(pricing, _there(rows))(op.heads, batch, lengths, weights),
        light=lambda: averaged(light()),
        estimated=lambda: averaged(light() / generation_reached(pricing, rows, op.heads)(*at)),
        reach=lambda: generation_table(pricing, rows).reach(op.heads, batch, lengths),
    )


def _there(rows: SparseRows) -> SparseRows:
    """``rows``, if the tables hold their shape."""
    if not rows.measured:
        shape = f"{rows.module.hf_class} of hidden size {rows.module.hidden}"
        raise MissingDataError(f"sparse attention of this shape was not measured ({shape})")
    return rows
