"""Why nothing is feasible, in the experiment's own keys and units, over all of its modes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil, floor
from types import MappingProxyType
from typing import cast

from aicfg.experiments.around.explanation_words import explanation_words
from aicfg.experiments.plans.plan import Explanation, Plan, Relaxation
from aicfg.experiments.solving.assemble import MICRO, NS_PER_MS, Candidates, Mode, ask, candidates, modes
from aicfg.experiments.solving.bounds import GIB, Bound, bounds_of, with_bound
from aicfg.experiments.solving.compose import plan_of
from aicfg.experiments.solving.prepare import Case
from aicfg.model_specs.errors import InputError, nearest
from aicfg.solver import explain as solver
from aicfg.solver.answer import Answer

GPUS = "fleet.gpus"
EQUAL: Mapping[str, float] = MappingProxyType({})
"""No bound is dearer than another."""
FINEST_LOAD = 1000
"""Parts of a request/s to which a load that can be served is rounded down."""


def explanation_of(
    case: Case, engine: str, weights: Mapping[str, float] = MappingProxyType({})
) -> Explanation:
    """What would make a plan exist: of each bound the smallest change, whichever mode it is for.

    Layouts larger than the budget take part: they say how many GPUs are missing. The memory of a GPU is not
    the experiment's to change, so it is named only where the model fits no layout at all.

    Parameters
    ----------
    weights
        By key, how dear a relative change of a bound is in the nearest change of several; 1 unless given.

    Raises
    ------
    InputError
        For a weight of what is no bound.
    """
    found = candidates(case, any_size=True)
    asks = [ask(case, found, mode, None) for mode in modes(case)]
    bounds = bounds_of(case.experiment, asks[0])
    why = solver.explain(found.points, asks, engine, _weights(bounds, weights), _usable)
    relaxations = tuple(_relaxations(case, found, bounds, why, _asked(case, bounds)))
    told = list(bounds)
    ordered = sorted(why.conflicts, key=lambda names: (len(names), *map(told.index, names)))
    conflicts = tuple(tuple(bounds[name].key for name in each) for each in ordered)
    combined = {bounds[each.constraint].key: _needed(bounds, each) for each in why.combined} or None
    plan = None
    if combined and why.combined_plan is not None:
        plan = _plan(case, found, combined, why.combined_plan)
    text = explanation_words(relaxations, conflicts, combined, case.experiment.constraints)
    return Explanation(relaxations, conflicts[0] if conflicts else (), combined, text, plan, conflicts)


def _weights(bounds: Mapping[str, Bound], given: Mapping[str, float]) -> dict[str, float]:
    """Weights by the solver's names; one of ``fleet.gpus`` is of every pool."""
    known = [bound.key for bound in bounds.values()]
    for key in given:
        if key not in (*known, GPUS):
            close = nearest(key, known)
            raise InputError(f"--weight {key}: is no bound{close}; expected one of {', '.join(known)}")
    whole = {name: given[GPUS] for name, bound in bounds.items() if GPUS in given and bound.unit == "GPU"}
    return whole | {name: given[bound.key] for name, bound in bounds.items() if bound.key in given}


def _usable(each: solver.Relaxation) -> int:
    """What is needed, rounded to the safe side.

    To a hundredth of a GiB and of a ms, below 100 ms to a thousandth; of a load to a thousandth request/s.
    """
    if each.constraint == "memory":
        return ceil(ceil(100 * each.needed / GIB) * GIB / 100)
    if each.constraint == "load":
        step = round(MICRO / FINEST_LOAD)
        return max(floor(each.needed / step) * step, 1)
    if each.constraint in ("ttft", "tpot", "request_latency"):
        step = round(NS_PER_MS / (1000 if each.needed < 100 * NS_PER_MS else 100))
        return ceil(each.needed / step) * step
    return each.needed


def _asked(case: Case, bounds: Mapping[str, Bound]) -> dict[str, float | str]:
    """What the experiment asks at each key; of memory nothing."""
    experiment = case.experiment
    sla, load = experiment.sla, experiment.load
    asked: dict[str, float | str | None] = {
        "sla.ttft_ms": sla.ttft_ms,
        "sla.tpot_ms": sla.tpot_ms,
        "sla.request_latency_ms": sla.request_latency_ms,
        bounds["load"].key: None if load is None else load.requests_per_s,
        **{experiment.fleet.key(n, "gpus"): pool.gpus for n, pool in enumerate(experiment.fleet.every)},
        **{f"constraints[{n}]": text for n, text in enumerate(experiment.constraints)},
    }
    return {key: value for key, value in asked.items() if value is not None}


def _relaxations(
    case: Case,
    found: Candidates,
    bounds: Mapping[str, Bound],
    why: solver.Explanation,
    asked: Mapping[str, float | str],
) -> Iterator[Relaxation]:
    """One entry for each bound, with the change of it alone that is enough."""
    changes = {each.constraint: each for each in why.relaxations}
    for name, bound in bounds.items():
        if (each := changes.get(name)) is not None:
            needed = _needed(bounds, each)
            plan = None if each.plan is None else _plan(case, found, {bound.key: needed}, each.plan)
            yield Relaxation(bound.key, asked.get(bound.key, each.asked / bound.per_unit), needed, plan)
        elif name in why.not_alone and bound.key in asked:
            yield Relaxation(bound.key, asked[bound.key], None, None)


def _needed(bounds: Mapping[str, Bound], each: solver.Relaxation) -> float | str:
    """In the unit of its key; of an own constraint how it must read, nothing where it must be left out."""
    bound = bounds[each.constraint]
    if bound.is_text:
        return "" if each.text.startswith("without: ") else each.text
    if bound.unit == "GPU":
        return each.needed
    return round(each.needed / bound.per_unit, 6)


def _plan(case: Case, found: Candidates, changes: Mapping[str, float | str], answer: Answer) -> Plan:
    """The plan of the experiment with its bounds changed."""
    experiment = case.experiment
    for key, value in changes.items():
        experiment = with_bound(experiment, key, value)
    changed = replace(case, experiment=experiment)
    return plan_of(changed, cast(Mode, answer.mode), found, answer, answer.statistics.solve_ms)
