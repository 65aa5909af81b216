"""A deployment as AIConfigurator counts it: the smallest unit xPyD, repeated.

A plan's workers divide by their greatest common divisor: that many replicas, each a unit that can be scaled
by itself. A row of a result table describes one replica; the ranking counts the whole budget, idle GPUs
included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd

from aicfg.experiments.solving.assemble import Candidates
from aicfg.hardware.curve import Curve
from aicfg.hardware.curves import ServingModel


@dataclass(frozen=True)
class Pool:
    """Equal workers at one operating point."""

    curve: Curve
    at: int
    """Position of the operating point on the curve."""
    workers: int
    """Of one replica."""
    model: ServingModel
    """The model on the GPUs that they run on."""

    @property
    def gpus(self) -> int:
        """GPUs of these workers."""
        return self.workers * self.curve.layout.gpus

    @property
    def batch(self) -> int:
        """Requests of an attention-data-parallel rank."""
        return int(self.curve.batch[self.at])

    @property
    def concurrency(self) -> int:
        """Requests in flight."""
        return self.workers * self.batch * self.curve.layout.dp * self.curve.layout.pp

    @property
    def requests_per_s(self) -> float:
        """Requests/s that the workers sustain, with what rate matching leaves of them."""
        return self.workers * float(self.curve.requests_per_s[self.at]) * self.curve.efficiency


@dataclass(frozen=True)
class Deployment:
    """One replica's pools, and how many replicas there are."""

    pools: tuple[Pool, ...]
    replicas: int
    osl: int

    @property
    def gpus(self) -> int:
        """GPUs of a replica."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def requests_per_s(self) -> float:
        """Of a replica: what the slower role lets through."""
        return min(pool.requests_per_s for pool in self.pools)

    @property
    def tokens_per_s(self) -> float:
        """Output tokens/s of a replica."""
        if len(self.pools) == 1:
            (pool,) = self.pools
            return pool.workers * float(pool.curve.tokens_per_s[pool.at])
        return self.osl * self.requests_per_s

    @property
    def ttft_ms(self) -> float:
        """Time to the first token."""
        return max(float(pool.curve.ttft_ms[pool.at]) for pool in self.pools)

    @property
    def tpot_ms(self) -> float:
        """Time per further token."""
        return max(float(pool.curve.tpot_ms[pool.at]) for pool in self.pools)

    @property
    def request_latency_ms(self) -> float:
        """A whole request."""
        return self.ttft_ms + self.tpot_ms * (self.osl - 1)

    @property
    def concurrency(self) -> int:
        """Requests in flight of a replica; those of the workers that decode."""
        return self.pools[-1].concurrency


def deployment(found: Candidates, points: Sequence[int], workers: Sequence[int], osl: int) -> Deployment:
    """The deployment of ``workers`` at ``points``."""
    common = reduce(gcd, workers)
    pools = tuple(
        Pool(
            found.curves[found.curve[point]],
            int(found.index[point]),
            count // common,
            found.owner[found.curve[point]].model,
        )
        for point, count in zip(points, workers, strict=True)
    )
    return Deployment(pools, common, osl)
