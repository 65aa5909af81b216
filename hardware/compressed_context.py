"""Attention to compressed tokens (DeepSeek-V4) of prompts that context-parallel ranks share.

As for attention to chosen tokens (``sparse_context``): a rank's tokens lie all over a prompt. AIConfigurator
0.12 takes them for a prompt of their own, and puts index scores and choice right by what their kernels take
on the whole; prompts' scores are computed in chunks, whose times add up.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray, NestedGrid
from aicfg.hardware.kernels import nearest_ms
from aicfg.hardware.load import Prompts, StepLoad
from aicfg.hardware.modules import Module
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.model_specs.operations import Collective, CompressedModule
from aicfg.model_specs.parts import CHOOSES

SCORES, CHOICE = "dsv4_paged_mqa_logits", "dsv4_csa_topk_calib"
CHUNK = 8192
"""New tokens whose scores are computed at a time."""


def shared_prompt_ms(pricing: Pricing, op: CompressedModule, module: Module, prompts: Prompts) -> FloatArray:
    """The busiest rank's module, and the gathering of all ranks' keys and entries."""
    each = np.maximum(1.0, np.ceil(prompts.length / op.context))
    if pricing.profile.operations.shared_sparse_prompts == "behind_half":
        behind = prompts.prefix + np.floor((prompts.length - each) / 2.0)
        return module(behind, each, prompts.batch) + _gathering_ms(pricing, op, prompts)
    alone = module(prompts.prefix, each, prompts.batch) + _convention_ms(pricing, op, prompts)
    return alone + _correction_ms(pricing, op, each, prompts) if op.ratio == CHOOSES else alone


def _gathering_ms(pricing: Pricing, op: CompressedModule, prompts: Prompts) -> FloatArray:
    """Of each new token: its key, for the windows; of each entry: itself, and its key in the index."""
    entry = op.head_dim + (op.index_head_dim if op.ratio == CHOOSES else 0)
    tokens = prompts.length * op.head_dim + prompts.length // op.ratio * entry
    return _gather_ms(pricing, op, prompts.batch * tokens)


def _convention_ms(pricing: Pricing, op: CompressedModule, prompts: Prompts) -> FloatArray:
    """As AIConfigurator 0.12 has it: each token's part in the index, or one window's keys; all entries."""
    length = prompts.length
    first = length * op.index_head_dim if op.ratio == CHOOSES else np.minimum(length, op.window) * op.head_dim
    return _gather_ms(pricing, op, prompts.batch * first) + _gather_ms(
        pricing, op, prompts.batch * (length // op.ratio) * op.head_dim
    )


def _gather_ms(pricing: Pricing, op: CompressedModule, elements: FloatArray) -> FloatArray:
    gather = (Collective("entries_allgather", "all_gather", 1, op.context),)
    return pricing.total(gather, StepLoad(elements, elements))


def _correction_ms(pricing: Pricing, op: CompressedModule, each: FloatArray, prompts: Prompts) -> FloatArray:
    """A rank's share of the index kernels on the whole prompt, less what they take on its own tokens."""
    whole, own = (
        _scores_ms(pricing, op, length, prompts) + _choice_ms(pricing, op, length, prompts)
        for length in (prompts.length, each)
    )
    return np.asarray(whole / op.context - own)


def _scores_ms(pricing: Pricing, op: CompressedModule, length: FloatArray, prompts: Prompts) -> FloatArray:
    """Of ``length`` tokens of each prompt, chunk by chunk."""
    table = pricing.table((SCORES, op.native_heads, op.heads), lambda: _scores(pricing, op))
    total = np.zeros(len(length))
    for start in range(0, int(length.max()), CHUNK):
        there = length > start
        chunk = np.minimum(length - start, CHUNK)[there]
        total[there] += table(prompts.prefix[there] + start, chunk, prompts.batch[there])
    return total


def _scores(pricing: Pricing, op: CompressedModule) -> NestedGrid:
    """Of the model's heads; the index is whole on every rank."""
    tp = op.native_heads // op.heads
    keys: list[Key] = [key for key in pricing.tables.keys(SCORES) if key[1] in (tp, 1)]
    for key in sorted(keys, key=lambda key: key[1] != tp):
        grid = pricing.tables.grid(SCORES, key)
        if op.native_heads in grid.axes[0]:
            one = _of_heads(grid, op.native_heads)
            axes = tuple(axis.astype(np.float64) for axis in one.axes)
            return NestedGrid(axes, one.values, lambda past, new, batch: batch * new * (past + new / 2.0))
    raise _missing(pricing, op, SCORES)


def _choice_ms(pricing: Pricing, op: CompressedModule, length: FloatArray, prompts: Prompts) -> FloatArray:
    """Of the best of ``length`` tokens' scores, of which the last are the best."""
    key = ("v1_top_last",)
    if key not in pricing.tables.keys(CHOICE):
        raise _missing(pricing, op, CHOICE)
    grid = pricing.tables.grid(CHOICE, key)
    if op.native_heads not in grid.axes[0]:
        raise _missing(pricing, op, CHOICE)
    one = _of_heads(grid, op.native_heads)
    return nearest_ms(CHOICE, one, prompts.prefix, length, prompts.batch)


def _of_heads(grid: Grid, heads: int) -> Grid:
    return Grid(grid.axes[1:], grid.values[int(np.flatnonzero(grid.axes[0] == heads)[0])])


def _missing(pricing: Pricing, op: CompressedModule, family: str) -> MissingDataError:
    where = f"table {family} of {pricing.tables.backend} on {pricing.system.name}"
    return MissingDataError(f"{where}: no rows for {op.native_heads} heads")
