"""Bytes of weights and KV cache on one GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, cast

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.compressed import compressed_bytes
from aicfg.model_specs.decoder import local_kv_heads
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import (
    BlockSparseModule,
    CompressedModule,
    Embedding,
    ExpertCompute,
    Experts,
    FirstMeasured,
    Gemm,
    HyperConnection,
    Operation,
    Overlap,
    SparseLatentModule,
    WideLatentAttention,
)
from aicfg.model_specs.quantization import Quant, element_bytes
from aicfg.model_specs.sparse_attention import sparse_token_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tokens = TypeVar("Tokens", float, "NDArray[np.float64]")
"""A number of tokens or an array of them."""

RESERVED_STATES = 5
"""States of Kimi's delta attention that AIConfigurator 0.12 counts for a request: SGLang's prefix cache may
hold as many."""

_EMBEDDING_BYTES = 2
_FLOAT32_BYTES = 4


def weight_bytes(operations: Iterable[Operation], quant: Quant) -> float:
    """Bytes of the weights on one GPU of a tensor-parallel group, all pipeline stages together.

    Every repetition counts: GEMM n·k·bytes, experts 3·h·inner·experts·bytes over moe_ep·moe_tp (2·h·… without
    a gate), embedding vocabulary·width·2. Norms, biases and scales are left out. A worker of any role holds
    the weights of its prefill list. Source: performance model §5.
    """
    return sum(_bytes(operation, quant) for operation in operations)


def _bytes(operation: Operation, quant: Quant) -> float:
    match operation:
        case Gemm(tied=True):
            return 0.0
        case Gemm(n=n, k=k, count=count, component=component):
            return n * k * count * _element(component, quant)
        case Embedding(vocabulary=rows, width=width, count=count):
            return rows * width * count * _EMBEDDING_BYTES
        case Experts() | ExpertCompute():
            component = operation.component if isinstance(operation, Experts) else "moe"
            return _expert_elements(operation) * _element(component, quant)
        case WideLatentAttention(parameters=parameters, count=count, component=component):
            return parameters * count * _element(component, quant)
        case SparseLatentModule(projections=projections) | BlockSparseModule(projections=projections):
            return weight_bytes(projections, quant)
        case CompressedModule(projections=projections, float32_parameters=parameters, count=count):
            return weight_bytes(projections, quant) + parameters * count * _FLOAT32_BYTES
        case HyperConnection(parameters=parameters, count=count):
            return parameters * count * _EMBEDDING_BYTES
        case FirstMeasured(parts=parts, count=count):
            return count * weight_bytes(parts, quant)
        case Overlap(first=first, second=second, count=count):
            return count * (weight_bytes(first, quant) + weight_bytes(second, quant))
        case _:
            return 0.0


def _expert_elements(block: Experts | ExpertCompute) -> float:
    products = 3 if block.gated else 2
    shards = block.moe_ep * (block.moe_tp if isinstance(block, Experts) else 1)
    held = max(block.experts, block.slots) if isinstance(block, ExpertCompute) else block.experts
    return products * block.hidden * block.inner * held * block.count / shards


def _element(component: str, quant: Quant) -> float:
    return element_bytes(component, "bfloat16" if component == "bfloat16" else getattr(quant, component))


def kv_bytes_per_sequence(
    arch: Architecture,
    layout: Layout,
    quant: Quant,
    tokens: Tokens,
    conventions: Conventions = Conventions(),  # noqa: B008  (immutable)
) -> Tokens:
    """KV-cache bytes of one request of ``tokens`` tokens on one GPU, all layers; vectorised over ``tokens``.

    Grouped-query layers keep 2·⌈n_kv/tp⌉·d elements a token, within a window no more tokens than it; latent
    attention keeps one compressed vector that tp does not split, sparse attention a key of its index too, and
    attention to compressed tokens an entry for so many of them; recurrent layers keep one state a request
    instead. Context parallelism saves nothing: decode needs the whole cache on every rank. Source:
    performance model §5.
    """
    element = element_bytes("kvcache", quant.kvcache)
    if arch.indexer is not None:
        return sparse_token_bytes(arch, element, conventions) * tokens
    if arch.latent is not None:
        slots = RESERVED_STATES if conventions.coarse_hybrids else 1
        token = arch.softmax_layers * arch.latent.cached * element
        return token * tokens + slots * _state_bytes(arch, layout)
    if arch.compressed is not None:
        held = _at_most(tokens, arch.compressed.window)
        return cast("Tokens", compressed_bytes(arch.compressed, arch.head_dim, element, tokens, held))
    if arch.shapes:
        return _of_shapes(arch, layout, conventions) * element * tokens
    layer = 2 * local_kv_heads(arch, layout) * arch.head_dim * element
    if arch.block_index is not None:
        indexed = not conventions.block_sparse_by_convention
        index = arch.block_index.layers * arch.block_index.head_dim * element if indexed else 0
        return (arch.num_layers * layer + index) * tokens
    if conventions.coarse_hybrids and (arch.mamba is not None or arch.family == "mixed_attention"):
        return layer * arch.num_layers * tokens
    if arch.attentions:
        return _of_kinds(arch, layout, element, tokens, shares=not conventions.coarse_hybrids)
    whole = arch.softmax_layers - arch.windowed_layers
    kept = _at_most(tokens, arch.sliding_window) if arch.windowed_layers else tokens
    return layer * (whole * tokens + arch.windowed_layers * kept) + _state_bytes(arch, layout)


def _of_kinds(arch: Architecture, layout: Layout, element: float, tokens: Tokens, *, shares: bool) -> Tokens:
    """Of attention of several shapes; ``shares``: layers without keys and values of their own keep none."""
    kept: Tokens = 0.0 * tokens
    for kind in arch.attentions:
        seen = _at_most(tokens, kind.window) if kind.window else tokens
        kept = kept + (kind.owners if shares else kind.layers) * kind.cached(layout.tp) * element * seen
    return kept


def _of_shapes(arch: Architecture, layout: Layout, conventions: Conventions) -> int:
    """Elements of one token in all layers; by the coarse convention none."""
    if conventions.coarse_hybrids:
        return 0
    heads = sum(shape.layers * -(-shape.kv_heads // layout.tp) for shape in arch.shapes)
    return 2 * heads * arch.head_dim


def _at_most(tokens: Tokens, window: int) -> Tokens:
    from numpy import minimum  # not at the top: facts of a model are had without a numerical library

    return minimum(tokens, window)


def _state_bytes(arch: Architecture, layout: Layout) -> float:
    facts = arch.recurrent
    return float(facts.layers * facts.state_bytes(layout.tp)) if facts else 0.0
