"""Gated dense decoders: Llama, Qwen 2 to 3, Mistral, MiMo.

Pre-norm layers of grouped-query attention and a gated FFN; the vocabulary is sharded over tp, so the
looked-up embeddings are summed. Source: performance model §3.1; Touvron et al., "Llama 2", 2023.
"""

from aicfg.model_specs.decoder import Step, attention_block, embedding, ffn_block, lm_head, stage_hand_over
from aicfg.model_specs.legality import illegal_dense
from aicfg.model_specs.operations import Operation

illegal = illegal_dense


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step, the same in prefill and decode but for context parallelism."""
    return (
        *embedding(step),
        *attention_block(step),
        *ffn_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )
