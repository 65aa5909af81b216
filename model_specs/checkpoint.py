"""Number formats a checkpoint declares, in ``quantization_config`` or in ``hf_quant_config.json``."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.recurrent import mixers

Config = Mapping[str, Any]

_FORMATS = {
    "bfloat16": ("bfloat16", "bfloat16"),
    "fp8": ("fp8", "fp8"),
    "fp8_static": ("fp8_static", "fp8"),
    "fp8_block": ("fp8_block", "fp8_block"),
    "nvfp4": ("nvfp4", "nvfp4"),
    "w4a16_nvfp4": ("w4a16_nvfp4", "w4a16_nvfp4"),
    "mxfp4": ("bfloat16", "w4a16_mxfp4"),
    "int4_wo": ("int4_wo", "int4_wo"),
    "int8_wo": ("int8_wo", "int8_wo"),
    "w4a8": ("int4_wo", "w4afp8"),
    "sq": ("sq", "bfloat16"),
}
"""Format of a layer's weights: (gemm mode, moe mode). mxfp4 (gpt-oss) quantises the experts only."""

_MODELOPT = {
    "FP8": "fp8_static",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8_block",
    "MXFP8": "fp8_block",
    "NVFP4": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "W4A16_NVFP4": "w4a16_nvfp4",
    "W4A16_AWQ": "int4_wo",
    "W4A16": "int4_wo",
    "W4A8_AWQ": "w4a8",
    "W8A16": "int8_wo",
    "W8A8_SQ_PER_CHANNEL": "sq",
}
"""``quant_algo`` of NVIDIA ModelOpt. MXFP8, a scale for 32 elements, is priced as its nearest, fp8_block."""

_KV_SCHEMES = {("float", 8): "fp8", ("int", 8): "int8"}

_WHOLE_ATTENTION = r"self_attn(\W*"
_PARTS = {
    "q": re.compile(_WHOLE_ATTENTION + r"|\.(q|qkv|q_a|q_b)_proj.*)$|mixer\.(q|qkv)_proj"),
    "kv": re.compile(_WHOLE_ATTENTION + r"|\.(k|v|qkv|kv|kv_a|kv_b)_proj.*)$|mixer\.(k|v|qkv)_proj"),
    "o": re.compile(_WHOLE_ATTENTION + r"|\.o_proj.*)$|mixer\.o_proj"),
    "indexer": re.compile(_WHOLE_ATTENTION + r"|\.indexer\W*)$"),
    "attention_norms": re.compile(r"self_attn\.\w*norm$"),
    "linear": re.compile(
        r"linear_attn(\W*|.*\bin_proj_(qkvz?|z)\b.*|.*\bout_proj\b.*)$|mixer\.(in|out)_proj"
    ),
    "shared": re.compile(r"shared_experts?(?!_gate)"),
    "ffn": re.compile(r"\bmlp(\W*|\W+\((gate|up|down|gate_up)\b.*|\.(gate|up|down|gate_up)_proj.*)$"),
}
"""Module patterns, exact names or globs or regular expressions, that take a layer's projections out."""

_MIXER_KINDS = {"M": "linear_attention", "*": "attention", "E": "feed_forward", "-": "feed_forward"}
"""What the layers of a Mamba hybrid have, in the terms of other hybrids' ``layer_types``."""

_LAYER = re.compile(r"layers\.(\{[^}]*\}|[^.]+)")

_BY_BITS = {4: "int4_wo", 8: "int8_wo"}
_WEIGHT_ONLY_METHODS = ("awq", "gptq", "auto-round", "auto_round")
_METHODS = ("fp8", "fbgemm_fp8", "mxfp4", "compressed-tensors", "modelopt", *_WEIGHT_ONLY_METHODS)


@dataclass(frozen=True, slots=True)
class CheckpointQuant:
    """What the checkpoint says about its own number formats."""

    gemm: str = "bfloat16"
    moe: str = "bfloat16"
    kvcache: str = ""
    """Empty when the checkpoint says nothing of the cache."""
    unquantised: frozenset[str] = frozenset()
    """Parts left in bfloat16 whatever ``gemm`` is: the projections ``q``, ``kv`` and ``o`` of the attention,
    its ``indexer`` and its ``attention_norms``, those of ``linear`` attention, the ``shared`` experts, the
    dense ``ffn``."""
    block: int = 0
    """Edge of the square weight blocks that share a scale; 0 when there are none."""


def checkpoint_quant(
    config: Config, hf_quant: Config | None, where: str, kvcache: str = ""
) -> CheckpointQuant:
    """Formats declared by a ``config.json`` and, where there is one, an ``hf_quant_config.json``.

    ``kvcache`` is the format of the cache that the model's class is bound to, if it is.

    Raises
    ------
    InputError
        For a scheme or a shape of declaration that is not known; ``where`` opens the message.
    """
    text = config.get("text_config", config)
    try:
        declared = dict(config.get("quantization_config") or text.get("quantization_config") or {})
        declared.update((hf_quant or {}).get("quantization", {}))
        gemm, moe = _weights(declared)
        if text.get("expert_dtype") == "fp4" and moe == "fp8_block":  # DeepSeek-V4: of its own accord
            moe = "w4a8_mxfp4_mxfp8"
        left_out = _left_out(declared, text)
        if left_out >= {"q", "kv", "o", "ffn"}:
            gemm = "bfloat16"
        block = declared.get("weight_block_size")
        cache = kvcache or _kvcache(declared)
        return CheckpointQuant(gemm, moe, cache, left_out, int(block[0]) if block else 0)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise InputError(f"{where}: quantization_config cannot be understood ({error!r:.80})") from None


def _weights(quant: Config) -> tuple[str, str]:
    algorithm, method = quant.get("quant_algo"), quant.get("quant_method")
    if algorithm == "MIXED_PRECISION":
        return _mixed(quant)
    if algorithm is not None:
        return _FORMATS[_modelopt(algorithm, quant)]
    if not quant:
        return _FORMATS["bfloat16"]
    if method == "compressed-tensors":
        return _FORMATS[_group_format(_groups(quant)[0])]
    return _FORMATS[_by_method(str(method), quant)]


def _by_method(method: str, quant: Config) -> str:
    if method == "fp8":
        return _fp8(quant)
    if method == "fbgemm_fp8":  # scales of the activations are found row by row at run time
        return "fp8"
    if method == "mxfp4":
        return "mxfp4"
    if method in _WEIGHT_ONLY_METHODS:
        bits = quant.get("bits", quant.get("w_bit", 4))
        if bits in _BY_BITS:
            return _BY_BITS[bits]
        raise InputError(f"quantization_config.bits: {bits!r} with {method}; accepted: 4, 8")
    accepted = ", ".join(_METHODS)
    raise InputError(
        f"quantization_config.quant_method: {method!r} is not known; accepted: {accepted}"
        f"{nearest(method, _METHODS)}"
    )


def _fp8(quant: Config) -> str:
    if quant.get("weight_block_size"):
        return "fp8_block"
    return "fp8" if quant.get("activation_scheme") == "dynamic" else "fp8_static"


def _modelopt(algorithm: str, quant: Config) -> str:
    name = str(algorithm).upper()
    if name not in _MODELOPT:
        accepted = ", ".join(_MODELOPT)
        raise InputError(
            f"quant_algo: {algorithm!r} is not known; accepted: {accepted}{nearest(name, _MODELOPT)}"
        )
    dynamic = any((group.get("input_activations") or {}).get("dynamic") for group in _groups(quant))
    return "fp8" if name == "FP8" and dynamic else _MODELOPT[name]


def _mixed(quant: Config) -> tuple[str, str]:
    """ModelOpt's mixed precision: the experts' format, and the commonest one of all other layers.

    The LM head does not count: it is served in bfloat16.
    """
    rest: Counter[str] = Counter()
    experts: Counter[str] = Counter()
    for layer, scheme in quant["quantized_layers"].items():
        if layer.endswith("lm_head"):
            continue
        is_expert = "experts" in layer and "shared_expert" not in layer
        algorithm = _modelopt(scheme["quant_algo"], quant)
        (experts if is_expert else rest)[algorithm] += max(1, len(_layers(layer) or ()))
    unlisted = _fp8(quant) if quant.get("quant_method") == "fp8" else "bfloat16"
    gemm = rest.most_common(1)[0][0] if rest else unlisted
    moe = experts.most_common(1)[0][0] if experts else "bfloat16"
    return _FORMATS[gemm][0], _FORMATS[moe][1]


def _left_out(quant: Config, text: Config) -> frozenset[str]:
    """Which parts the checkpoint leaves unquantised in at least half of the layers that have them."""
    modules = [
        module
        for key in ("modules_to_not_convert", "ignore", "exclude_modules")
        for module in quant.get(key) or ()
    ]
    found = set()
    for part, pattern in _PARTS.items():
        named = [_layers(module) for module in modules if pattern.search(module)]
        single = {layer for numbers in named for layer in numbers or ()}
        having = _having(part, text)
        if None in named or (having and 2 * len(single) >= having):
            found.add(part)
    return frozenset(found)


def _having(part: str, text: Config) -> int:
    """Layers that have a part, as far as the config tells; 0: it does not."""
    kinds = [_MIXER_KINDS[kind] for kind in mixers(text) if kind in _MIXER_KINDS]
    kinds = kinds or [str(kind) for kind in (text.get("layer_types") or ())[: text.get("num_hidden_layers")]]
    linear, layers = kinds.count("linear_attention"), int(text.get("num_hidden_layers") or len(kinds))
    if part == "linear":
        return linear
    if "feed_forward" in kinds:
        return kinds.count("attention" if part in ("q", "kv", "o") else "feed_forward")
    return layers - linear if part in ("q", "kv", "o") else layers


def _layers(module: str) -> set[int] | None:
    """Layers a module name stands for (several in the catalogue's ``{0..3,5}``); None if it is a pattern."""
    found = _LAYER.search(module)
    if found is None:
        return None
    numbers: set[int] = set()
    for part in found[1].strip("{}").split(","):
        first, _, last = part.partition("..")
        if not first.isdigit():
            return None
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _groups(quant: Config) -> list[Config]:
    return list((quant.get("config_groups") or {}).values())


def _group_format(group: Config) -> str:
    weights, activations = group["weights"], group.get("input_activations")
    kind = (weights["type"], weights["num_bits"])
    if kind == ("float", 8):
        if weights.get("strategy") == "block":
            return "fp8_block"
        return "fp8" if activations is None or activations.get("dynamic") else "fp8_static"
    if kind == ("float", 4):
        if weights.get("group_size") == 32:
            return "mxfp4"
        return "nvfp4" if activations else "w4a16_nvfp4"
    if kind == ("int", 8):
        return "sq" if activations else "int8_wo"
    if kind == ("int", 4):
        return "int4_wo"
    raise InputError(f"quantization_config: {kind[1]}-bit {kind[0]} weights are not known")


def _kvcache(quant: Config) -> str:
    scheme = quant.get("kv_cache_quant_algo") or quant.get("kv_cache_scheme")
    if isinstance(scheme, Mapping):
        scheme = _KV_SCHEMES.get((str(scheme.get("type")), int(scheme.get("num_bits", 0))), str(dict(scheme)))
    name = str(scheme or "").lower()
    if name in ("", "none", "auto"):  # mixed precision lists what it quantises: the cache is not in the list
        return "bfloat16" if "quantized_layers" in quant else ""
    if name not in ("fp8", "int8", "bfloat16"):
        raise InputError(f"KV cache in {name!r} is not known; accepted: bfloat16, fp8, int8")
    return name
