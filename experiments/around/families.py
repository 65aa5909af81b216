"""Best plans of many variants of an experiment, sharing what does not change between them.

Latency curves depend neither on the bounds nor on the budget: variants that differ in these alone are a
family, whose curves are computed once, at the largest fleet. What one answer says of another is the solver's
(``solver.whatif``): an outcome is that of ``aicfg solve``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from aicfg.experiments.ask.schema import Experiment, Fleet
from aicfg.experiments.plans.tradeoffs import Outcome
from aicfg.experiments.solving.assemble import ask, candidates, modes
from aicfg.experiments.solving.outcomes import outcome_of
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import InputError
from aicfg.solver.errors import NodePackingError, UnsupportedAskError
from aicfg.solver.whatif import WhatIf


class Families:
    """Best plans of experiments, each solved when asked for."""

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self._largest: dict[bytes, Experiment] = {}
        self._family: dict[bytes, Family] = {}
        for each in experiments:
            known = self._largest.setdefault(family_key(each), each)
            most = tuple(map(max, gpus_of(known.fleet), gpus_of(each.fleet)))
            fleet = with_gpus(known.fleet, most)
            self._largest[family_key(each)] = msgspec.structs.replace(known, fleet=fleet)

    def outcome(self, experiment: Experiment) -> Outcome:
        """The best plan of one of the experiments."""
        return self.family(experiment).outcome(experiment)

    def family(self, experiment: Experiment) -> "Family":
        """What the experiment shares with those that differ in bounds and budget alone."""
        key = family_key(experiment)
        if key not in self._family:
            self._family[key] = Family(prepare(self._largest[key]))
        return self._family[key]


def family_key(experiment: Experiment) -> bytes:
    """Equal for experiments that differ in their bounds and their number of GPUs alone."""
    fleet = with_gpus(experiment.fleet, [1] * len(gpus_of(experiment.fleet)))
    return msgspec.json.encode(msgspec.structs.replace(experiment, sla=experiment.sla.unbounded, fleet=fleet))


def loosest_first(experiment: Experiment) -> tuple[float, ...]:
    """Sorts experiments of a family so that looser ones, whose plans may do for others, come early."""
    sla = experiment.sla
    bounds = (sla.ttft_ms, sla.request_latency_ms, sla.tpot_ms)
    return (-sum(gpus_of(experiment.fleet)), *(float("-inf") if each is None else -each for each in bounds))


class Family:
    """Best plans over the curves of one case, whose budget is the largest that will be asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.found = candidates(case)
        self._whatif = WhatIf(self.found.points)

    def case_of(self, experiment: Experiment) -> Case:
        """The case of an experiment of the family."""
        understood = self.case.experiment
        fleet = with_gpus(understood.fleet, gpus_of(experiment.fleet))
        whole = msgspec.structs.replace(understood, sla=experiment.sla, fleet=fleet)
        return replace(self.case, experiment=whole)

    def outcome(self, experiment: Experiment) -> Outcome:
        """The best plan of an experiment of the family. Raises ``InputError`` for what cannot be stated."""
        case = self.case_of(experiment)
        try:
            answer = self._whatif.solve([ask(case, self.found, mode, None) for mode in modes(case)])
        except (NodePackingError, UnsupportedAskError) as error:
            raise InputError(str(error)) from None
        return outcome_of(case, self.found, answer)


def gpus_of(fleet: Fleet) -> tuple[int, ...]:
    """GPUs of each pool; of a fleet without pools its own."""
    pools: tuple[Any, ...] = getattr(fleet, "pools", ())
    return tuple(pool.gpus for pool in pools) or (fleet.gpus,)


def with_gpus(fleet: Fleet, gpus: Sequence[int]) -> Fleet:
    """``fleet`` with as many GPUs in each pool."""
    pools: tuple[Any, ...] = getattr(fleet, "pools", ())
    if not pools:
        return msgspec.structs.replace(fleet, gpus=gpus[0])
    changed = (msgspec.structs.replace(pool, gpus=each) for pool, each in zip(pools, gpus, strict=True))
    return msgspec.structs.replace(fleet, pools=tuple(changed))
