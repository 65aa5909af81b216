"""Number formats of a served model, one for each component, and what they cost in bytes and arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.checkpoint import CheckpointQuant
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.facts import read_entry

_FACTS = Path(__file__).with_name("quantization.yaml")

_LOW_PRECISION = frozenset({"fp8", "fp8_static", "fp8_block", "nvfp4"})
"""Checkpoints in these formats are served with an fp8 KV cache unless they say otherwise."""


@dataclass(frozen=True, slots=True)
class Quant:
    """Number format of each component, in the names of ``quantization.yaml`` (common aliases are resolved).

    Raises
    ------
    InputError
        For a name that its component does not know; the message gives the accepted ones.
    """

    gemm: str = "bfloat16"
    """Weights of the dense products."""
    moe: str = "bfloat16"
    """Weights of the experts."""
    kvcache: str = "bfloat16"
    fmha: str = "bfloat16"
    """Arithmetic of the attention product in prefill."""
    comm: str = "half"
    """Elements of the collectives."""

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            object.__setattr__(self, field.name, _canonical(field.name, given))


def infer(arch: Architecture) -> Quant:
    """Formats that the checkpoint asks for (see :func:`quant_of`)."""
    return quant_of(arch.checkpoint)


def quant_of(checkpoint: CheckpointQuant) -> Quant:
    """Formats a checkpoint is served in when the user says nothing.

    The KV cache is fp8 if the checkpoint says so or holds fp8 or nvfp4 weights, else bfloat16; the attention
    product follows the cache. What a GPU or an engine cannot do is not known here.
    Source: performance model §2.2.
    """
    low = checkpoint.gemm in _LOW_PRECISION or checkpoint.moe in _LOW_PRECISION
    kvcache = checkpoint.kvcache or ("fp8" if low else "bfloat16")
    fmha = "fp8" if kvcache == "fp8" else "bfloat16"
    return Quant(gemm=checkpoint.gemm, moe=checkpoint.moe, kvcache=kvcache, fmha=fmha)


def element_bytes(component: str, mode: str) -> float:
    """Bytes of one element of a component's format; the component ``bfloat16`` is never quantised."""
    return float(_format(component, mode)["bytes"])


def flops_class(component: str, mode: str) -> str:
    """Arithmetic a format's products run in: ``bfloat16``, ``fp8``, ``int8`` or ``fp4``."""
    return str(_format(component, mode)["flops"])


def modes(component: str) -> tuple[str, ...]:
    """The format names of one component."""
    return tuple(_component(component)["modes"])


@cache
def _format(component: str, mode: str) -> Mapping[str, Any]:
    if component == "bfloat16":
        component, mode = "gemm", "bfloat16"
    known: Mapping[str, Mapping[str, Any]] = _component(component)["modes"]
    return known[_canonical(component, mode)]


@cache
def _canonical(component: str, mode: str) -> str:
    facts = _component(component)
    name = facts["aliases"].get(mode, mode)
    if name not in facts["modes"]:
        close = nearest(str(mode), [*facts["modes"], *facts["aliases"]])
        accepted = ", ".join(facts["modes"])
        raise InputError(f"quant.{component}: {mode!r} is not a format; accepted: {accepted}{close}")
    return str(name)


@cache
def _component(component: str) -> Mapping[str, Any]:
    found = read_entry(_FACTS, component)
    if found is None:
        raise KeyError(component)
    return found[1]
