"""Several outcomes side by side: which experiment is chosen, and what the verdict is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aicfg.experiments.peer.answers.deployments import Deployment
from aicfg.experiments.peer.answers.load import Load
from aicfg.experiments.peer.answers.outcome import Failed, Solved

INPUT, INFEASIBLE, SOME_FAILED = 2, 3, 4


@dataclass(frozen=True)
class Series:
    """What one table and one line of the plot show: an experiment, or one mode of several engines."""

    name: str
    mode: str
    members: tuple[Solved, ...]

    @property
    def best(self) -> Solved | None:
        """The member with the best plan."""
        planned = [each for each in self.members if each.top]
        return min(planned, key=lambda each: (each.gpus, -each.best_rate), default=None)

    def ranked(self, top_n: int) -> list[tuple[Solved, Deployment]]:
        """The best deployments of all members, the best first."""
        every = [(each, deployment) for each in self.members for deployment in each.top]
        return sorted(every, key=lambda pair: (pair[0].gpus, -pair[0].cluster_rate(pair[1])))[:top_n]

    def frontier(self, *, by_request: bool) -> list[tuple[Solved, Deployment]]:
        """The members' frontiers merged, the fastest first."""
        every = [(each, deployment) for each in self.members for deployment in each.frontier]

        def slowness(pair: tuple[Solved, Deployment]) -> float:
            return pair[1].request_latency_ms if by_request else pair[1].tpot_ms

        best, kept = 0.0, []
        for pair in sorted(every, key=lambda each: (slowness(each), -each[0].cluster_rate(each[1]))):
            if pair[0].cluster_rate(pair[1]) > best:
                best = pair[0].cluster_rate(pair[1])
                kept.append(pair)
        return kept


@dataclass(frozen=True)
class Comparison:
    """Everything that one call asked for and what came of it."""

    series: tuple[Series, ...]
    failed: tuple[Failed, ...]
    top_n: int = 5
    load: Load | None = None

    @property
    def chosen(self) -> Series | None:
        """The series with the best plan: most tokens/s, or fewest GPUs where a load is given."""
        planned = [each for each in self.series if each.best is not None]
        return max(planned, key=self._merit, default=None)

    def _merit(self, series: Series) -> tuple[float, float]:
        best = series.best
        assert best is not None
        return (0.0 if self.load is None else -float(best.gpus), best.best_rate)

    @property
    def solved(self) -> Iterator[Solved]:
        """Every experiment that was put to the solver."""
        for each in self.series:
            yield from each.members

    @property
    def by_request(self) -> bool:
        """Whether speed is the latency of a whole request."""
        return any(each.request.bound("request_latency") is not None for each in self.solved)

    def exit_code(self, *, fail_on_any: bool = False) -> int:
        """0 with a plan, 3 when it is proven that there is none, 2 when nothing could be asked."""
        if all(each.violated for each in self.solved if each.top):
            stopped = any(each.plan.status == "unknown" for each in self.solved)
            return SOME_FAILED if stopped else INFEASIBLE if self.series else INPUT
        return SOME_FAILED if fail_on_any and self.failed else 0


def compared(outcomes: Sequence[Solved | Failed], names: Sequence[str], top_n: int) -> Comparison:
    """The outcomes, those that share a name in ``names`` as one series."""
    members: dict[str, list[Solved]] = {}
    for name, each in zip(names, outcomes, strict=True):
        if isinstance(each, Solved):
            members.setdefault(name, []).append(each)
    series = [Series(name, found[0].request.mode, tuple(found)) for name, found in members.items()]
    failed = [each for each in outcomes if isinstance(each, Failed)]
    return Comparison(tuple(series), tuple(failed), top_n)
