"""Which workers there are: every legal layout of a role, at every integer batch that its memory holds."""

import numpy as np
from msgspec import Struct

from aicfg.hardware.curve import Curve, Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import IntArray
from aicfg.hardware.memory import MemoryUse
from aicfg.hardware.profile import RoleSearch, Search
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.layouts import Degrees, candidates, powers_of_two

GIB = 2.0**30


class SearchSpace(Struct, frozen=True):
    """Degrees and batches to try for one role; ``None`` leaves it to the profile."""

    gpus: tuple[int, ...] | None = None
    """GPUs of one worker."""
    tp: tuple[int, ...] | None = None
    pp: tuple[int, ...] | None = None
    dp: tuple[int, ...] | None = None
    cp: tuple[int, ...] | None = None
    moe_tp: tuple[int, ...] | None = None
    moe_ep: tuple[int, ...] | None = None
    max_batch: int | None = None
    chunk_tokens: tuple[int, ...] | None = None
    """Context tokens of a step (aggregated workers); None: whole prompts, ``whole_prompts``."""


class Skipped(Struct, frozen=True):
    """A layout that has no operating point, and why."""

    role: Role
    layout: Layout
    reason: str


def curves(
    model: ServingModel, role: Role, space: SearchSpace, gpus: int, beyond_memory: bool = False
) -> tuple[list[Curve], list[Skipped]]:
    """The curve of every layout of at most ``gpus`` GPUs, and the layouts that have none.

    Points that do not fit in memory do not exist, unless ``beyond_memory`` asks for them (to explain what is
    missing).
    """
    found: list[Curve] = []
    skipped: list[Skipped] = []
    points = _points(model, role, space)
    for layout in _layouts(model, role, getattr(model.profile.search, role), space, gpus):
        try:
            found.append(_curve(model, role, layout, points, beyond_memory))
        except (MissingDataError, _UnfitError) as reason:
            skipped.append(Skipped(role, layout, str(reason)))
    return sorted(found, key=lambda each: each.layout), sorted(skipped, key=lambda each: each.layout)


def whole_prompts(search: Search, isl: int) -> tuple[int, ...]:
    """Context tokens of steps that hold whole prompts: multiples of the prompt, and of at least one step."""
    step, most = max(isl, search.chunk_step_tokens), max(search.chunk_most_tokens, 2 * isl)
    return tuple(sorted({*range(step, most + 1, step), isl, 2 * isl}))


def every_budget(search: Search, isl: int) -> tuple[int, ...]:
    """Context tokens of steps that may hold part of a prompt: multiples of one step, and whole prompts."""
    step, most = search.chunk_step_tokens, search.chunk_most_tokens
    return tuple(sorted({*range(step, most + 1, step), *whole_prompts(search, isl)}))


_Points = tuple[IntArray, IntArray]
"""Batch and chunk budget of each point."""


class _UnfitError(Exception):
    """Why a layout cannot work."""


def _layouts(
    model: ServingModel, role: Role, search: RoleSearch, space: SearchSpace, gpus: int
) -> list[Layout]:
    """Candidates of at most ``gpus`` GPUs."""
    bounds, system = model.profile.search, model.system
    every = powers_of_two(min(gpus, bounds.most_gpus))
    most_tp = bounds.most_tp_in_rack if system.gpus_per_rack else system.gpus_per_node
    if model.architecture.moe is not None:
        most_tp = max(most_tp, bounds.most_tp_of_experts)
    contexts = powers_of_two(bounds.most_context) if model.tables.backend in bounds.context_backends else (1,)
    degrees = Degrees(
        gpus=tuple(size for size in space.gpus or range(1, gpus + 1) if size <= gpus),
        tp=space.tp or tuple(tp for tp in every if tp <= most_tp),
        pp=space.pp or search.pp,
        dp=space.dp or every,
        cp=space.cp or contexts,
        moe_tp=space.moe_tp or every,
        moe_ep=space.moe_ep or every,
    )
    return list(candidates(model.architecture, role, degrees))


def _unfit(model: ServingModel, role: Role, layout: Layout) -> str | None:
    """Why a layout cannot work on this engine and system, or None."""
    graph = model.graph(role, layout)
    if layout.moe_ep > model.system.gpus_per_node and not graph.wide:
        return f"no all-to-all over {layout.moe_ep} GPUs was measured for these experts"
    return illegal(model.architecture, layout, graph)


def _curve(model: ServingModel, role: Role, layout: Layout, points: _Points, beyond_memory: bool) -> Curve:
    if reason := _unfit(model, role, layout):
        raise _UnfitError(reason)
    batch, chunk_tokens = points
    if beyond_memory:
        return model.curve(role, layout, batch, chunk_tokens)
    memory = model.memory(role, layout, batch, chunk_tokens)
    fits = memory.fits
    if fits.all():
        return model.curve(role, layout, batch, chunk_tokens, memory)
    if not fits.any():
        raise _UnfitError(_least_needed(memory))
    priced = batch <= _rounded_up(int(batch[fits].max()))
    curve = model.curve(role, layout, batch[priced], chunk_tokens[priced], memory.at(priced))
    return curve.at(fits[priced])


def _least_needed(memory: MemoryUse) -> str:
    least = int(memory.total.argmin())
    needed, limit = memory.total[least] / GIB, memory.limit[least] / GIB
    return f"needs at least {needed:.1f} GiB of memory on a GPU, where {limit:.1f} GiB can be used"


def _rounded_up(batch: int) -> int:
    """To a power of two: layouts that hold about as much share their prices, operation by operation."""
    return int(1 << (batch - 1).bit_length())


def _points(model: ServingModel, role: Role, space: SearchSpace) -> _Points:
    """Every batch up to the largest; aggregated: with every chunk budget that leaves some to decode."""
    batch = np.arange(1, (space.max_batch or getattr(model.profile.search, role).max_batch) + 1)
    if role != "agg":
        return batch, np.zeros_like(batch)
    isl = model.workload.isl
    chunks = [
        (chunk, batch[(batch == 1) | (batch > -(-chunk // isl))])
        for chunk in sorted(set(space.chunk_tokens or whole_prompts(model.profile.search, isl)))
    ]
    return np.concatenate([b for _, b in chunks]), np.concatenate(
        [np.full_like(b, chunk) for chunk, b in chunks]
    )
