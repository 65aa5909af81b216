"""A plan: what is deployed, what it does, and what proves that nothing does better.

``Plan`` is exactly what ``aicfg solve --json`` prints: the fields below, in this order, under these names.
What does not apply is ``None`` (``null``).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aicfg.experiments.plans.capacity_figures import CapacityFigures
from aicfg.experiments.plans.tradeoffs import Corner, GivesUp
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["agg", "disagg", "mixed"]
Status = Literal["optimal", "feasible", "infeasible", "unknown"]

EXIT_CODES: dict[Status, int] = {"optimal": 0, "feasible": 0, "infeasible": 3, "unknown": 4}


@dataclass(frozen=True)
class Objective:
    """What is made best. ``value`` is in the unit that ``name`` says."""

    name: str
    value: float | None
    sense: Literal["max", "min"]


@dataclass(frozen=True)
class QuantPlan:
    """Number format of each component."""

    gemm: str
    moe: str
    kvcache: str
    fmha: str
    comm: str


@dataclass(frozen=True)
class MemoryGib:
    """Memory of one GPU in GiB, by use, and how much there is."""

    weights: float
    kv: float
    activations: float
    other: float
    limit: float

    @property
    def used(self) -> float:
        """All uses together."""
        return self.weights + self.kv + self.activations + self.other


@dataclass(frozen=True)
class Sources:
    """What a time rests on, as shares that add up to 1."""

    measured: float
    """Measured points."""
    interpolated: float
    """Points in between."""
    extrapolated: float
    """Points beyond the ends of a table."""
    replaced: float
    """Estimates in place of implausible measurements."""
    estimated: float
    """The utilisation of other shapes or number formats."""
    formula: float
    """Bytes over the memory's bandwidth (norms, activations), never a table."""
    light: float
    """The speed of light."""


@dataclass(frozen=True)
class PoolPlan:
    """Equal workers of one role, all running at one operating point."""

    role: Literal["prefill", "decode", "agg"]
    system: str
    backend: str
    backend_version: str
    tp: int
    pp: int
    dp: int
    cp: int
    moe_tp: int
    moe_ep: int
    gpus_per_worker: int
    workers: int
    batch: int
    """Requests in flight per attention-data-parallel rank (and per pipeline stage)."""
    chunk_tokens: int | None
    """Prompt tokens a step (agg only)."""
    quant: QuantPlan
    step_ms: float
    requests_per_s: float
    """Of one worker, rate matching included."""
    memory_gib: MemoryGib
    sources: Sources | None = None
    """What the time of its steps rests on."""
    estimated: bool = False
    """Whether an operation of its steps has no measured table."""
    pool: str | None = None
    """The pool of the fleet that it runs in; None where the fleet is of one system."""

    @property
    def gpus(self) -> int:
        """GPUs of all workers together."""
        return self.workers * self.gpus_per_worker

    @property
    def concurrency(self) -> int:
        """Requests in flight over all workers."""
        return self.workers * self.batch * self.dp * self.pp


@dataclass(frozen=True)
class Certificate:
    """Why the plan can be trusted: the engine's bound, and the objective computed again from the plan."""

    engine: str
    bound: float | None
    gap: float | None
    """|bound - value| / value; 0 is a proven optimum."""
    recomputed: float | None
    """The objective evaluated afresh from the plan's pools, without the program."""
    worker_types: int
    points: int
    """Operating points considered."""
    rows: int
    """Rows of the program that the engine solved."""
    solve_ms: float
    total_ms: float
    checked_by: tuple[str, ...] = ()
    """Other engines that found the same optimum."""


@dataclass(frozen=True)
class TablesUsed:
    """The silicon tables behind a plan."""

    system: str
    backend: str
    version: str
    sources: dict[str, tuple[str, ...]]
    """Engine and version that the rows were measured on, by family that was read; the most trusted first."""


@dataclass(frozen=True)
class Provenance:
    """What the figures rest on."""

    aicfg: str
    tables: tuple[TablesUsed, ...]
    model: str = ""
    """Where the model's facts come from, and the family that was assumed if one had to be."""


@dataclass(frozen=True)
class Relaxation:
    """The smallest change of one constraint alone that makes a plan exist."""

    constraint: str
    """Its key, such as ``sla.ttft_ms``."""
    asked: float | str
    """A constraint of the user's own is a text."""
    needed: float | str | None
    """Usable as it stands; ``None``: no change of it alone is enough; an empty text: to be left out."""
    plan: "Plan | None"
    """The best one with this change."""


@dataclass(frozen=True)
class Explanation:
    """Why nothing is feasible, and what would be."""

    relaxations: tuple[Relaxation, ...]
    conflict: tuple[str, ...]
    """A minimal set of constraints that no plan of any mode holds together: any fewer of them one does."""
    combined: dict[str, float | str] | None
    """The nearest change of several constraints at once: the largest relative change is the smallest."""
    text: str
    combined_plan: "Plan | None" = None
    """The best one with that."""
    conflicts: tuple[tuple[str, ...], ...] = ()
    """All such sets that have nothing in common, ``conflict`` first."""


@dataclass(frozen=True)
class Counted:
    """Latencies as the agreement counts them."""

    confidence: float | None
    """Share of measured runs that stay below."""
    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None
    ttft_percentile: float | None = None
    """Percentage of a run's requests that stay below; None: the mean."""
    tpot_percentile: float | None = None
    arrivals: Literal["closed", "poisson"] = "closed"
    """How requests come, where percentiles count."""
    tpot_margin: float = 1.0
    """The profile's factor on TPOT, where no confidence is asked for."""


@dataclass(frozen=True)
class Likely:
    """Intervals that ``share`` of measured runs lie in; None for what does not apply."""

    share: float
    ttft_ms: tuple[float, float] | None
    tpot_ms: tuple[float, float] | None
    tokens_per_s: tuple[float, float] | None


@dataclass(frozen=True)
class Plan:
    """The answer to one experiment."""

    schema: int
    status: Status
    experiment: str
    mode: Mode | None
    inputs: dict[str, Any]
    """The experiment as understood, every default filled in."""
    profile: str
    provenance: Provenance
    objective: Objective
    pools: tuple[PoolPlan, ...]
    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None
    concurrency: int | None
    tokens_per_s: float | None
    tokens_per_s_per_gpu: float | None
    """Divided by the budget's GPUs (idle ones cost); by those used where the objective is another."""
    tokens_per_s_per_user: float | None
    gpus_used: int | None
    gpus_budget: int
    certificate: Certificate
    alternatives: tuple["Plan", ...] = ()
    """The best plan of another mode; or as many of another structure as were asked for, best first."""
    pareto: tuple[Corner, ...] = ()
    """The frontier, where it was asked for, by rising TPOT and then TTFT."""
    explanation: Explanation | None = None
    requests_per_s: float | None = None
    """What the plan can serve."""
    cost_per_hour: float | None = None
    """Price of an hour of the GPUs used; None where the fleet has no prices."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Pools of the fleet on which nothing can be served, and why."""
    gives_up: GivesUp | None = None
    """Of an alternative: what it gives up against the best plan."""
    capacity: CapacityFigures | None = None
    """Classes, steps, purchases and changes, where the experiment plans capacity."""
    counted: Counted | None = None
    """The latencies that the agreement bounds, where these are not the plain means."""
    likely: Likely | None = None
    """Error bars; None under a profile that was never compared with measured runs of these engines."""

    @property
    def exit_code(self) -> int:
        """What ``aicfg solve`` ends with."""
        return EXIT_CODES[self.status]

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain dictionaries, lists and numbers."""
        return msgspec.to_builtins(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """The plan as JSON text; ``indent`` spaces make it pretty, ``None`` keeps it on one line."""
        return json_text(self, indent=indent)

    @staticmethod
    def from_json(text: str | bytes) -> "Plan":
        """The plan that ``to_json`` wrote. Raises ``InputError`` when the text is not one."""
        try:
            return msgspec.json.decode(text, type=Plan)
        except msgspec.DecodeError as error:
            raise InputError(f"not a plan: {error}") from None

    def to_dataframe(self) -> "pd.DataFrame":
        """One row a pool, beside the figures of the whole plan. Nested fields are joined by a point."""
        import pandas as pd

        whole = {name: getattr(self, name) for name in _WHOLE}
        rows = [{**whole, **msgspec.to_builtins(pool)} for pool in self.pools]
        return pd.json_normalize(rows) if rows else pd.DataFrame([whole])


_WHOLE: tuple[str, ...] = (
    "experiment",
    "status",
    "mode",
    "tokens_per_s",
    "tokens_per_s_per_gpu",
    "tokens_per_s_per_user",
    "ttft_ms",
    "tpot_ms",
    "request_latency_ms",
    "concurrency",
    "gpus_used",
    "gpus_budget",
    "requests_per_s",
    "cost_per_hour",
)


def json_text(plans: Plan | list[Plan], *, indent: int | None = None) -> str:
    """One plan or several as JSON text."""
    compact = msgspec.json.encode(plans)
    return (compact if indent is None else msgspec.json.format(compact, indent=indent)).decode()
