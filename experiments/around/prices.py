"""What each bound costs, in the experiment's own keys and units, over all of its modes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aicfg.experiments.ask.loader import Source
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.ask.variants import the_experiment
from aicfg.experiments.plans.tradeoffs import Outcome
from aicfg.experiments.solving.assemble import Candidates, ask, candidates, modes
from aicfg.experiments.solving.bounds import Bound, bounds_of
from aicfg.experiments.solving.outcomes import outcome_of, pool_outcomes
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import InputError
from aicfg.solver import price as solver
from aicfg.solver.answer import Answer
from aicfg.solver.errors import NodePackingError, UnsupportedAskError
from aicfg.solver.objectives import STAGES
from aicfg.solver.ways import solve_ways

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Step:
    """The next change of the optimum on one side of a bound."""

    at: float | str
    """Looser: the first value of the bound with a better optimum. Tighter: the last with the same optimum.
    Of an own constraint, how it reads beyond that."""
    value: float | None
    """The optimum beyond ``at``; None where no plan exists there."""
    change: float | None
    """From the optimum as asked."""
    needs: float | None
    """What the plan beyond ``at`` needs of the bound: its own latency, GPUs, requests/s."""
    price: float | None
    """|change| over |needs - asked|: tokens/s per ms, per GPU; per 1 of an own constraint's right side."""
    plan: str


@dataclass(frozen=True)
class Price:
    """A bound, what its optimum uses of it, and the next steps."""

    bound: str
    asked: float | str
    used: float | None
    """None for an own constraint."""
    unit: str
    looser: Step | None
    """None: no looser bound is worth anything."""
    tighter: Step | None
    """None: the optimum holds however tight the bound is."""


@dataclass(frozen=True)
class Prices:
    """The prices of an experiment's bounds; none where it has no plan."""

    schema: int
    experiment: str
    outcome: Outcome
    prices: tuple[Price, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what ``aicfg price --json`` prints."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def prices_of(experiment: Experiment, advance: Callable[[int, int], None] = lambda done, of: None) -> Prices:
    """The price of every bound that ``experiment`` gives: latencies, load, GPUs, own constraints.

    Layouts larger than the budget take part: more GPUs may be worth it for them. ``advance`` is told how many
    bounds of how many are priced.

    Raises
    ------
    InputError
        For a name that does not exist, or what cannot be stated.
    """
    case = prepare(experiment)
    found = candidates(case, any_size=True)
    asks = [ask(case, found, mode, None) for mode in modes(case)]
    try:
        best = solve_ways(found.points, asks)
        prices = solver.prices(found.points, asks, best, advance=advance)
    except (NodePackingError, UnsupportedAskError) as error:
        raise InputError(str(error)) from None
    bounds = bounds_of(case.experiment, asks[0])
    told = tuple(_Told(case, found, bounds, best, each).price() for each in prices)
    return Prices(1, experiment.name, outcome_of(case, found, best), told)


def price(source: Source) -> "pd.DataFrame":
    """What each bound of one experiment costs: a row a bound and side, with the next step of the optimum.

    Parameters
    ----------
    source
        One experiment, as for ``aicfg.solve``.

    Returns
    -------
    pandas.DataFrame
        Columns ``bound``, ``asked``, ``used``, ``unit``, ``side``, then those of a step (``at``, ``value``,
        ``change``, ``needs``, ``price``, ``plan``); no rows where the experiment has no plan.

    Raises
    ------
    InputError
        For anything wrong with the experiment, one line for each fault.
    """
    import pandas as pd

    rows = []
    for each in prices_of(the_experiment(source)).prices:
        bound = {"bound": each.bound, "asked": each.asked, "used": each.used, "unit": each.unit}
        for side, step in (("looser", each.looser), ("tighter", each.tighter)):
            rows.append({**bound, "side": side, **({} if step is None else asdict(step))})
    columns = ["bound", "asked", "used", "unit", "side", *Step.__dataclass_fields__]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class _Told:
    """One price, told in the experiment's words."""

    case: Case
    found: Candidates
    bounds: Mapping[str, Bound]
    best: Answer
    of: solver.Price

    @property
    def bound(self) -> Bound:
        return self.bounds[self.of.constraint]

    def price(self) -> Price:
        of, own = self.of, self.bound.is_text
        number = int(of.constraint[5:-1]) if own else 0
        asked = self.case.experiment.constraints[number - 1] if own else of.asked / self.bound.per_unit
        used = None if own else of.used / self.bound.per_unit
        looser = None if of.looser is None else self.step(of.looser, of.looser.bound)
        tighter = None if of.tighter is None else self.step(of.tighter, of.keeps)
        return Price(self.bound.key, asked, used, self.bound.unit, looser, tighter)

    def step(self, step: solver.Step, at: int) -> Step:
        """The step to the optimum of ``step``, shown at ``at``."""
        per_unit = self.of.scale if self.bound.is_text else self.bound.per_unit
        shown: float | str = step.text if self.bound.is_text else at / per_unit
        if step.plan is None or step.value is None or step.per_unit is None:
            return Step(shown, None, None, None, None, "")
        unit = STAGES[step.plan.objective].per_unit
        pools = pool_outcomes(self.case, self.found, step.plan.points, step.plan.workers)
        return Step(
            shown,
            step.value / unit,
            (step.value - self.of.value) / unit,
            None if self.bound.is_text else step.needs / per_unit,
            abs(step.per_unit) / unit * per_unit,
            " + ".join(map(str, pools)),
        )
