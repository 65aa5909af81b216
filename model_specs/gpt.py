"""GPT-style decoders: GPT-2, GPT-NeoX, OPT, StarCoder.

Like Llama's, but the FFN has no gate and every rank holds the whole embedding. Source: performance model
§3.1; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.decoder import (
    Role,
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
        Embedding("embedding", arch.hidden_size, arch.vocab_size),
        *attention_block(arch, layout),
        *ffn_block(arch, layout),
        lm_head(arch, layout),
        *stage_hand_over(arch, layout),
    )
