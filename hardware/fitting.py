"""Number formats that can really be served: what a checkpoint implies, bent to what was measured."""

from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.quantization import Quant


def fitting_quant(quant: Quant, inferred: Quant, tables: Tables) -> Quant:
    """``quant`` with what the checkpoint only implies replaced by what the tables have.

    A prefill attention in fp8 that nobody asked for by name becomes bfloat16 where it was not measured for
    this KV cache; one that was asked for is refused.
    """
    measured = {key[0] for key in tables.keys("context_attention") if key[1] == quant.kvcache}
    if quant.fmha in measured:
        return quant
    if quant.fmha == inferred.fmha and "bfloat16" in measured:
        return Quant(quant.gemm, quant.moe, quant.kvcache, "bfloat16", quant.comm)
    offered = ", ".join(sorted(str(name) for name in measured)) or "none"
    raise InputError(
        f"fmha {quant.fmha!r} with kvcache {quant.kvcache!r} has no prefill attention table on "
        f"{tables.system}, {tables.backend} (measured for this cache: {offered})"
    )
