"""What an experiment asks: model, workload, service-level agreement, fleet, serving.

These structures are the schema. A field's description is both an editor's hint and what an error message says
would be accepted. ``docs/experiment.md`` explains each key with examples.
"""

from itertools import accumulate
from operator import mul
from typing import Annotated, Any, Literal

from msgspec import Meta

from aicfg.experiments.ask.fields import MAX_GPUS as MAX_GPUS
from aicfg.experiments.ask.fields import MAX_MS as MAX_MS
from aicfg.experiments.ask.fields import (
    Batch,
    Batches,
    ChunkTokens,
    Degrees,
    Formats,
    Gpus,
    NodeGpus,
    Part,
    Price,
    Rate,
    SystemName,
    Text,
    Tokens,
)
from aicfg.experiments.ask.schema_capacity import (
    CachedTokens,
    Distribution,
    Offer,
    OutputTokens,
    Replan,
    Spare,
    WorkloadClass,
)
from aicfg.experiments.ask.schema_capacity import Load as Load
from aicfg.experiments.ask.schema_capacity import Sla as Sla

DEFAULT_PROFILE = "aicfg"

BackendName = Literal["vllm", "sglang", "trtllm"]
ModeName = Literal["auto", "agg", "disagg", "mixed"]
ObjectiveName = Literal["tokens_per_s", "gpus", "cost", "ttft", "tpot", "request_latency"]
DataModeName = Literal["silicon", "hybrid", "empirical", "sol"]
Offers = Annotated[
    tuple[Offer, ...],
    Meta(
        max_length=8,
        description="a list of offers, such as [{kind: on_demand, gpus: 16, price_per_gpu_hour: 4.5}]",
        title="Owned, reserved and on-demand GPUs of the pool, in place of one price",
    ),
]
OF_A_POOL = ("system", "gpus", "price_per_gpu_hour", "gpus_per_node", "purchase")


class Workload(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The requests to serve: all of one length, or of several classes, a distribution or a trace."""

    isl: Annotated[Tokens, Meta(title="Input sequence length, tokens")] = 0
    osl: Annotated[OutputTokens, Meta(title="Output sequence length, tokens")] = 0
    prefix: Annotated[CachedTokens, Meta(title="Prompt tokens already in the prefix cache")] = 0
    classes: Annotated[
        tuple[WorkloadClass, ...],
        Meta(
            max_length=64,
            description="a list of classes, such as [{name: chat, isl: 1000, osl: 300, share: 0.7}]",
            title="Classes of requests, in place of isl and osl",
        ),
    ] = ()
    trace: Annotated[
        Text | None,
        Meta(description="a CSV or JSONL file", title="Recorded requests, in place of isl and osl"),
    ] = None
    distribution: Annotated[
        Distribution | None, Meta(title="Lengths by quantile, in place of isl and osl")
    ] = None
    reduce_to: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="a whole number from 1 to 64",
            title="Classes that a trace or distribution is reduced to",
        ),
    ] = 8


class FleetPool(Part, frozen=True, kw_only=True, omit_defaults=True):
    """GPUs of one system."""

    system: SystemName
    gpus: Gpus
    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$",
            description="letters, digits and _ (constraints use it)",
            title="Name of the pool, in place of the system's",
        ),
    ] = ""
    price_per_gpu_hour: Price | None = None
    gpus_per_node: NodeGpus | None = None
    purchase: Offers = ()

    @property
    def label(self) -> str:
        """What the pool is called."""
        return self.name or self.system


class Fleet(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The GPUs that the deployment may use: of one system, or pools of several."""

    system: SystemName = ""
    gpus: Gpus = 0
    price_per_gpu_hour: Price | None = None
    gpus_per_node: NodeGpus | None = None
    purchase: Offers = ()
    pools: Annotated[
        tuple[FleetPool, ...],
        Meta(
            min_length=1,
            max_length=16,
            description="a list of 1 to 16 pools, such as [{system: h100_sxm, gpus: 16}]",
            title="Pools of GPUs, in place of system and gpus",
        ),
    ] = ()

    @property
    def every(self) -> tuple[FleetPool, ...]:
        """The pools, also of a fleet of one system."""
        own = {name: getattr(self, name) for name in OF_A_POOL}
        return self.pools or (FleetPool(**own),)

    @property
    def budget(self) -> int:
        """GPUs of all pools together."""
        return sum(pool.gpus for pool in self.every)

    def key(self, number: int, name: str) -> str:
        """The key of one pool's ``name``."""
        return f"fleet.pools[{number}].{name}" if self.pools else f"fleet.{name}"


class Quant(Part, frozen=True, kw_only=True):
    """Number formats by component; what is left out follows the checkpoint, of a list the best is chosen.

    The names are those of ``aicfg.model_specs.quantization``.
    """

    gemm: Annotated[Formats | None, Meta(title="Dense weights")] = None
    moe: Annotated[Formats | None, Meta(title="Expert weights")] = None
    kvcache: Annotated[Formats | None, Meta(title="KV cache")] = None
    fmha: Annotated[Formats | None, Meta(title="Attention")] = None
    comm: Annotated[Formats | None, Meta(title="Communication")] = None


class RoleSearch(Part, frozen=True, kw_only=True):
    """Restricts the workers of one role; what is left out is searched whole."""

    tp: Annotated[Degrees | None, Meta(title="Tensor-parallel degrees")] = None
    pp: Annotated[Degrees | None, Meta(title="Pipeline-parallel degrees")] = None
    dp: Annotated[Degrees | None, Meta(title="Attention-data-parallel degrees")] = None
    cp: Annotated[Degrees | None, Meta(title="Context-parallel degrees")] = None
    moe_tp: Annotated[Degrees | None, Meta(title="Tensor-parallel degrees of the experts")] = None
    moe_ep: Annotated[Degrees | None, Meta(title="Expert-parallel degrees")] = None
    gpus_per_worker: Annotated[Degrees | None, Meta(title="GPUs of a worker")] = None
    batch: Annotated[Batches | None, Meta(title="Batches")] = None
    max_batch: Annotated[Batch | None, Meta(title="Largest batch")] = None


class AggSearch(RoleSearch, frozen=True, kw_only=True):
    """The same for aggregated workers, which prefill in chunks beside the requests that decode."""

    chunk_tokens: Annotated[
        ChunkTokens | None,
        Meta(title="Prompt tokens of a step, in place of whole prompts; auto tries parts too"),
    ] = None


class Search(Part, frozen=True, kw_only=True):
    """Restrictions of the search by role."""

    agg: AggSearch = AggSearch()
    prefill: RoleSearch = RoleSearch()
    decode: RoleSearch = RoleSearch()


class Speculative(Part, frozen=True, kw_only=True):
    """Multi-token prediction: drafts that the next decode step verifies."""

    nextn: Annotated[
        int, Meta(ge=0, le=32, description="a whole number from 0 to 32", title="Draft tokens a step")
    ] = 0
    accepted: Annotated[
        Annotated[float, Meta(ge=0, le=32, description="a number of tokens from 0 to nextn")] | None,
        Meta(title="Draft tokens that a step keeps, on average"),
    ] = None
    acceptance_rates: Annotated[
        Annotated[
            tuple[Rate, ...],
            Meta(
                min_length=1, max_length=32, description="a list of shares from 0 to 1, such as [0.85, 0.3]"
            ),
        ]
        | None,
        Meta(title="Share of each draft token that is kept when all before it are; in place of accepted"),
    ] = None

    @property
    def kept(self) -> float:
        """Draft tokens that a step keeps: as given, or Σᵢ ∏ⱼ≤ᵢ pⱼ over the first ``nextn`` rates."""
        if self.accepted is not None or self.acceptance_rates is None:
            return self.accepted or 0.0
        return sum(accumulate(self.acceptance_rates[: self.nextn], mul))


class Serving(Part, frozen=True, kw_only=True):
    """How the model is served."""

    backend: Annotated[BackendName, Meta(title="Serving engine")] = "vllm"
    backends: Annotated[
        tuple[BackendName, ...],
        Meta(
            max_length=3,
            description="a list of engines of vllm, sglang, trtllm",
            title="Serving engines to choose from, in place of backend",
        ),
    ] = ()
    version: Annotated[
        Text | None, Meta(description="text in quotes, such as '0.24.0'", title="Engine version")
    ] = None
    mode: Annotated[
        ModeName, Meta(title="Aggregated, disaggregated, the better of both, or both side by side")
    ] = "auto"
    data_mode: Annotated[DataModeName, Meta(title="Measured figures only, or estimates too")] = "silicon"
    systems_paths: Annotated[
        Annotated[
            tuple[Text, ...],
            Meta(min_length=1, max_length=64, description="a list of folders, such as [default, ./systems]"),
        ]
        | None,
        Meta(title="Where systems and their tables are looked for, in this order"),
    ] = None
    quant: Quant = Quant()
    speculative: Speculative = Speculative()
    memory_fraction: Annotated[
        Annotated[float, Meta(gt=0, le=1, description="a share above 0, up to 1")] | None,
        Meta(title="Share of a GPU's memory that the engine may use, in place of its default"),
    ] = None
    types_per_role: Annotated[
        Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64, or any")] | Literal["any"],
        Meta(title="Worker types a role at most"),
    ] = 1
    search: Search = Search()

    @property
    def engines(self) -> tuple[BackendName, ...]:
        """Those to choose from."""
        return self.backends or (self.backend,)


class Experiment(Part, frozen=True, kw_only=True):
    """One question: the best way to serve this model on these GPUs within this agreement."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$",
            description="up to 100 letters, digits and . _ + - (it names files)",
        ),
    ] = "experiment"
    model: Annotated[Text, Meta(description="a Hugging Face id, a folder, or a config.json", title="Model")]
    assume_family: Annotated[
        Text | None, Meta(title="Family that a model of an unknown class is taken to be of")
    ] = None
    workload: Workload
    sla: Sla = Sla()
    fleet: Fleet
    serving: Serving = Serving()
    objective: Annotated[ObjectiveName, Meta(title="What is made best")] = "tokens_per_s"
    load: Annotated[Load | None, Meta(title="What must be served")] = None
    spare: Annotated[Spare, Meta(title="What may be lost while the load still holds")] = Spare()
    replan: Annotated[Replan | None, Meta(title="From the plan that runs today")] = None
    constraints: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=100,
            description='a list of texts, such as ["decode.tp >= prefill.tp"]',
            title="Own constraints",
        ),
    ] = ()
    profile: Annotated[Text, Meta(description="the name of a profile", title="Coefficients")] = (
        DEFAULT_PROFILE
    )
    profile_overrides: Annotated[
        Annotated[
            dict[str, Any],
            Meta(description="a mapping of a profile's keys, such as {phases: {decode_correction: 1.2}}"),
        ]
        | None,
        Meta(title="Coefficients that replace the profile's"),
    ] = None
