"""The vocabulary in which a model says what one forward step must compute.

An operation names its shape as one GPU of the worker sees it and leaves the number of tokens open, so
that one list serves every batch size. ``count`` is how often the step performs it (layers, or twice the
layers). None of them knows a millisecond: ``aicfg.hardware`` prices them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from aicfg.model_specs.attention_modules import BlockSparseModule as BlockSparseModule
from aicfg.model_specs.attention_modules import CompressedModule as CompressedModule
from aicfg.model_specs.attention_modules import HyperConnection as HyperConnection
from aicfg.model_specs.attention_modules import SparseLatentModule as SparseLatentModule
from aicfg.model_specs.product import Component as Component
from aicfg.model_specs.product import Gemm as Gemm
from aicfg.model_specs.product import Rows as Rows
from aicfg.model_specs.recurrences import DeltaRule as DeltaRule
from aicfg.model_specs.recurrences import KimiDelta as KimiDelta
from aicfg.model_specs.recurrences import StateSpace as StateSpace
from aicfg.model_specs.split import WHOLE as WHOLE
from aicfg.model_specs.split import Split as Split

CollectiveKind = Literal["all_reduce", "all_gather", "reduce_scatter", "alltoall"]
Phase = Literal["prefill", "decode"]


class Attention(Struct, frozen=True, cache_hash=True):
    """Grouped-query attention of the step's requests against their KV caches, query heads split over tp."""

    name: str
    heads: int
    kv_heads: int
    head_dim: int
    window: int = 0
    """Sliding window in tokens; 0 is full attention."""
    qk_norm: bool = False
    """Queries and keys are normalised per head before the product."""
    count: float = 1
    context: int = 1
    """Context-parallel ranks that share a prompt (the busiest takes its first and its last chunk)."""


class Elementwise(Struct, frozen=True, cache_hash=True):
    """A memory-bound pass (norm, activation): reads and writes so many 2-byte elements a token."""

    name: str
    reads: int
    writes: int
    count: float = 1
    split: Split = WHOLE


class Embedding(Struct, frozen=True, cache_hash=True):
    """Token embedding: one row of ``width`` 2-byte elements a token out of a (vocabulary, width) table."""

    name: str
    width: int
    vocabulary: int
    """Rows of the table on one GPU."""
    count: float = 1
    split: Split = WHOLE


class AllReduce(Struct, frozen=True, cache_hash=True):
    """Sum of (tokens, width) activations over ``ranks`` GPUs, by the engine's own kernel."""

    name: str
    width: int
    ranks: int
    count: float = 1
    split: Split = WHOLE


class Collective(Struct, frozen=True, cache_hash=True):
    """A collective of the communication library over (tokens, width) elements; half of one can be moved."""

    name: str
    kind: CollectiveKind
    width: float
    ranks: int
    count: float = 1
    split: Split = WHOLE
    payload: Literal["activations", "kvcache"] = "activations"
    """What they are: 2-byte activations, or elements of the KV cache's format."""


class PointToPoint(Struct, frozen=True, cache_hash=True):
    """Hand-over of (tokens, width) 2-byte activations from one pipeline stage to the next."""

    name: str
    width: int
    count: float = 1
    split: Split = WHOLE
    gpus: int = 0
    """Of the worker, where known: they say whether the stages share a node."""


class Experts(Struct, frozen=True, cache_hash=True):
    """The routed experts of one layer, fused: every attention-data-parallel rank's tokens enter one pool."""

    name: str
    hidden: int
    inner: int
    """Width of one expert's FFN, before it is split over ``moe_tp``."""
    topk: int
    experts: int
    moe_tp: int
    moe_ep: int
    dp: int
    skew: str
    """How unevenly tokens choose experts: a distribution of the tables, such as ``power_law_1.2``."""
    gated: bool = True
    count: float = 1
    component: Component = "moe"


class ExpertExchange(Struct, frozen=True, cache_hash=True):
    """Tokens on their way to the experts (``before``) or back, by collectives that the engine chooses."""

    name: str
    hidden: int
    moe_tp: int
    moe_ep: int
    dp: int
    before: bool
    phase: Phase
    context: int = 1
    count: float = 1
    summed: bool = False
    """The attention's output was summed over tp already."""


class AllToAll(Struct, frozen=True, cache_hash=True):
    """One stage of a large expert group's all-to-all: each rank sends its own tokens to their experts."""

    name: str
    transport: str
    """Its implementation, such as ``deepep_ht``."""
    stage: Literal["prepare", "dispatch", "combine"]
    phase: Phase
    hidden: int
    topk: int
    experts: int
    moe_ep: int
    split: Split = WHOLE
    count: float = 1


class ExpertCompute(Struct, frozen=True, cache_hash=True):
    """The routed experts of one layer behind an all-to-all: only those of this rank, one whole FFN each."""

    name: str
    phase: Phase
    hidden: int
    inner: int
    topk: int
    experts: int
    moe_ep: int
    dp: int
    skew: str
    slots: int = 0
    """Expert replicas for load balance included; 0: as many as experts."""
    balanced: bool = False
    """Experts are placed for load balance."""
    gated: bool = True
    count: float = 1


class LatentAttention(Struct, frozen=True, cache_hash=True):
    """Multi-head latent attention's kernel alone, without its projections."""

    name: str
    heads: int
    """Query heads of one GPU, as the tables count them."""
    count: float = 1
    context: int = 1


class LatentModule(Struct, frozen=True, cache_hash=True):
    """Multi-head latent attention measured as one module, its projections included."""

    name: str
    heads: int
    """Query heads of one GPU."""
    native_heads: int
    """Query heads of the whole model."""
    component: Component = "gemm"
    count: float = 1


class WideLatentAttention(Struct, frozen=True, cache_hash=True):
    """Latent attention of SGLang's large-expert-parallel stack: projections included, the compression not."""

    name: str
    tp: int
    """Ranks that share the tables' 128 query heads out."""
    count: float = 1
    context: int = 1
    parameters: int = 0
    """Weights of the projections inside, in elements of the format of ``component``."""
    component: Component = "gemm"


class AbsorbedProduct(Struct, frozen=True, cache_hash=True):
    """Batched product that folds the KV up-projection into queries (``before``) or outputs, in decoding."""

    name: str
    heads: int
    before: bool
    component: Component = "gemm"
    count: float = 1


class Overlap(Struct, frozen=True, cache_hash=True):
    """Two streams that run at the same time: the slower counts."""

    name: str
    first: tuple[Operation, ...]
    second: tuple[Operation, ...]
    count: float = 1


class FirstMeasured(Struct, frozen=True, cache_hash=True):
    """One computation stated twice: as a measured whole if there is a table of it, else in its parts.

    Its weights are those of ``parts``.
    """

    name: str
    whole: Operation
    parts: tuple[Operation, ...]
    count: float = 1


Operation = (
    Gemm
    | Attention
    | Elementwise
    | Embedding
    | AllReduce
    | Collective
    | PointToPoint
    | Experts
    | ExpertExchange
    | AllToAll
    | ExpertCompute
    | LatentAttention
    | LatentModule
    | WideLatentAttention
    | SparseLatentModule
    | BlockSparseModule
    | CompressedModule
    | HyperConnection
    | AbsorbedProduct
    | DeltaRule
    | KimiDelta
    | StateSpace
    | Overlap
    | FirstMeasured
)

AttentionKernel = (
    Attention
    | LatentAttention
    | WideLatentAttention
    | SparseLatentModule
    | BlockSparseModule
    | CompressedModule
)
"""Operations whose time follows the requests' lengths; mixed steps price prompts and decoding apart."""
