"""Aggregated workers: prompts are prefilled in chunks beside the requests that decode.

A worker holds ``b`` requests and spends ``C`` context tokens a step. While prompts last, steps are mixed (C
context tokens and g decoding requests); the rest only decode. Rules: performance model of AIConfigurator
0.12, §6.2 and §6.3.
"""

from dataclasses import dataclass

import numpy as np

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.profile import Aggregated, Queue
from aicfg.hardware.step import StepModel
from aicfg.hardware.workload import Workload


@dataclass(frozen=True)
class Schedule:
    """What happens to N batches of requests, in steps."""

    prompt_steps: FloatArray
    """Mixed steps until every prompt is prefilled."""
    decode_steps: FloatArray
    """Steps with no prompt left."""
    decoding: FloatArray
    """Requests that decode beside the prompts in a mixed step."""


@dataclass(frozen=True)
class AggregatedPoints:
    """Times of N operating points of one rank."""

    mixed_ms: FloatArray
    decode_ms: FloatArray
    ttft_ms: FloatArray
    tpot_ms: FloatArray
    tokens_per_s: FloatArray
    schedule: Schedule


def schedule(workload: Workload, batch: FloatArray, chunk_tokens: int, rule: Aggregated) -> Schedule:
    """How ``batch`` (N,) requests share their steps between prompts and decoding."""
    steps = float(workload.osl)
    prompt_steps = np.ceil(workload.isl * batch / chunk_tokens)
    decoding = np.maximum(1.0, batch - np.ceil(chunk_tokens / workload.isl))
    if rule.decode_share == "flow":
        flow = np.maximum(1.0, np.floor(batch / (prompt_steps / steps)))
        decoding = np.where(prompt_steps < steps, decoding, flow)
    alone = batch == 1
    return Schedule(
        prompt_steps=np.where(alone, 1.0, prompt_steps),
        decode_steps=np.where(alone, steps - 1.0, np.maximum(steps - prompt_steps, 0.0)),
        decoding=np.where(alone, 0.0, decoding),
    )


def mixed_step_ms(
    step: StepModel, workload: Workload, chunk_tokens: int, decoding: FloatArray, lm_head_rows: int
) -> FloatArray:
    """Time of a step with ``chunk_tokens`` of prompts and ``decoding`` (N,) requests.

    A prompt longer than the chunk spreads its attention evenly over its chunks.
    """
    isl, prefix = workload.isl, workload.prefix
    tokens = chunk_tokens + decoding - prefix * (chunk_tokens // isl)
    shared = step.shared_ms(tokens, np.full(len(tokens), float(lm_head_rows)))
    prompts = step.prompts_ms(float(-(-chunk_tokens // isl)), isl - prefix, prefix)
    attention = np.zeros(len(tokens))
    some = decoding > 0
    if some.any():
        attention[some] = step.decoding_ms(decoding[some], _middle_length(workload))
    return shared + prompts / -(-isl // chunk_tokens) + attention


def decode_step_ms(step: StepModel, workload: Workload, batch: FloatArray) -> FloatArray:
    """Time of a step in which ``batch`` (N,) requests decode and no prompt is left."""
    return step.decode_ms(batch, batch, np.array([_middle_length(workload)]), np.ones(1))


def aggregated_points(
    step: StepModel, workload: Workload, batch: FloatArray, chunk_tokens: int, rule: Aggregated, layers: int
) -> AggregatedPoints:
    """Latency and throughput of one rank with ``batch`` (N,) requests and one chunk budget."""
    plan = schedule(workload, batch, chunk_tokens, rule)
    lm_head_rows = step.pricing.profile.operations.lm_head_rows_in_mixed_step
    mixed = mixed_step_ms(step, workload, chunk_tokens, plan.decoding, lm_head_rows)
    decode = decode_step_ms(step, workload, batch)
    tpot = _tpot_ms(plan, mixed, decode, batch, rule)
    own = mixed * -(-workload.isl // chunk_tokens) + rule.host_ms_per_layer * layers
    ttft = own * _queue_factor(rule.queue, batch, plan.prompt_steps)
    later = workload.osl - 1
    tokens = 1000.0 * batch * later / (plan.prompt_steps * mixed + plan.decode_steps * decode)
    if rule.littles_law_cap:
        tokens = np.minimum(tokens, 1000.0 * batch * later / (ttft + tpot * later))
    return AggregatedPoints(mixed, decode, ttft, tpot, tokens, plan)


def _middle_length(workload: Workload) -> float:
    """Cached tokens half way through the answer."""
    return float(workload.isl + workload.osl // 2 + 1)


def _tpot_ms(
    plan: Schedule, mixed: FloatArray, decode: FloatArray, batch: FloatArray, rule: Aggregated
) -> FloatArray:
    """Mean over mixed and decode-only steps; an engine may hide some mixed ones."""
    counted = plan.prompt_steps
    if rule.mixed_steps_hidden:
        fewer = np.maximum(1.0, counted - rule.mixed_steps_hidden)
        counted = np.where(plan.decode_steps > 0, fewer, counted)
    counted = np.where(batch == 1, 0.0, counted)
    return (mixed * counted + decode * plan.decode_steps) / (counted + plan.decode_steps)


def _queue_factor(queue: Queue, batch: FloatArray, prompt_steps: FloatArray) -> FloatArray:
    """How much longer than its own prefill a request waits for its first token."""
    if queue.law == "log2_batch":
        return np.minimum(1.0 + queue.slope * np.log2(batch), queue.most)
    return np.minimum(queue.at_three + queue.slope * (prompt_steps - 3.0), queue.most)
