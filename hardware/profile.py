"""Profiles: the empirical coefficients of the performance model, one readable file each under ``profiles/``.

Formulas are code; what was fitted or observed is here. Every field is described beside its value in the file.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from aicfg.hardware.intervals import Intervals
from aicfg.hardware.laws import Aggregated, Benchmark, ByBackend, Disaggregated, Host, Part, Phases
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.graph import Conventions

FOLDER = Path(__file__).parent / "profiles"


class LengthSamples(Part, frozen=True):
    """Evenly spaced lengths around the one asked for, as factors of it."""

    low: float
    high: float
    count: int


class AttentionExtra(Part, frozen=True):
    """Passes beside the prefill attention kernel: rotary embedding, KV write, norms of queries and keys."""

    factor: float
    tokens: Literal["one", "all"]
    qk_norm_passes: int


class Operations(Part, frozen=True):
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


class KvBudget(Part, frozen=True):
    """How an engine sizes its KV cache."""

    rule: Literal["of_total", "of_usable", "of_free"]
    reachable: float
    fraction: float
    fraction_by_version: dict[str, float] = msgspec.field(default_factory=dict)
    derived: Literal["phase", "always", "never"] = "never"
    reserved_answer: float = 1.0
    """Share of an answer that a request in flight holds on average: 1 where the engine reserves all of it."""

    def fraction_for(self, version: str) -> float:
        """The engine's default memory fraction in ``version``."""
        return self.fraction_by_version.get(version, self.fraction)


class GraphSize(Part, frozen=True):
    """Chunk and largest CUDA-graph batch for which memory is set aside."""

    chunk_tokens: int
    graph_batch: int


class SglangReserve(Part, frozen=True):
    """What SGLang sets aside before it sizes its cache, in MiB."""

    least_mib: float
    base_mib: float
    per_chunk_token_mib: float
    per_tp_pp_mib: float
    per_graph_batch_mib: float
    small_tp: GraphSize
    large_tp: GraphSize


class Memory(Part, frozen=True):
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


class RoleSearch(Part, frozen=True):
    """Degrees and batches tried for one role."""

    pp: tuple[int, ...]
    max_batch: int


class Search(Part, frozen=True):
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


class Profile(Part, frozen=True):
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
