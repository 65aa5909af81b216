"""Attention that the tables hold as one module, with its projections: sparse attention of several kinds."""

from msgspec import Struct

from aicfg.model_specs.parts import LatentFacts
from aicfg.model_specs.product import Component, Gemm


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
