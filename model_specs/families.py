"""From an architecture to the operations of one forward step: each family is one module."""

from types import ModuleType

from aicfg.model_specs import gpt, llama
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import Role
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Operation

FAMILIES: dict[str, ModuleType] = {"llama": llama, "gpt": gpt}
"""Each has ``operations(arch, layout, role)`` and ``illegal(arch, layout)``."""


def operations(arch: Architecture, layout: Layout, role: Role) -> tuple[Operation, ...]:
    """What one GPU of a worker computes in one forward step, in execution order.

    Raises
    ------
    InputError
        If the layout is illegal for the model; the message gives the reason.
    """
    reason = illegal(arch, layout)
    if reason is not None:
        raise InputError(f"{arch.model}: layout {layout}: {reason}")
    listed: tuple[Operation, ...] = FAMILIES[arch.family].operations(arch, layout, role)
    return listed


def illegal(arch: Architecture, layout: Layout) -> str | None:
    """Why the model cannot be laid out so, in one clause; None when it can."""
    if min(layout.tp, layout.pp, layout.dp, layout.cp, layout.moe_tp, layout.moe_ep) < 1:
        return "every degree must be at least 1"
    reason: str | None = FAMILIES[arch.family].illegal(arch, layout)
    return reason
