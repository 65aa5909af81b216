"""The best plan at every point of a grid of an experiment's keys."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aicfg.experiments.around.families import Families, family_key, loosest_first
from aicfg.experiments.ask.loader import Source
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.ask.variants import Axis, axes_of, grid, the_experiment
from aicfg.experiments.plans.tradeoffs import Outcome
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = tuple(name for name in Outcome.__dataclass_fields__ if name != "pools")


@dataclass(frozen=True)
class Sweep:
    """Outcomes over a grid, the last axis fastest."""

    experiment: str
    axes: tuple[Axis, ...]
    points: tuple[tuple[float, ...], ...]
    outcomes: tuple[Outcome, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a point: the swept keys, the figures, the pools in words."""
        keys = [axis.key for axis in self.axes]
        return [
            {
                **dict(zip(keys, point, strict=True)),
                **{name: getattr(outcome, name) for name in _FIGURES},
                "pools": outcome.words,
            }
            for point, outcome in zip(self.points, self.outcomes, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what ``aicfg whatif --sweep --json`` prints."""
        pools = [msgspec.to_builtins(outcome.pools) for outcome in self.outcomes]
        rows = [{**row, "pools": each} for row, each in zip(self.rows(), pools, strict=True)]
        return {
            "schema": 1,
            "experiment": self.experiment,
            "axes": {axis.key: list(axis.values) for axis in self.axes},
            "points": rows,
        }


def sweep(source: Source, values: Mapping[str, Iterable[float]]) -> "pd.DataFrame":
    """The best plan at every combination of ``values``, one row each.

    Parameters
    ----------
    source
        One experiment, as for ``aicfg.solve``.
    values
        Values of each swept key, such as ``{"sla.tpot_ms": range(10, 61, 5)}``.

    Returns
    -------
    pandas.DataFrame
        Columns: the swept keys, then ``status``, ``mode``, ``tokens_per_s`` and the other figures of a plan.

    Raises
    ------
    InputError
        For anything wrong with the experiment or a swept value, one line for each fault.
    """
    import pandas as pd

    return pd.DataFrame(swept(the_experiment(source), axes_of(values)).rows())


def swept(
    experiment: Experiment, axes: Sequence[Axis], advance: Callable[[int, int], None] = lambda done, of: None
) -> Sweep:
    """The sweep of ``axes``; ``advance`` is told how many points of how many are done.

    One process: a second one was measured to cost more than it saves, since each point's plan often is, or
    bounds, that of others (``solver.whatif``).
    """
    points, experiments = grid(experiment, axes)
    order = sorted(
        range(len(points)), key=lambda i: (family_key(experiments[i]), loosest_first(experiments[i]))
    )
    families = Families(experiments)
    outcomes: dict[int, Outcome] = {}
    for done, i in enumerate(order, 1):
        outcomes[i] = _outcome(families, experiments[i])
        advance(done, len(order))
    return Sweep(experiment.name, tuple(axes), tuple(points), tuple(outcomes[i] for i in range(len(points))))


def _outcome(families: Families, experiment: Experiment) -> Outcome:
    try:
        return families.outcome(experiment)
    except InputError as error:
        raise InputError(f"--sweep: {error}") from None
