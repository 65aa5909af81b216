"""The parts of an experiment that plan capacity: classes, loads, spares, purchases, re-planning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from aicfg.experiments.ask.fields import (
    MAX_TOKENS,
    Bound,
    BoundOrPercentile,
    Gpus,
    Part,
    Percentile,
    Price,
    Text,
    Tokens,
)

OutputTokens = Annotated[
    int, Meta(ge=2, le=MAX_TOKENS, description=f"a whole number of tokens from 2 to {MAX_TOKENS:,}")
]
CachedTokens = Annotated[
    int, Meta(ge=0, le=MAX_TOKENS, description="a whole number of tokens from 0 to isl - 1")
]
RequestRate = Annotated[float, Meta(ge=1e-3, le=1e6, description="requests/s from 0.001 to 1,000,000")]
ClassName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$",
        description="a name of letters, digits and _ . -, such as chat",
    ),
]
Quantiles = Annotated[
    dict[str, Tokens],
    Meta(
        min_length=2,
        description="tokens by quantile, two or more, such as {p50: 800, p90: 4000, p99: 12000}",
    ),
]
Purchase = Literal["owned", "reserved", "on_demand"]


class Sla(Part, frozen=True, kw_only=True):
    """The service-level agreement. A bound left out is not a constraint."""

    ttft_ms: Annotated[BoundOrPercentile | None, Meta(title="Time to the first token at most")] = None
    tpot_ms: Annotated[BoundOrPercentile | None, Meta(title="Time per further output token at most")] = None
    request_latency_ms: Annotated[Bound | None, Meta(title="Whole request at most, in place of tpot_ms")] = (
        None
    )
    confidence: Annotated[
        Annotated[float, Meta(ge=0.5, lt=1, description="0, or a share from 0.5 to less than 1, such as 0.9")]
        | Literal[0]
        | None,
        Meta(title="Share of measured runs that keep bounds so set; 0: bounds on the predictions themselves"),
    ] = None
    ttft_percentile: Annotated[
        Percentile | None, Meta(title="Share of requests within ttft_ms; {p99: 2000} for short")
    ] = None
    tpot_percentile: Annotated[
        Percentile | None, Meta(title="Share of requests within tpot_ms; {p90: 40} for short")
    ] = None
    arrivals: Annotated[
        Literal["closed", "poisson"], Meta(title="How requests come, where percentiles are bounded")
    ] = "closed"

    @property
    def unbounded(self) -> "Sla":
        """The same agreement without bounds: how latencies are counted."""
        return msgspec.structs.replace(self, ttft_ms=None, tpot_ms=None, request_latency_ms=None)


class WorkloadClass(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Requests of one kind."""

    name: Annotated[ClassName, Meta(title="Name of the class")] | Literal[""] = ""
    isl: Annotated[Tokens, Meta(title="Input sequence length, tokens")]
    osl: Annotated[OutputTokens, Meta(title="Output sequence length, tokens")]
    prefix: Annotated[CachedTokens, Meta(title="Prompt tokens already in the prefix cache")] = 0
    share: Annotated[
        Annotated[float, Meta(gt=0, le=1e9, description="a number above 0 (shares are taken of their sum)")]
        | None,
        Meta(title="Share of all requests"),
    ] = None
    requests_per_s: Annotated[RequestRate | None, Meta(title="Requests a second, in place of share")] = None
    sla: Annotated[Sla | None, Meta(title="Agreement in place of the experiment's")] = None


class Distribution(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Lengths by quantile, linear in the logarithm between them."""

    isl: Annotated[Quantiles, Meta(title="Prompt tokens by quantile")]
    osl: Annotated[Quantiles, Meta(title="Output tokens by quantile")]
    together: Annotated[
        bool, Meta(title="Long prompts have long answers; else the two lengths are independent")
    ] = False


class Spare(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What may be lost while the load still holds."""

    workers: Annotated[
        int, Meta(ge=0, le=1000, description="a whole number from 0 to 1,000", title="Workers of each role")
    ] = 0
    nodes: Annotated[
        int, Meta(ge=0, le=1000, description="a whole number from 0 to 1,000", title="Nodes")
    ] = 0


class Offer(Part, frozen=True, kw_only=True):
    """GPUs of a pool that can be had at one price."""

    kind: Annotated[Purchase, Meta(title="Owned and reserved GPUs are paid at all times, used or not")]
    gpus: Gpus
    price_per_gpu_hour: Price = 0.0


class Replan(Part, frozen=True, kw_only=True):
    """The plan that runs today, and what a change of it costs."""

    current: Annotated[Text, Meta(description="a plan.json", title="The plan that runs today")]
    change_cost: Annotated[
        Annotated[float, Meta(ge=0, le=1e12)] | Literal["never"],
        Meta(
            description="a number from 0 in the objective's unit, or never",
            title="Cost of each worker that is added or removed",
        ),
    ] = 0.0


class Load(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What the deployment must serve."""

    requests_per_s: Annotated[RequestRate, Meta(title="Requests a second")] = 0.0
    peak: Annotated[
        float,
        Meta(ge=1, le=1000, description="a factor from 1", title="The highest load, in mean loads"),
    ] = 1.0
    utilisation: Annotated[
        Annotated[float, Meta(gt=0, lt=1, description="a share above 0 and below 1")] | None,
        Meta(title="Busy share of a worker at most; the waiting that it causes counts in the latencies"),
    ] = None
    profile: Annotated[Text | None, Meta(description="a CSV file", title="Load over time")] = None
    startup_minutes: Annotated[
        float,
        Meta(ge=0, le=1440, description="minutes from 0 to 1,440", title="Minutes until a worker serves"),
    ] = 10.0
