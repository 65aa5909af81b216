"""Which checkpoint a measured row really served: its name and the formats recorded, made consistent.

Tables of measurements name a base model and, if at all, the formats of its weights in words of their own:
block-scaled FP8 is called ``fp8``, MXFP4 ``nvfp4``. A server loads a checkpoint, and that knows its formats.
"""

from dataclasses import replace
from functools import cache

from aicfg.hardware.system import System
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.checkpoint import CheckpointQuant
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.quantization import Quant, element_bytes, infer, quant_of
from aicfg.model_specs.resolve import catalogue_config, catalogue_ids, load_architecture

SUFFIXES = ("-FP8", "-NVFP4", "-FP4")
"""What publishers append to a model's name when they quantise it."""
QUANTISERS = ("nvidia",)
"""Organisations that publish other organisations' models quantised."""
EXPERTS_BESIDE = {"fp8_static": "fp8", "fp8_ootb": "fp8", "sq": "bfloat16"}
"""Formats of dense products that experts do not come in, and what experts beside them are in."""


@cache
def served(model: str, gemm: str = "", moe: str = "") -> tuple[Architecture, Quant]:
    """The architecture and formats of a row that names ``model`` and, if recorded, formats of its weights.

    The checkpoint's own formats hold where the recorded ones have as many bits (``fp8`` of a block-scaled
    checkpoint), where the checkpoint quantises only its experts, and where nothing was recorded. Else the
    catalogue's checkpoint of the same model in that format, or of one of the same shape; last, the model with
    all its weights in the recorded formats. Experts of which nothing was recorded are in the format of the
    dense products, or what comes beside it.

    Raises
    ------
    InputError
        For a model that no catalogue entry covers, or a format that is not known.
    """
    base = load_architecture(_known_name(model))
    moe = EXPERTS_BESIDE.get(moe or gemm, moe or gemm)
    if not gemm or _own_formats(base, gemm, moe):
        return base, infer(base)
    for sibling in _siblings(base.model, gemm, moe):
        found = load_architecture(sibling)
        return found, infer(found)
    if gemm == "nvfp4" and (twin := _same_shape(base, gemm)):
        return replace(twin, model=base.model), infer(twin)
    if gemm == "fp8":  # beside block-scaled experts the rest is block-scaled too
        gemm = "fp8_block" if moe == "fp8_block" else "fp8_static"
    return base, quant_of(CheckpointQuant(gemm, moe))


def with_recipe(quant: Quant, system: System, backend: str) -> Quant:
    """``quant`` as published recipes have it: on Blackwell, mxfp4 experts with fp8 activations."""
    if "fp4" in system.flops and backend == "vllm" and quant.moe == "w4a16_mxfp4":
        return replace(quant, moe="w4a8_mxfp4_mxfp8")
    return quant


def _own_formats(base: Architecture, gemm: str, moe: str) -> bool:
    """Whether the recorded formats are another name of the checkpoint's own."""
    own = base.checkpoint
    if own.gemm == "bfloat16" != own.moe:  # only the experts are quantised, whatever was recorded of the rest
        return own.moe in (gemm, moe) or not _siblings(base.model, gemm, moe)
    if base.moe is None:
        return element_bytes("gemm", gemm) == element_bytes("gemm", own.gemm)
    recorded = element_bytes("gemm", gemm), element_bytes("moe", moe)
    return recorded == (element_bytes("gemm", own.gemm), element_bytes("moe", own.moe))


def _siblings(model: str, gemm: str, moe: str) -> list[str]:
    """Catalogue names of the model quantised as recorded, block-scaled where one of the formats says so."""
    organisation, _, name = model.partition("/")
    if not {gemm, moe} & {"nvfp4", "fp8", "fp8_static", "fp8_block"}:
        return []
    if gemm == "nvfp4":
        names = [f"{each}/{name}-NVFP4" for each in QUANTISERS]
    elif "fp8_block" in (gemm, moe):
        names = [f"{organisation}/{name}-FP8"]
    else:  # what the model's own publisher offers goes first
        names = [f"{each}/{name}-FP8" for each in (organisation, *QUANTISERS)]
    return [each for each in names if catalogue_config(each) is not None]


@cache
def _known_name(model: str) -> str:
    """The catalogue's name of ``model``: under another organisation, or without a quantiser's suffix."""
    if catalogue_config(model) is not None:
        return model
    last = model.partition("/")[2] or model
    bare = next((last.removesuffix(suffix) for suffix in SUFFIXES if last.endswith(suffix)), last)
    by_last = {name.partition("/")[2].casefold(): name for name in catalogue_ids()}
    return by_last.get(last.casefold()) or by_last.get(bare.casefold()) or model


@cache
def _same_shape(base: Architecture, gemm: str) -> Architecture | None:
    """A quantiser's checkpoint of a model with the same layers, where the model's own is not listed."""
    for name in catalogue_ids():
        if name.startswith(QUANTISERS) and gemm in name.casefold():
            try:
                twin = load_architecture(name)
            except InputError:  # a class that is not covered
                continue
            if _shape(twin) == _shape(base):
                return twin
    return None


def _shape(arch: Architecture) -> tuple[object, ...]:
    return (arch.hf_class, arch.hidden_size, arch.num_layers, arch.num_heads, arch.latent, arch.moe)
