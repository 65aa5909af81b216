"""A load to be served, and what a deployment takes for it."""

import math
from dataclasses import dataclass

from aicfg.experiments.peer.answers.deployments import Deployment


@dataclass(frozen=True)
class Load:
    """What is to be served with the fewest GPUs."""

    requests_per_s: float
    words: str

    def replicas(self, each: Deployment) -> int:
        """Replicas that serve it."""
        return max(1, math.ceil(self.requests_per_s / each.requests_per_s * (1 - 1e-9)))

    def gpus(self, each: Deployment) -> int:
        """GPUs of these replicas."""
        return self.replicas(each) * each.gpus
