"""GPT-style decoders: GPT-2, GPT-NeoX, OPT, StarCoder.

Like Llama's, but the FFN has no gate and every rank holds the whole embedding. Source: performance model
§3.1; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from aicfg.model_specs.decoder import Step, attention_block, embedding, ffn_block, lm_head, stage_hand_over
from aicfg.model_specs.legality import illegal_dense
from aicfg.model_specs.operations import Operation

illegal = illegal_dense


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step, the same in prefill and decode but for context parallelism."""
    return (
        *embedding(step, whole=True),
        *attention_block(step),
        *ffn_block(step),
        lm_head(step),
        *stage_hand_over(step),
    )
