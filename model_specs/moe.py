"""Mixtures of experts with grouped-query attention.

Mixtral, Qwen 2 to 3 MoE, MiniMax-M2, gpt-oss, GLM-4.5 to 4.7, Llama 4: Llama's layers with experts in place
of the FFN; the exchange to the experts sums the attention's output as well. gpt-oss attends within 128 tokens
in every other layer, Llama 4 within chunks of 8192 in three of four; attention sinks, one logit a head, cost
nothing. Source: performance model §3.3; Jiang et al., "Mixtral of Experts", 2024.
"""

from aicfg.model_specs.decoder import (
    Step,
    all_reduce,
    attention_block,
    embedding,
    lm_head,
    stage_hand_over,
)
from aicfg.model_specs.experts import expert_block
from aicfg.model_specs.legality import illegal_grouped_mixture
from aicfg.model_specs.operations import Elementwise, Operation

illegal = illegal_grouped_mixture


def operations(step: Step) -> tuple[Operation, ...]:
    """One forward step."""
    hidden, layers, counts = step.arch.hidden_size, step.arch.num_layers, step.graph.conventions
    alltoall = step.transport is not None and counts.attention_reduction_beside_alltoall
    with_head = step.phase == "decode" or counts.lm_head_in_expert_prefill
    short = step.wide_sglang and counts.short_wide_graph
    return (
        *embedding(step, whole=step.wide_sglang),
        *attention_block(step),
        *(all_reduce("attention_allreduce", step, layers) if alltoall else ()),
        Elementwise("ffn_norm", 2 * hidden, 2 * hidden, layers, split=step.split),
        *expert_block(step, shared=counts.shared_experts_of_gqa),
        *((lm_head(step),) if with_head else ()),
        *(() if short else stage_hand_over(step)),
    )
