"""Number formats that can really be served: what a checkpoint implies, bent to what was measured."""

from dataclasses import replace

from aicfg.hardware.modes import DataMode
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.latent_attention import measured_whole
from aicfg.model_specs.quantization import Quant

CONTEXT_FAMILIES = {
    "grouped": ("context_attention",),
    "latent": ("context_mla", "mla_context_module"),
    "latent parts": ("context_mla",),
    "sparse": ("dsa_context_module",),
    "blocks": ("msa_context_module",),
    "compressed": ("dsv4_csa_context_module", "dsv4_hca_context_module"),
}
"""Tables of prefill attention, by its kind."""
BEFORE_ARITHMETIC = {"dsa_context_module": 1}
"""Parts of a key before its arithmetic and the cache's format, which otherwise begin it."""

SGLANG_FP4_EXPERTS = {True: "w4a8_mxfp4_mxfp8_trtllm", False: "w4a16_mxfp4_cutlass"}
"""What SGLang's experts of fp4 weights compute in, by whether the GPU has fp4 arithmetic."""


def fitting_quant(
    architecture: Architecture,
    quant: Quant,
    system: System,
    tables: Tables,
    mode: DataMode,
    named: frozenset[str] = frozenset(),
) -> Quant:
    """``quant`` with what the checkpoint only implies replaced by what the GPU computes and the tables have.

    Components in ``named`` were asked for by name and stay. Without fp4 arithmetic, nvfp4 weights are
    unpacked (weight-only); TensorRT-LLM on Blackwell computes mxfp4 experts with fp8 activations, SGLang
    those of Kimi-K3; SGLang has kernels of its own for such; a prefill attention in fp8 becomes bfloat16
    where it was not measured for this KV cache.

    Raises
    ------
    InputError
        For an attention arithmetic that was asked for and has no table, unless the data mode may estimate it.
    """
    free = {name: getattr(quant, name) for name in ("gemm", "moe") if name not in named}
    if tables.backend == "vllm" and architecture.mamba and free.get("moe") == "w4a16_nvfp4":
        free["moe"] = "nvfp4"  # it quantises the experts' inputs at run time
    if tables.backend == "sglang" and free.get("moe") == "w4a8_mxfp4_mxfp8":
        free["moe"] = SGLANG_FP4_EXPERTS["fp4" in system.flops]
    if "fp4" not in system.flops:
        free = {name: "nvfp4_wo" if form == "nvfp4" else form for name, form in free.items()}
    elif free.get("moe") == "w4a16_mxfp4" and _narrows_inputs(architecture, tables.backend):
        free["moe"] = "w4a8_mxfp4_mxfp8"
    return _with_measured_attention(architecture, replace(quant, **free), tables, mode, "fmha" in named)


def _narrows_inputs(architecture: Architecture, backend: str) -> bool:
    """Whether experts of mxfp4 weights compute with fp8 activations."""
    return backend == "trtllm" or (backend == "sglang" and architecture.kimi_delta is not None)


def _with_measured_attention(
    architecture: Architecture, quant: Quant, tables: Tables, mode: DataMode, named: bool
) -> Quant:
    measured = measured_arithmetic(architecture, tables, quant.kvcache)
    if quant.fmha in measured or not tables.families:
        return quant
    if not named and "bfloat16" in measured:
        return replace(quant, fmha="bfloat16")
    if mode is not DataMode.SILICON:
        return quant
    offered = ", ".join(sorted(measured)) or "none"
    raise InputError(
        f"fmha {quant.fmha!r} with kvcache {quant.kvcache!r} has no prefill attention table on "
        f"{tables.system}, {tables.backend} (measured for this cache: {offered})"
    )


def _kind(architecture: Architecture, backend: str) -> str:
    """Of the prefill attention; vLLM's latent attention has no table of its own, its modules apart."""
    if architecture.indexer is not None:
        return "sparse"
    if architecture.block_index is not None:
        return "blocks"
    if architecture.compressed is not None:
        return "compressed"
    if architecture.latent is None:
        return "grouped"
    if measured_whole(architecture):
        return "latent"
    return "grouped" if backend == "vllm" else "latent parts"


def measured_arithmetic(architecture: Architecture, tables: Tables, kvcache: str) -> set[str]:
    """Arithmetic of the prefill attention that was measured over a KV cache of this format."""
    families = CONTEXT_FAMILIES[_kind(architecture, tables.backend)]
    return next(filter(None, (_measured(tables, family, kvcache) for family in families)), set())


def _measured(tables: Tables, family: str, kvcache: str) -> set[str]:
    at = BEFORE_ARITHMETIC.get(family, 0)
    return {str(key[at]) for key in tables.keys(family) if key[at + 1] == kvcache}
