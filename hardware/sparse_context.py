"""Latent attention to chosen tokens (DSA) of prompts that context-parallel ranks share.

Each rank has every so many-th token of a prompt, so all ranks' queries see all lengths: as many tokens behind
half of the others cost the same, which the module's rows tell. AIConfigurator 0.12 takes a rank's tokens for
a prompt of their own instead, and puts index scores and choice right by what their kernels take on the whole.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.kernels import nearest_ms
from aicfg.hardware.load import Prompts, StepLoad
from aicfg.hardware.modules import Module
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.model_specs.operations import Collective, SparseLatentModule

INDEX_FORMAT = "fp8"
SCORES: tuple[str, Key] = ("glm5_mqa_logits", (INDEX_FORMAT,))
CHOICE = {mode: ("glm5_topk", (INDEX_FORMAT, mode)) for mode in ("top_last", "flat")}
"""Kernels of one shape: GLM-5's whole indexer. ``flat``: the module was timed on equal scores."""
SHAPE = (32, 128)
"""Heads of that indexer and their size."""


def shared_prompt_ms(
    pricing: Pricing, op: SparseLatentModule, module: Module, prompts: Prompts
) -> FloatArray:
    """The busiest rank's module, and the gathering of all ranks' keys."""
    each = np.maximum(1.0, np.ceil(prompts.length / op.context))
    if pricing.profile.operations.shared_sparse_prompts == "behind_half":
        behind = prompts.prefix + np.floor((prompts.length - each) / 2.0)
        return module(behind, each, prompts.batch) + _gathering_ms(pricing, op, prompts)
    alone = module(prompts.prefix, each, prompts.batch) + _gathering_ms(pricing, op, prompts)
    return alone + _correction_ms(pricing, op, each, prompts) if op.chooses else alone


def _correction_ms(
    pricing: Pricing, op: SparseLatentModule, each: FloatArray, prompts: Prompts
) -> FloatArray:
    """A rank's share of the index kernels on the whole prompt, less what they take on its own tokens."""
    total = np.zeros(len(each))
    for whole, own in ((SCORES, SCORES), (CHOICE["top_last"], CHOICE["flat"])):
        total += _kernel_ms(pricing, op, whole, prompts.length, prompts) / op.context
        total -= _kernel_ms(pricing, op, own, each, prompts)
    return total


def _gathering_ms(pricing: Pricing, op: SparseLatentModule, prompts: Prompts) -> FloatArray:
    """Of each new token: its key in the index, and its compressed keys and values."""
    tokens = prompts.batch * prompts.length
    widths = (*((op.index_head_dim,) if op.chooses else ()), op.latent.cached)
    gathers = tuple(Collective("index_allgather", "all_gather", width, op.context) for width in widths)
    return pricing.total(gathers, StepLoad(tokens, tokens))


def _kernel_ms(
    pricing: Pricing, op: SparseLatentModule, kernel: tuple[str, Key], length: FloatArray, prompts: Prompts
) -> FloatArray:
    """Of ``length`` tokens of each prompt, on the one head count's grid."""
    family, key = kernel
    grid = pricing.tables.grid(family, key)
    if (op.index_heads, op.index_head_dim) != SHAPE or op.heads not in grid.axes[0]:
        raise MissingDataError(
            f"table {family}: not of {op.heads} heads with {op.index_heads} in the indexer"
        )
    one = Grid(grid.axes[1:], grid.values[0])
    return nearest_ms(family, one, prompts.prefix, length, prompts.batch)
