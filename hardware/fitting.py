"""Number formats that can really be served: what a checkpoint implies, bent to what was measured."""

from dataclasses import replace

from aicfg.hardware.modes import DataMode
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.quantization import Quant

CONTEXT_FAMILIES = {
    False: ("context_attention",),
    True: ("context_mla", "mla_context_module", "context_attention"),
}
"""Tables of prefill attention, by whether it is latent.

Their keys begin with its arithmetic and the cache's format.
"""


def fitting_quant(
    architecture: Architecture, quant: Quant, tables: Tables, mode: DataMode, fmha_named: bool = False
) -> Quant:
    """``quant`` with what the checkpoint only implies replaced by what the tables have.

    A prefill attention in fp8 that nobody asked for by name becomes bfloat16 where it was not measured for
    this KV cache; one that was asked for is refused, unless the data mode may estimate it.
    """
    latent = architecture.latent is not None
    measured = next(
        (
            found
            for found in (_measured(tables, family, quant) for family in CONTEXT_FAMILIES[latent])
            if found
        ),
        set(),
    )
    if quant.fmha in measured or not tables.families:
        return quant
    if not fmha_named and "bfloat16" in measured:
        return replace(quant, fmha="bfloat16")
    if mode is not DataMode.SILICON:
        return quant
    offered = ", ".join(sorted(measured)) or "none"
    raise InputError(
        f"fmha {quant.fmha!r} with kvcache {quant.kvcache!r} has no prefill attention table on "
        f"{tables.system}, {tables.backend} (measured for this cache: {offered})"
    )


def _measured(tables: Tables, family: str, quant: Quant) -> set[str]:
    """Arithmetic of the prefill attention measured over the KV cache's format."""
    return {str(key[0]) for key in tables.keys(family) if key[1] == quant.kvcache}
