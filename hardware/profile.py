"""Profiles: the empirical coefficients of the performance model, one readable file each under ``profiles/``.

Formulas are code; what was fitted or observed is here. Every field is described beside its value in the file.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from aicfg.hardware.intervals import Intervals
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.graph import Conventions

FOLDER = Path(__file__).parent / "profiles"

ByBackend = dict[str, float]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common settings: immutable, and a key that nobody reads is an error."""


class LengthSamples(_Part, frozen=True):
    """Evenly spaced lengths around the one asked for, as factors of it."""

    low: float
    high: float
    count: int


class AttentionExtra(_Part, frozen=True):
    """Passes beside the prefill attention kernel: rotary embedding, KV write, norms of queries and keys."""

    factor: float
    tokens: Literal["one", "all"]
    qk_norm_passes: int


class Operations(_Part, frozen=True):
    """How single operations are charged."""

    attention_extra: AttentionExtra
    decode_length_samples: LengthSamples
    mixed_step_lm_head_rows: Literal["one", "wanted"]
    mixed_step_blocks: Literal["one_prompt", "apart"]
    stage_link: Literal["across_nodes", "placed"]
    groups_across_nodes: Literal["scaled", "hierarchical"]
    experts_past_the_sweep: Literal["end_point", "slope"]
    short_sparse_prompts: Literal["blended", "apart"]
    shared_sparse_prompts: Literal["corrected", "behind_half"]
    long_sparse_prompts: Literal["extrapolated", "in_pieces"]
    equal_scores: Literal["of_v4", "taken_off"]
    implausible_rows: Literal["kept", "replaced"]
    products_above_engines: float | None
    """How much longer than on the fastest other engine a quantised dense product may take; None: any."""
    experts_not_measured: Literal["other_shapes", "other_engines"]
    unmeasured_recurrence: Literal["light", "passes"]


class Phases(_Part, frozen=True):
    """Workers that only prefill or only decode."""

    decode_stride_tokens: int
    prefill_correction: float
    decode_correction: float


class Disaggregated(_Part, frozen=True):
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


class Queue(_Part, frozen=True):
    """How many mixed steps' time a prompt waits, as a factor of its own."""

    law: Literal["log2_batch", "prompt_steps"]
    slope: float
    most: float
    at_three: float = 2.0
    alone_waits: bool = True


class StepsLaw(_Part, frozen=True, tag_field="law", tag="steps"):
    """Workers that mix prefill chunks with decoding, as N batches of requests in steps."""

    host_ms_per_layer: float
    queue: Queue
    decode_share: Literal["batch", "flow"]
    mixed_steps_hidden: int
    littles_law_cap: bool


class Older(_Part, frozen=True):
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


class FlowLaw(_Part, frozen=True, tag_field="law", tag="flow"):
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


class Host(_Part, frozen=True):
    """What a decode step takes beside its kernels, in microseconds (``aicfg.hardware.host``)."""

    us_per_meeting: float
    """What ranks wait for the slowest when they meet, twice in each layer, for each doubling of them."""
    us_per_irregular_layer: float
    """More for a layer whose attention is linear or sparse: small kernels around it that no table holds."""
    us_per_request: float
    us_per_request_and_layer: float
    """What attention over requests of unlike lengths takes longer than over equal ones."""


class Benchmark(_Part, frozen=True):
    """How runs that were measured differ from a steady state: the load of the public benchmarks."""

    length_share: float
    """Mean length of prompts and answers over the nominal one, where lengths are drawn."""
    waves: float
    """Requests of each client; the first ones arrive at once."""


class KvBudget(_Part, frozen=True):
    """How an engine sizes its KV cache."""

    rule: Literal["of_total", "of_usable", "of_free"]
    reachable: float
    fraction: float
    fraction_by_version: dict[str, float] = {}
    derived: Literal["phase", "always", "never"] = "never"
    reserved_answer: float = 1.0
    """Share of an answer that a request in flight holds on average: 1 where the engine reserves all of it."""

    def fraction_for(self, version: str) -> float:
        """The engine's default memory fraction in ``version``."""
        return self.fraction_by_version.get(version, self.fraction)


class GraphSize(_Part, frozen=True):
    """Chunk and largest CUDA-graph batch for which memory is set aside."""

    chunk_tokens: int
    graph_batch: int


class SglangReserve(_Part, frozen=True):
    """What SGLang sets aside before it sizes its cache, in MiB."""

    least_mib: float
    base_mib: float
    per_chunk_token_mib: float
    per_tp_pp_mib: float
    per_graph_batch_mib: float
    small_tp: GraphSize
    large_tp: GraphSize


class Memory(_Part, frozen=True):
    """Bytes per GPU beside weights and KV cache."""

    activation_floor_bytes: ByBackend
    activation_factor: ByBackend
    activation_width: dict[str, dict[str, dict[int, float]]]
    workspace_families: tuple[str, ...]
    activations_by: dict[str, Literal["heads", "hidden"]]
    workspace_by: dict[str, Literal["heads", "hidden"]]
    aggregated_activation_tokens: dict[str, int | None]
    more_tokens_count: bool
    other_factor: ByBackend
    kv_budget: dict[str, KvBudget]
    sglang_reserve: SglangReserve


class RoleSearch(_Part, frozen=True):
    """Degrees and batches tried for one role."""

    pp: tuple[int, ...]
    max_batch: int


class Search(_Part, frozen=True):
    """The space of layouts, batches and chunk budgets."""

    agg: RoleSearch
    prefill: RoleSearch
    decode: RoleSearch
    chunk_step_tokens: int
    chunk_most_tokens: int
    most_gpus: int
    most_tp_in_rack: int
    most_tp_of_experts: int
    most_context: int
    context_backends: tuple[str, ...]


class Profile(_Part, frozen=True):
    """One set of coefficients."""

    name: str
    extends: str
    """The profile whose coefficients hold where this one says nothing; empty if it says all."""
    graph: Conventions
    operations: Operations
    phases: Phases
    disaggregated: Disaggregated
    aggregated: dict[str, Aggregated]
    host: dict[str, Host]
    benchmark: Benchmark
    memory: Memory
    search: Search
    tpot_margin: float = 1.0
    """By which a predicted TPOT is multiplied before a choice rests on it."""
    intervals: Intervals | None = None
    """None: nobody measured how far this profile's predictions lie from what runs take."""


def profile_names() -> tuple[str, ...]:
    """The profiles that are shipped."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def load_profile(name: str) -> Profile:
    """The profile called ``name``, or in the file ``name`` that ``aicfg calibrate`` wrote.

    Raises
    ------
    InputError
        If there is none, or it is no profile.
    """
    return _converted(name, _facts(name, ()))


def _facts(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    """What a profile says, over what the one says that it extends."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    path = _path(name)
    try:
        facts = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"profile {name}: cannot be read ({str(error).splitlines()[0]})") from None
    if not isinstance(facts, dict) or name in above:
        raise InputError(f"profile {name}: expected a mapping of coefficients that does not extend itself")
    base = str(facts.setdefault("extends", "") or "")
    return _over(_facts(base, (*above, name)), facts) if base else facts


def _path(name: str) -> Path:
    """Where the profile is: among the shipped ones, else a file of the user's."""
    if name in profile_names():
        return FOLDER / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return Path(name)
    known = ", ".join(profile_names())
    raise InputError(f"unknown profile {name!r}{nearest(name, profile_names())} (known: {known})")


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` put over it, key by key."""
    both = (key for key, value in changes.items() if isinstance(value, dict) and key in base)
    return base | changes | {key: _over(base[key], changes[key]) for key in both}


def _converted(name: str, facts: dict[str, Any]) -> Profile:
    try:
        return msgspec.convert(facts, Profile)
    except msgspec.ValidationError as error:
        raise InputError(f"profile {name}: {error}") from None
