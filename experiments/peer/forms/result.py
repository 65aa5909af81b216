"""What AIConfigurator's Python functions hand back, and the errors that they raise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aicfg.experiments.peer.answers.comparison import Comparison
from aicfg.experiments.peer.forms.rows import load_rows, rows
from aicfg.experiments.plans.plan import Explanation, Plan
from aicfg.model_specs.errors import AicfgError, InputError

if TYPE_CHECKING:
    import pandas as pd


class RequestError(InputError, ValueError):
    """What was asked cannot be used as it stands."""


class NoFeasibleConfigError(AicfgError, RuntimeError):
    """No experiment of several has a plan; ``explanations`` say why, by experiment."""

    def __init__(self, message: str, explanations: Mapping[str, Explanation | None]) -> None:
        super().__init__(message)
        self.explanations = dict(explanations)


@dataclass(frozen=True)
class CLIResult:
    """What a call found. Frames have AIConfigurator's columns in its order, and ours after them."""

    chosen_exp: str
    """The experiment with the best plan; empty where there is none."""
    best_configs: "dict[str, pd.DataFrame]"
    """The best plan of each experiment, and the best with every other layout; empty where there is none."""
    pareto_fronts: "dict[str, pd.DataFrame]"
    best_throughputs: dict[str, float]
    """Output tokens/s over the GPUs of the budget."""
    tasks: dict[str, dict[str, Any]]
    """Each experiment as aicfg understood it: ``aicfg.solve`` takes it."""
    best_latencies: dict[str, dict[str, float]] = field(default_factory=dict)
    raw_results: dict[str, dict[str, "pd.DataFrame | None"]] = field(default_factory=dict)
    """Always empty, as AIConfigurator's is."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """How each experiment ended: its plan's status, or why it could not be asked."""
    plans: dict[str, list[Plan]] = field(default_factory=dict)
    """The plans with their certificates, one for each serving engine."""
    output_dir: str | None = None
    """Where the results were saved."""

    @property
    def explanations(self) -> dict[str, Explanation | None]:
        """Why nothing is feasible, by experiment that has no plan."""
        return {
            name: plans[0].explanation
            for name, plans in self.plans.items()
            if all(plan.explanation is not None for plan in plans)
        }

    def __repr__(self) -> str:
        names, rates = list(self.tasks), self.best_throughputs
        return f"CLIResult(chosen_exp={self.chosen_exp!r}, experiments={names}, best_throughputs={rates})"


def result_of(comparison: Comparison) -> CLIResult:
    """A comparison as frames."""
    import pandas as pd

    best, fronts, rates, latencies, tasks = {}, {}, {}, {}, {}
    plans: dict[str, list[Plan]] = {}
    for series in comparison.series:
        ranked, name = series.ranked(comparison.top_n), series.name
        best[name] = pd.DataFrame(load_rows(comparison.load, ranked, series.mode))
        front = series.frontier(by_request=comparison.by_request)
        fronts[name] = pd.DataFrame([rows(solved, [each])[0] for solved, each in front])
        rates[name] = series.best.best_rate if series.best else 0.0
        if ranked:
            first = ranked[0][1]
            latencies[name] = {
                "ttft": first.ttft_ms,
                "tpot": first.tpot_ms,
                "request_latency": first.request_latency_ms,
            }
        tasks[name] = (series.best or series.members[0]).plan.inputs
        plans[name] = [each.plan for each in series.members]
    ends: dict[str, str] = {name: found[0].status for name, found in plans.items()}
    ends |= {each.request.name: each.reason for each in comparison.failed}
    chosen = comparison.chosen.name if comparison.chosen else ""
    return CLIResult(chosen, best, fronts, rates, tasks, latencies, {}, ends, plans)
