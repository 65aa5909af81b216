"""Attention that the tables hold as one module, with its projections: sparse attention of several kinds."""

from typing import Literal

from msgspec import Struct

from aicfg.model_specs.parts import LatentFacts
from aicfg.model_specs.product import Component, Gemm
from aicfg.model_specs.split import WHOLE, Split


class SparseLatentModule(Struct, frozen=True, cache_hash=True):
    """Latent attention to the tokens that an indexer chose (DSA), measured as one module with projections."""

    name: str
    hf_class: str
    """Class of the model: the tables measured one shape of each."""
    hidden: int
    heads: int
    """Query heads of one GPU."""
    latent: LatentFacts
    index_heads: int
    index_head_dim: int
    topk: int
    chooses: bool = True
    """Has an indexer; else it attends to what an earlier layer chose."""
    component: Component = "gemm"
    count: float = 1
    context: int = 1
    projections: tuple[Gemm, ...] = ()
    """Products inside, which hold the weights; their counts are those of the module."""


class BlockSparseModule(Struct, frozen=True, cache_hash=True):
    """Grouped-query attention to the blocks that an index chose (MSA), measured with its projections."""

    name: str
    hidden: int
    heads: int
    """Query heads of one GPU."""
    kv_heads: int
    head_dim: int
    index_heads: int
    index_head_dim: int
    topk: int
    """Tokens that each query attends to."""
    block: int
    component: Component = "gemm"
    count: float = 1
    projections: tuple[Gemm, ...] = ()
    """Products inside, which hold the weights; their counts are those of the module."""


class CompressedModule(Struct, frozen=True, cache_hash=True):
    """Attention within a window and to compressed tokens before it (DeepSeek-V4), with its projections."""

    name: str
    ratio: int
    """Tokens of a compressed entry: 4, of which an index chooses, or 128, which are all attended to."""
    hidden: int
    heads: int
    """Query heads of one GPU."""
    native_heads: int
    """Query heads of the whole model."""
    head_dim: int
    q_lora_rank: int
    o_lora_rank: int
    groups: int
    """Of one GPU's heads, whose outputs are compressed together."""
    rotary: int
    index_heads: int
    index_head_dim: int
    topk: int
    window: int
    component: Component = "gemm"
    count: float = 1
    context: int = 1
    projections: tuple[Gemm, ...] = ()
    """Products inside, which hold the weights; their counts are those of the module."""
    float32_parameters: int = 0
    """Of one repetition: the sinks of its heads, and the positions within compressed entries."""


class HyperConnection(Struct, frozen=True, cache_hash=True):
    """Residual streams mixed into a layer's input (``pre``) and its output mixed back (``post``)."""

    name: str
    stage: Literal["pre", "post"]
    hidden: int
    streams: int
    rounds: int
    """Sinkhorn iterations."""
    parameters: int = 0
    """Of one repetition, never quantised."""
    count: float = 1
    split: Split = WHOLE
