"""How engines schedule and what that costs: the coefficients of the laws of serving.

Formulas are in ``aicfg.hardware.flow``, ``aggregated``, ``runs`` and ``host``; values are in the profiles.
"""

from typing import Literal

import msgspec

ByBackend = dict[str, float]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common settings: immutable, and a key that nobody reads is an error."""


class Phases(Part, frozen=True):
    """Workers that only prefill or only decode."""

    decode_stride_tokens: int
    prefill_correction: float
    decode_correction: float


class Disaggregated(Part, frozen=True):
    """Matching of prefill and decode workers."""

    ttft_factor: float
    """How much longer than its prefill a prompt takes: it waits for a worker."""
    first_token_ms: ByBackend
    """What every first token takes beside computing, the hand-over between engines included."""
    burst: ByBackend
    """How much longer than their kernels the prompts of an opening burst take."""
    queue: ByBackend
    """Of the wait of a queue with one server and steady service, 1/2, before a prefill rank."""
    prefill_rate_efficiency: float
    decode_rate_efficiency: float
    kv_transfer: bool
    decimals: int | None


class Queue(Part, frozen=True):
    """How many mixed steps' time a prompt waits, as a factor of its own."""

    law: Literal["log2_batch", "prompt_steps"]
    slope: float
    most: float
    at_three: float = 2.0
    alone_waits: bool = True


class StepsLaw(Part, frozen=True, tag_field="law", tag="steps"):
    """Workers that mix prefill chunks with decoding, as N batches of requests in steps."""

    host_ms_per_layer: float
    queue: Queue
    decode_share: Literal["batch", "flow"]
    mixed_steps_hidden: int
    littles_law_cap: bool


class Older(Part, frozen=True):
    """Versions of an engine that ran experts by slower kernels than the tables know."""

    before: str
    """The first version that did not."""
    until: str
    """Last day of runs whose version is not known and that count as older."""
    experts: tuple[str, ...]
    """Formats of the experts."""
    slowdown: float
    """How much longer their steps took."""
    blackwell: bool = False
    """Whether that holds on GPUs with FP4 alone."""


class FlowLaw(Part, frozen=True, tag_field="law", tag="flow"):
    """Workers that mix prefill chunks with decoding, in a steady flow (``aicfg.hardware.flow``)."""

    prompts: Literal["beside", "alone"]
    """Whether prompts are computed beside the decoding requests, or in steps of their own."""
    interference: float
    """Share of the other requests' prompts whose delay a decoding request meets."""
    first_token_ms: float
    """What every first token takes beside computing: tokenising, the network, the scheduler."""
    first_token_steps: float
    """Decode steps that pass until a prompt is seen and its token sent."""
    queue: float
    """Of the wait of a queue with one server and steady service, 1/2; less where prompts are batched."""
    burst: float
    """How much longer than their kernels the prompts of an opening burst take."""
    prompt: float = 1.0
    """How much longer than its kernels a prompt takes until its first token."""
    apart: float = 1.0
    """Share of ``first_token_ms`` and ``_steps`` where answers are made text in processes of their own."""
    balance: float = 1.0
    """Share of the longest wait for balance among attention ranks that is really waited."""
    older: Older | None = None


Aggregated = StepsLaw | FlowLaw


class Host(Part, frozen=True):
    """What a decode step takes beside its kernels, in microseconds (``aicfg.hardware.host``)."""

    us_per_meeting: float
    """What ranks wait for the slowest when they meet, twice in each layer, for each doubling of them."""
    us_per_irregular_layer: float
    """More for a layer whose attention is linear or sparse: small kernels around it that no table holds."""
    us_per_request: float
    us_per_request_and_layer: float
    """What attention over requests of unlike lengths takes longer than over equal ones."""


class Benchmark(Part, frozen=True):
    """How runs that were measured differ from a steady state: the load of the public benchmarks."""

    length_share: float
    """Mean length of prompts and answers over the nominal one, where lengths are drawn."""
    waves: float
    """Requests of each client; the first ones arrive at once."""
