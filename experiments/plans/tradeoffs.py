"""Plans in a few figures, where many of them stand side by side: frontiers, alternatives, sweeps."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PoolOutcome:
    """Equal workers of a plan."""

    role: str
    layout: str
    workers: int
    gpus: int
    """Of all of them."""
    batch: int
    pool: str = ""
    """Name of the fleet's pool, where there are several."""
    chunk_tokens: int | None = None
    """Prompt tokens a step (agg only)."""
    backend: str = ""
    """The serving engine, where there was a choice."""

    def __str__(self) -> str:
        where = f" on {self.pool}" if self.pool else ""
        by = f" by {self.backend}" if self.backend else ""
        return f"{self.workers:,} × {self.layout} {self.role}{where}{by} (batch {self.batch})"


@dataclass(frozen=True)
class Outcome:
    """The best plan of a variant, its figures named as those of ``Plan``; ``None`` without a plan."""

    status: str
    objective: str
    objective_value: float | None
    mode: str | None
    tokens_per_s: float | None
    tokens_per_s_per_gpu: float | None
    tokens_per_s_per_user: float | None
    ttft_ms: float | None
    tpot_ms: float | None
    request_latency_ms: float | None
    gpus_used: int | None
    gpus_budget: int
    pools: tuple[PoolOutcome, ...]

    @property
    def words(self) -> str:
        """The pools in a few words."""
        return " + ".join(map(str, self.pools))


@dataclass(frozen=True)
class GivesUp:
    """What an alternative loses, and gains, against the best plan."""

    share: float
    """Of the objective's value: how much of it is lost, or, where less is better, added."""
    gpus: int
    """GPUs used, more (or less: negative) than the best plan; latencies likewise."""
    ttft_ms: float
    tpot_ms: float
    without: tuple[str, ...]
    """Worker types of the best plan that it has not, such as ``tp8 decode``."""
    instead: tuple[str, ...]
    """Worker types that the best plan has not."""
    text: str


@dataclass(frozen=True)
class Corner:
    """A plan of which no other has as many tokens/s at no higher latency: a corner of the frontier."""

    mode: Literal["agg", "disagg", "mixed"]
    tokens_per_s: float
    tokens_per_s_per_gpu: float
    """Divided by the GPUs of the budget."""
    tokens_per_s_per_user: float
    ttft_ms: float
    tpot_ms: float
    requests_per_s: float
    gpus_used: int
    meets_sla: bool
    """Whether it keeps the bounds on latency that the frontier leaves out."""
    chosen: bool
    """The one with the most tokens/s of those that do."""
    pools: tuple[PoolOutcome, ...]
