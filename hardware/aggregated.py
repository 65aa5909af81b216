"""Aggregated workers: prompts are prefilled in chunks beside the requests that decode.

A worker holds ``b`` requests and spends ``C`` context tokens a step. While prompts last, steps are mixed (C
context tokens and g decoding requests); the rest only decode. What that means for latency and throughput is
said by a law: ``steps``, the performance model of AIConfigurator 0.12 (§6.2 and §6.3), or ``flow``
(``aicfg.hardware.flow``).
"""

from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from aicfg.hardware.flow import Times, tpot_ms, ttft_ms
from aicfg.hardware.host import Stack, host_ms
from aicfg.hardware.interpolation import FloatArray, IntArray
from aicfg.hardware.laws import Aggregated, FlowLaw, Host, Queue, StepsLaw
from aicfg.hardware.step import StepModel
from aicfg.hardware.workload import NO_DRAFTS, Speculative, Workload

MANY_TOKENS = 8192
"""Prompt tokens of a step where many prompts wait: the engines' default chunk budget."""


class Schedule(Struct, frozen=True):
    """What happens to N batches of requests, in steps."""

    prompt_steps: FloatArray
    """Mixed steps until every prompt is prefilled."""
    decode_steps: FloatArray
    """Steps with no prompt left."""
    decoding: FloatArray
    """Requests that decode beside the prompts in a mixed step."""


class AggregatedPoints(Struct, frozen=True):
    """Times of N operating points of one rank."""

    mixed_ms: FloatArray
    decode_ms: FloatArray
    ttft_ms: FloatArray
    tpot_ms: FloatArray
    tokens_per_s: FloatArray
    schedule: Schedule


@dataclass(frozen=True)
class AggregatedModel:
    """Aggregated serving of one layout: its steps, and how the engine schedules them."""

    step: StepModel
    workload: Workload
    rule: Aggregated
    host: Host
    stack: Stack
    speculative: Speculative = NO_DRAFTS

    def points(self, batch: FloatArray, chunk_tokens: IntArray) -> AggregatedPoints:
        """Latency and throughput of one rank at (N,) batches, each with its chunk budget (N,)."""
        if isinstance(self.rule, FlowLaw):
            return self._by_flow(self.rule, batch, chunk_tokens)
        return self._by_steps(self.rule, batch, chunk_tokens)

    def _by_flow(self, rule: FlowLaw, batch: FloatArray, chunk_tokens: IntArray) -> AggregatedPoints:
        """Of requests that come as others go; throughput is Little's law, within what prompts leave."""
        plan, times = self.schedule(batch, chunk_tokens), self.times(batch, chunk_tokens)
        tpot = tpot_ms(rule, self.host, times)
        ttft = ttft_ms(rule, times, tpot)
        later = self.workload.osl - 1
        cycle = np.maximum(ttft + tpot * later, batch * times.mixed_ms * times.chunks / times.prompts)
        decode = times.decode_ms + host_ms(self.host, batch, self.stack)
        return AggregatedPoints(times.mixed_ms, decode, ttft, tpot, 1000.0 * batch * later / cycle, plan)

    @property
    def prompts_alone(self) -> bool:
        """Whether the engine computes prompts in steps of their own."""
        return isinstance(self.rule, FlowLaw) and self.rule.prompts == "alone"

    def beside(self, batch: FloatArray, chunk_tokens: IntArray) -> FloatArray:
        """Requests that decode in a step with prompts."""
        decoding = self.schedule(batch, chunk_tokens).decoding
        return np.zeros(len(batch)) if self.prompts_alone else decoding

    def times(self, batch: FloatArray, chunk_tokens: IntArray) -> Times:
        """Kernel times at (N,) batches, each with its chunk budget (N,)."""
        isl, prefix = self.workload.isl, self.workload.prefix
        at_once = max(1, MANY_TOKENS // isl)
        many = self.step.prefill_ms(np.array([float(at_once)]), isl, prefix) / at_once
        return Times(
            batch=batch,
            decode_ms=self.decode_step_ms(batch),
            mixed_ms=self.mixed_step_ms(chunk_tokens, self.beside(batch, chunk_tokens)),
            prompt_ms=np.broadcast_to(many, batch.shape),
            chunks=np.ceil(isl / chunk_tokens),
            prompts=np.maximum(1.0, chunk_tokens / isl),
            steps=np.full(len(batch), (self.workload.osl - 1) / self.speculative.progress),
            progress=self.speculative.progress,
            stack=self.stack,
        )

    def _by_steps(self, rule: StepsLaw, batch: FloatArray, chunk_tokens: IntArray) -> AggregatedPoints:
        """Of N batches of requests, from the first prompt to the last token."""
        plan = self.schedule(batch, chunk_tokens)
        mixed = self.mixed_step_ms(chunk_tokens, plan.decoding)
        decode = self.decode_step_ms(batch)
        tpot = self._tpot_ms(rule, plan, mixed, decode, batch)
        own = mixed * -(-self.workload.isl // chunk_tokens) + rule.host_ms_per_layer * self.stack.layers
        ttft = own * _queue_factor(rule.queue, batch, plan.prompt_steps)
        later = self.workload.osl - 1
        tokens = 1000.0 * batch * later / (plan.prompt_steps * mixed + plan.decode_steps * decode)
        if rule.littles_law_cap:
            tokens = np.minimum(tokens, 1000.0 * batch * later / (ttft + tpot * later))
        return AggregatedPoints(mixed, decode, ttft, tpot, tokens, plan)

    def schedule(self, batch: FloatArray, chunk_tokens: IntArray) -> Schedule:
        """How (N,) batches of requests share their steps between prompts and decoding."""
        isl, steps = self.workload.isl, 1.0 + (self.workload.osl - 1) / self.speculative.progress
        prompt_steps = np.ceil(isl * batch / chunk_tokens)
        decoding = np.maximum(1.0, batch - np.ceil(chunk_tokens / isl))
        if isinstance(self.rule, FlowLaw) or self.rule.decode_share == "flow":
            flow = np.maximum(1.0, np.floor(batch / (prompt_steps / steps)))
            decoding = np.where(prompt_steps < steps, decoding, flow)
        alone = batch == 1
        return Schedule(
            prompt_steps=np.where(alone, 1.0, prompt_steps),
            decode_steps=np.where(alone, steps - 1.0, np.maximum(steps - prompt_steps, 0.0)),
            decoding=np.where(alone, 0.0, decoding),
        )

    def mixed_step_ms(self, chunk_tokens: IntArray, decoding: FloatArray) -> FloatArray:
        """Time of a step with (N,) tokens of prompts and (N,) requests that decode.

        A prompt longer than the chunk spreads its attention evenly over its chunks.
        """
        isl, prefix = self.workload.isl, self.workload.prefix
        queries = decoding * self.speculative.queries
        tokens = chunk_tokens + queries - prefix * (chunk_tokens // isl)
        shared = self.step.shared_ms(tokens, self._lm_head_rows(chunk_tokens, queries), prefix)
        attention = np.zeros(len(tokens))
        for chunk in dict.fromkeys(chunk_tokens.tolist()):
            prompts = self.step.prompts_ms(float(-(-chunk // isl)), isl - prefix, prefix)
            attention[chunk_tokens == chunk] = prompts / -(-isl // chunk)
        some = decoding > 0
        if some.any():
            attention[some] += self.step.decoding_ms(queries[some], _middle_length(self.workload))
        return shared + attention

    def _lm_head_rows(self, chunk_tokens: IntArray, queries: FloatArray) -> FloatArray:
        """Positions of a mixed step whose next token is wanted: of decoding requests and finished prompts."""
        if self.step.pricing.profile.operations.mixed_step_lm_head_rows == "one":
            return np.ones(len(queries))
        return queries + np.maximum(1.0, chunk_tokens / self.workload.isl)

    def decode_step_ms(self, batch: FloatArray) -> FloatArray:
        """Time of a step in which ``batch`` (N,) requests decode and no prompt is left."""
        length = np.array([_middle_length(self.workload)])
        sizes, back = np.unique(batch, return_inverse=True)  # each chunk budget has the same ones
        return self.step.decode_ms(sizes * self.speculative.queries, length, np.ones(1))[back]

    def _tpot_ms(
        self, rule: StepsLaw, plan: Schedule, mixed: FloatArray, decode: FloatArray, batch: FloatArray
    ) -> FloatArray:
        """Mean over mixed and decode-only steps; an engine may hide some mixed ones."""
        counted = plan.prompt_steps
        if rule.mixed_steps_hidden:
            fewer = np.maximum(1.0, counted - rule.mixed_steps_hidden)
            counted = np.where(plan.decode_steps > 0, fewer, counted)
        counted = np.where(batch == 1, 0.0, counted)
        mean = (mixed * counted + decode * plan.decode_steps) / (counted + plan.decode_steps)
        return mean / self.speculative.progress


def _middle_length(workload: Workload) -> float:
    """Cached tokens half way through the answer."""
    return float(workload.isl + workload.osl // 2 + 1)


def _queue_factor(queue: Queue, batch: FloatArray, prompt_steps: FloatArray) -> FloatArray:
    """How much longer than its own prefill a request waits for its first token."""
    if queue.law == "log2_batch":
        return np.minimum(1.0 + queue.slope * np.log2(batch), queue.most)
    factor = np.minimum(queue.at_three + queue.slope * (prompt_steps - 3.0), queue.most)
    return factor if queue.alone_waits else np.where(batch == 1, 1.0, factor)
