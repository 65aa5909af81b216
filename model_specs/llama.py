"""Gated dense decoders: Llama, Qwen 2 to 3, Mistral, MiMo.

Pre-norm layers of grouped-query attention and a gated FFN; the vocabulary is sharded over tp, so the
looked-up embeddings are summed. Source: performance model §3.1; Touvron et al., "Llama 2", 2023.
"""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Role,
    all_reduce,
    attention_block,
    ffn_block,
    illegal_dense,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Embedding, Operation

illegal = illegal_dense


def operations(arch: Architecture, layout: Layout, role: Role) -> tuple[Operation, ...]:
    """One forward step, the same for every role."""
    return (
        Embedding("embedding", arch.hidden_size, arch.vocab_size // layout.tp),
        *all_reduce("embedding_allreduce", arch.hidden_size, layout),
        *attention_block(arch, layout),
        *ffn_block(arch, layout),
        lm_head(arch, layout),
        *stage_hand_over(arch, layout),
    )
