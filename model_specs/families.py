"""From an architecture to the operations of one forward step: each family is one module."""

from functools import cache
from importlib import import_module
from types import ModuleType

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import Step
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Operation, Phase

FAMILIES = (
    "llama",
    "gpt",
    "moe",
    "latent",
    "lightning",
    "gated_delta",
    "block_sparse",
    "state_space",
    "kimi_delta",
    "pruned",
    "compressed",
    "mixed_attention",
    "gemma",
)
"""Each is a module with ``operations(step)`` and ``illegal(arch, layout, graph)``."""

_VLLM = Graph("vllm")


def operations(
    arch: Architecture, layout: Layout, role: Phase, graph: Graph = _VLLM
) -> tuple[Operation, ...]:
    """What one GPU of a worker computes in one forward step, in execution order.

    Parameters
    ----------
    role
        ``prefill`` or ``decode``. The weights that a GPU holds are those of its prefill list.
    graph
        Who serves it and how its experts are reached.

    Raises
    ------
    InputError
        If the layout is illegal for the model; the message gives the reason.
    """
    reason = illegal(arch, layout, graph)
    if reason is not None:
        raise InputError(f"{arch.model}: layout {layout}: {reason}")
    listed: tuple[Operation, ...] = _module(arch.family).operations(Step(arch, layout, role, graph))
    return listed


def illegal(arch: Architecture, layout: Layout, graph: Graph = _VLLM) -> str | None:
    """Why the model cannot be laid out so, in one clause; None when it can."""
    if min(layout.tp, layout.pp, layout.dp, layout.cp, layout.moe_tp, layout.moe_ep) < 1:
        return "every degree must be at least 1"
    reason: str | None = _module(arch.family).illegal(arch, layout, graph)
    return reason


@cache
def _module(family: str) -> ModuleType:
    """Imported when a model of the family is first laid out."""
    if family not in FAMILIES:
        raise KeyError(family)
    return import_module(f"aicfg.model_specs.{family}")
