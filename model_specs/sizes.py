"""Bytes of weights and KV cache on one GPU, and the number of parameters of the whole model."""

from collections.abc import Iterable

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import local_kv_heads
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Embedding, Gemm, Operation
from aicfg.model_specs.quantization import Quant, element_bytes

_EMBEDDING_BYTES = 2


def weight_bytes(operations: Iterable[Operation], quant: Quant) -> float:
    """Bytes of the weights on one GPU of a tensor-parallel group, all pipeline stages together.

    GEMM n·k·bytes for every repetition, embedding vocabulary·width·2; norms, biases and scales are left out
    and a tied output embedding counts twice. Source: performance model §5.
    """
    total = 0.0
    for operation in operations:
        if isinstance(operation, Gemm):
            mode = "bfloat16" if operation.component == "bfloat16" else getattr(quant, operation.component)
            elements = operation.n * operation.k * operation.count
            total += elements * element_bytes(operation.component, mode)
        elif isinstance(operation, Embedding):
            total += operation.vocabulary * operation.width * operation.count * _EMBEDDING_BYTES
    return total


def kv_bytes_per_token(arch: Architecture, layout: Layout, quant: Quant) -> float:
    """KV-cache bytes one token takes on one GPU, all layers: 2·⌈n_kv/tp⌉·d·L·bytes (performance model §5)."""
    elements = 2 * local_kv_heads(arch, layout) * arch.head_dim * arch.num_layers
    return elements * element_bytes("kvcache", quant.kvcache)


def parameter_count(arch: Architecture) -> int:
    """Parameters of the whole model: tied embeddings once, norms and biases included."""
    hidden = arch.hidden_size
    norm = 2 * hidden if "norm" in arch.biases else hidden
    embeddings = arch.vocab_size * (1 if arch.tie_word_embeddings else 2) + arch.learned_positions
    layer = _attention_parameters(arch) + _ffn_parameters(arch) + 2 * norm
    return embeddings * hidden + arch.num_layers * layer + norm


def _attention_parameters(arch: Architecture) -> int:
    hidden, queries, kv = arch.hidden_size, arch.num_heads * arch.head_dim, arch.num_kv_heads * arch.head_dim
    weights = hidden * (queries + 2 * kv) + queries * hidden
    qkv_bias = queries + 2 * kv if "qkv" in arch.biases else 0
    output_bias = hidden if "output" in arch.biases else 0
    head_norms = 2 * arch.head_dim if arch.qk_norm else 0
    return weights + qkv_bias + output_bias + head_norms


def _ffn_parameters(arch: Architecture) -> int:
    hidden, inner = arch.hidden_size, arch.intermediate_size
    ups = 2 if arch.gated_mlp else 1
    biases = ups * inner + hidden if "mlp" in arch.biases else 0
    return (ups + 1) * hidden * inner + biases
