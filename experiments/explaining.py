"""Why nothing is feasible, in the experiment's own keys and units, over all of its modes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, product
from math import ceil
from types import MappingProxyType

import msgspec

from aicfg.experiments.assemble import NS_PER_MS, Candidates, Mode, ask, candidates, ways
from aicfg.experiments.compose import GIB, plan_of
from aicfg.experiments.plan import Explanation, Relaxation
from aicfg.experiments.prepare import Case
from aicfg.experiments.words import explanation_words
from aicfg.solver import explain as solver
from aicfg.solver.names import pool_names
from aicfg.solver.points import Ask

_KEYS = {
    "ttft": "sla.ttft_ms",
    "tpot": "sla.tpot_ms",
    "request_latency": "sla.request_latency_ms",
    "memory": "memory_gib",
}
_FLEET = "fleet.gpus"
"""The key of what the solver calls ``gpus(<pool>)`` where there is one pool."""
Keys = Mapping[str, str]
"""The keys of what the solver calls ``gpus(<pool>)`` where there are several pools."""


def explanation_of(case: Case, engine: str) -> Explanation:
    """What would make a plan exist, merged over the modes: of each constraint the smallest change.

    Layouts larger than the budget take part: they say how many GPUs are missing. The memory of a GPU is not
    the experiment's to change, so it is named only where the model fits no layout at all.
    """
    found = candidates(case, any_size=True)
    bare = without_demands(case)
    asked = {mode: ask(bare, found, mode, None) for mode in ways(case)}
    keys = _keys(case, next(iter(asked.values())))
    by_mode = {mode: solver.explain(found.points, each, engine) for mode, each in asked.items()}
    relaxations = tuple(_relaxations(bare, found, by_mode, keys))
    combined = _combined(by_mode.values(), keys)
    text = explanation_words(relaxations, combined)
    return Explanation(relaxations, _conflict(by_mode.values(), keys), combined, text)


def without_demands(case: Case) -> Case:
    """The case without its load and its own constraints: the highest tokens/s within its bounds."""
    bare = {"load": None, "constraints": (), "objective": "tokens_per_s"}
    return replace(case, experiment=msgspec.structs.replace(case.experiment, **bare))


def _keys(case: Case, asked: Ask) -> Keys:
    """The key of each pool's GPUs, by the solver's name; empty for a fleet of one system."""
    fleet = case.experiment.fleet
    names = pool_names(asked) if fleet.pools else ()
    return {f"gpus({name})": fleet.key(number, "gpus") for number, name in enumerate(names)}


def _conflict(
    explanations: Iterable[solver.Explanation], keys: Keys = MappingProxyType({})
) -> tuple[str, ...]:
    """The smallest set that no mode can hold: one conflict of each, as alike as can be, joined."""
    found = [each.conflicts for each in explanations if each.conflicts]
    joined = [list(dict.fromkeys(chain.from_iterable(chosen))) for chosen in product(*found)]
    return tuple(_key(name, keys) for name in sorted(joined, key=len)[0])


def _relaxations(
    case: Case, found: Candidates, by_mode: dict[Mode, solver.Explanation], keys: Keys
) -> Iterator[Relaxation]:
    """One entry for each constraint, with the mode's change that is the smallest."""
    alone: dict[str, list[tuple[Mode, solver.Relaxation]]] = {}
    for mode, explanation in by_mode.items():
        for name in explanation.not_alone:
            alone.setdefault(name, [])
        for each in explanation.relaxations:
            alone.setdefault(each.constraint, []).append((mode, each))
    for name in sorted(alone, key=_order):
        if alone[name]:
            yield _relaxation(case, found, _key(name, keys), *min(alone[name], key=_size))
        elif (asked := _asked(case, name, keys)) is not None:
            yield Relaxation(_key(name, keys), asked, None, None)


def _size(change: tuple[Mode, solver.Relaxation]) -> tuple[int, int]:
    """The smaller change first; of equal ones, the one with the better plan."""
    each = change[1]
    value = 0 if each.plan is None or each.plan.value is None else each.plan.value
    return each.needed - each.asked, -value


def _relaxation(case: Case, found: Candidates, key: str, mode: Mode, each: solver.Relaxation) -> Relaxation:
    asked, needed = _in_units(each.constraint, each.asked), _needed(each)
    plan = None
    if each.plan is not None:
        changed = _changed(case, key, needed)
        plan = plan_of(changed, mode, found, each.plan, each.plan.statistics.solve_ms)
    return Relaxation(key, asked, needed, plan)


def _changed(case: Case, key: str, value: float) -> Case:
    """The case with one bound replaced; the memory of a GPU is not the experiment's to change."""
    experiment = case.experiment
    part, _, name = key.partition(".")
    if not name:
        return case
    fleet = experiment.fleet
    if part == "fleet" and fleet.pools:
        pools = tuple(
            msgspec.structs.replace(pool, gpus=int(value)) if fleet.key(j, "gpus") == key else pool
            for j, pool in enumerate(fleet.pools)
        )
        changed_fleet = msgspec.structs.replace(fleet, pools=pools)
        return replace(case, experiment=msgspec.structs.replace(experiment, fleet=changed_fleet))
    number = int(value) if key == _FLEET else value
    changed = msgspec.structs.replace(getattr(experiment, part), **{name: number})
    return replace(case, experiment=msgspec.structs.replace(experiment, **{part: changed}))


def _combined(explanations: Iterable[solver.Explanation], keys: Keys) -> dict[str, float] | None:
    """The nearest combined change of all modes: the one whose largest relative change is the smallest."""
    changes = [each.combined for each in explanations if each.combined]
    if not changes:
        return None

    def largest(change: tuple[solver.Relaxation, ...]) -> float:
        return max((each.needed - each.asked) / max(each.asked, 1) for each in change)

    return {_key(each.constraint, keys): _needed(each) for each in min(changes, key=largest)}


def _key(constraint: str, keys: Keys) -> str:
    return _KEYS.get(constraint, keys.get(constraint, _FLEET))


def _order(constraint: str) -> int:
    return [*_KEYS, constraint].index(constraint)


def _in_units(constraint: str, value: int) -> float:
    """Nanoseconds as milliseconds, bytes as GiB, GPUs as they are."""
    if constraint == "memory":
        return value / GIB
    return value / NS_PER_MS if constraint in _KEYS else value


def _needed(each: solver.Relaxation) -> float:
    """What is needed, rounded up: to a hundredth of a GiB, of 1 ms, below 100 ms to a thousandth."""
    if each.constraint == "memory":
        return ceil(100 * each.needed / GIB) / 100
    if each.constraint not in _KEYS:
        return each.needed
    steps = 1000 if each.needed < 100 * NS_PER_MS else 100
    return ceil(each.needed * steps / NS_PER_MS) / steps


def _asked(case: Case, constraint: str, keys: Keys) -> float | None:
    """The experiment's own bound; None for memory, of which the experiment asks nothing."""
    sla, fleet = case.experiment.sla, case.experiment.fleet
    gpus = fleet.pools[list(keys).index(constraint)].gpus if constraint in keys else fleet.gpus
    bounds = {"ttft": sla.ttft_ms, "tpot": sla.tpot_ms, "request_latency": sla.request_latency_ms}
    return None if constraint == "memory" else bounds.get(constraint, gpus)
