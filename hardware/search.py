"""Which workers there are: every legal layout of a role, at every integer batch that its memory holds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aicfg.hardware.curves import Curve, IntArray, Role, ServingModel
from aicfg.hardware.profile import RoleSearch, Search
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.families import illegal
from aicfg.model_specs.layout import Layout

GIB = 2.0**30


@dataclass(frozen=True)
class SearchSpace:
    """Degrees and batches to try for one role; ``None`` leaves it to the profile."""

    tp: tuple[int, ...] | None = None
    pp: tuple[int, ...] | None = None
    max_batch: int | None = None


@dataclass(frozen=True)
class Skipped:
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
    for layout in _layouts(model, getattr(model.profile.search, role), space, gpus):
        try:
            found.append(_curve(model, role, layout, space, beyond_memory))
        except (MissingDataError, _UnfitError) as reason:
            skipped.append(Skipped(role, layout, str(reason)))
    return sorted(found, key=lambda each: each.layout), sorted(skipped, key=lambda each: each.layout)


def chunk_budgets(search: Search, isl: int) -> tuple[int, ...]:
    """Context tokens a step: multiples of the prompt (at least of one step's worth).

    The prompt and its double.
    """
    step, most = max(isl, search.chunk_step_tokens), max(search.chunk_most_tokens, 2 * isl)
    return tuple(sorted({*range(step, most + 1, step), isl, 2 * isl}))


class _UnfitError(Exception):
    """Why a layout cannot work."""


def _layouts(model: ServingModel, search: RoleSearch, space: SearchSpace, gpus: int) -> Iterator[Layout]:
    """Most stages first: they hold the largest batches.

    And the shorter sweeps of fewer stages begin alike.
    """
    for tp in space.tp or (search.tp_in_rack if model.system.gpus_per_rack else search.tp):
        for pp in sorted(space.pp or search.pp, reverse=True):
            if tp * pp <= gpus:
                yield Layout(tp=tp, pp=pp)


def _curve(model: ServingModel, role: Role, layout: Layout, space: SearchSpace, beyond_memory: bool) -> Curve:
    if reason := illegal(model.architecture, layout):
        raise _UnfitError(reason)
    most: int = space.max_batch or getattr(model.profile.search, role).max_batch
    batch, chunk_tokens = _points(model, role, most)
    if not beyond_memory:
        memory = model.memory(role, layout, batch, chunk_tokens)
        if not memory.fits.any():
            least = int(memory.total.argmin())
            needed, limit = memory.total[least] / GIB, memory.limit[least] / GIB
            raise _UnfitError(
                f"needs at least {needed:.1f} GiB of memory on a GPU, where {limit:.1f} GiB can be used"
            )
        batch = batch[memory.fits]
        chunk_tokens = chunk_tokens[memory.fits]
    return model.curve(role, layout, batch, chunk_tokens)


def _points(model: ServingModel, role: Role, most: int) -> tuple[IntArray, IntArray]:
    """Every batch up to ``most``; aggregated: with every chunk budget that leaves some to decode."""
    batch = np.arange(1, most + 1)
    if role != "agg":
        return batch, np.zeros_like(batch)
    isl = model.workload.isl
    chunks = [
        (chunk, batch[(batch == 1) | (batch > -(-chunk // isl))])
        for chunk in chunk_budgets(model.profile.search, isl)
    ]
    return np.concatenate([b for _, b in chunks]), np.concatenate(
        [np.full_like(b, chunk) for chunk, b in chunks]
    )
