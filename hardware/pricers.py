"""Which module prices each kind of operation.

It is imported when such an operation is first priced: a dense model's solve waits for no table of experts.
"""

from aicfg.model_specs import operations as op

PRICED_IN: dict[type, str] = {
    op.Gemm: "gemm",
    op.Attention: "attention",
    op.Elementwise: "memory_bound",
    op.Embedding: "memory_bound",
    op.AllReduce: "communication",
    op.Collective: "collectives",
    op.PointToPoint: "communication",
    op.Experts: "experts",
    op.ExpertExchange: "exchange",
    op.AllToAll: "all_to_all",
    op.ExpertCompute: "experts",
    op.LatentAttention: "latent",
    op.LatentModule: "latent",
    op.WideLatentAttention: "wide_latent",
    op.SparseLatentModule: "sparse_latent",
    op.BlockSparseModule: "block_sparse",
    op.CompressedModule: "compressed",
    op.HyperConnection: "hyper_connections",
    op.AbsorbedProduct: "latent",
    op.DeltaRule: "recurrent",
    op.KimiDelta: "recurrent",
    op.StateSpace: "recurrent",
    op.Overlap: "combined",
    op.FirstMeasured: "combined",
}
"""Modules of ``aicfg.hardware``, each of which declares the price with ``pricing.prices``."""

BY_ROWS = (
    op.Gemm,
    op.Elementwise,
    op.Embedding,
    op.AllReduce,
    op.Collective,
    op.PointToPoint,
    op.Experts,
    op.ExpertExchange,
    op.AllToAll,
    op.ExpertCompute,
)
"""Operations whose price follows from a step's tokens and logits: equal in steps with any attention."""
