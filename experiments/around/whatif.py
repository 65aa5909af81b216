"""An experiment's best plan beside those of its variants: each change alone, and all together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from aicfg.experiments.around.explanation_words import bound_words, bounds_words
from aicfg.experiments.around.families import Families
from aicfg.experiments.ask.loader import Source
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.ask.variants import Change, changed, relaxation, setting, the_experiment
from aicfg.experiments.plans.plan import Explanation
from aicfg.experiments.plans.tradeoffs import Outcome
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

BASE, TOGETHER = "as given", "all together"


@dataclass(frozen=True)
class Missing:
    """What an infeasible variant lacks: see ``Explanation``."""

    alone: dict[str, float | str]
    """Bounds any of which is enough by itself."""
    combined: dict[str, float | str] | None
    text: str

    @property
    def words(self) -> str:
        """In a few words."""
        if self.alone:
            return "needs " + " or ".join(f"{key} {bound_words(value)}" for key, value in self.alone.items())
        return f"needs {bounds_words(self.combined)}" if self.combined else self.text


@dataclass(frozen=True)
class Variant:
    """One variant, and its best plan."""

    name: str
    outcome: Outcome
    gain: float | None
    """The objective's value over that of the base, less one; None where either has no plan."""
    missing: Missing | None

    def row(self) -> dict[str, Any]:
        """The figures as plain values."""
        figures = msgspec.to_builtins(self.outcome)
        return {
            "variant": self.name,
            **figures,
            "gain": self.gain,
            "missing": msgspec.to_builtins(self.missing),
        }


def whatif(
    source: Source, *, relax: Mapping[str, float | str] | None = None, set: Mapping[str, Any] | None = None
) -> "pd.DataFrame":
    """The best plan as things are, and with each change alone and all together; one row each.

    Parameters
    ----------
    source
        One experiment, as for ``aicfg.solve``.
    relax
        New bounds: ``ttft``, ``tpot``, ``request_latency`` (ms), ``gpus``; a number, or a share
        as ``"+20%"``.
    set
        New values of any keys, such as ``{"fleet.gpus": 48}``.

    Raises
    ------
    InputError
        For anything wrong with the experiment or a change, one line for each fault.
    """
    import pandas as pd

    experiment = the_experiment(source)
    changes = [relaxation(f"{name}={value}", experiment) for name, value in (relax or {}).items()]
    changes += [setting(f"{key}={_yaml(value)}") for key, value in (set or {}).items()]
    rows = [each.row() for each in variants(experiment, changes)]
    missing = [each["missing"] for each in rows]
    words = [{"missing": None if each is None else each["text"]} for each in missing]
    return pd.DataFrame([{**row, **word} for row, word in zip(rows, words, strict=True)])


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def variants(experiment: Experiment, changes: Sequence[Change]) -> list[Variant]:
    """The experiment as given, with each change alone, and with all of them when there are several."""
    named = {BASE: experiment} | {each.label: changed(experiment, [each]) for each in changes}
    if len(changes) > 1:
        named[TOGETHER] = changed(experiment, changes)
    families = Families(named.values())
    outcomes = {name: _outcome(families, name, each) for name, each in named.items()}
    base = outcomes[BASE].objective_value
    return [
        Variant(name, outcome, _gain(outcome.objective_value, base), _missing(families, named[name], outcome))
        for name, outcome in outcomes.items()
    ]


def _outcome(families: Families, name: str, experiment: Experiment) -> Outcome:
    try:
        return families.outcome(experiment)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _gain(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None or not base else value / base - 1


def _missing(families: Families, experiment: Experiment, outcome: Outcome) -> Missing | None:
    if outcome.status != "infeasible":
        return None
    from aicfg.experiments.around.explaining import explanation_of

    explanation: Explanation = explanation_of(families.family(experiment).case_of(experiment), "highs")
    alone = {each.constraint: each.needed for each in explanation.relaxations if each.needed is not None}
    return Missing(alone, explanation.combined, explanation.text)
