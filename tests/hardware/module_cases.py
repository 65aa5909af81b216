"""Cases of check values that name an attention module: the operation and the formats."""

import re

from msgspec import structs

from aicfg.hardware.sparse_rows import MEASURED
from aicfg.model_specs.operations import BlockSparseModule, CompressedModule, HyperConnection, Operation
from aicfg.model_specs.quantization import Quant

Described = tuple[Operation, Quant]


def numbers(case: str) -> dict[str, int]:
    """``m=64 n=4096`` as a mapping."""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)(?![\d.])", case)}


def formats(case: str) -> dict[str, str]:
    """``fmha=bfloat16 kv=fp8 gemm=fp8_block`` as a mapping."""
    return dict(re.findall(r"\b(fmha|kv|gemm|dist)=(\w+(?:\.\d+)?)", case))


def _quant(text: str) -> Quant:
    named = formats(text)
    return Quant(gemm=named["gemm"], fmha=named.get("fmha", "bfloat16"), kvcache=named["kv"])


def sparse_module(words: list[str], text: str) -> Described:
    """``dsa_ctx_module class fmha= kv= gemm= heads= b= s= prefix=``; skip: takes a choice over."""
    (like,) = (each for each in MEASURED if each.hf_class == words[0])
    chooses = "_skip_" not in text.split()[0]
    return structs.replace(like, heads=numbers(text)["heads"], chooses=chooses), _quant(text)


def block_module(_: list[str], text: str) -> Described:
    """``msa_ctx_module fmha= kv= gemm= heads= nkv= b= s= prefix=`` of MiniMax-M3's shape."""
    at = numbers(text)
    return BlockSparseModule("op", 6144, at["heads"], at["nkv"], 128, 4, 128, 2048, 128), _quant(text)


COMPRESSED = {
    "flash": CompressedModule("op", 0, 4096, 0, 64, 512, 1024, 1024, 8, 64, 64, 128, 512, 128),
    "pro": CompressedModule("op", 0, 7168, 0, 128, 512, 1536, 1024, 16, 64, 64, 128, 1024, 128),
}
"""DeepSeek-V4's shapes, whole."""


def compressed_module(words: list[str], text: str) -> Described:
    """``dsv4_ctx_module flash|pro ratio= fmha= kv= gemm= heads= b= s= prefix=``."""
    whole, at = COMPRESSED[words[0]], numbers(text)
    groups = max(1, whole.groups * at["heads"] // whole.native_heads)
    return structs.replace(whole, ratio=at["ratio"], heads=at["heads"], groups=groups), _quant(text)


def hyper_connection(words: list[str], text: str) -> Described:
    """``mhc pre|post tokens= hidden=`` of DeepSeek-V4's four streams."""
    stage = "pre" if words[0] == "pre" else "post"
    return HyperConnection("op", stage, numbers(text)["hidden"], 4, 20), Quant()


MODULES = {
    "dsa_ctx_module": sparse_module,
    "dsa_gen_module": sparse_module,
    "dsa_ctx_skip_module": sparse_module,
    "dsa_gen_skip_module": sparse_module,
    "msa_ctx_module": block_module,
    "msa_gen_module": block_module,
    "dsv4_ctx_module": compressed_module,
    "dsv4_gen_module": compressed_module,
    "mhc": hyper_connection,
}
"""The operation and the formats that each family's words and numbers name."""
