"""Why nothing is feasible, in the experiment's own keys and units, over all of its modes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, product
from math import ceil

import msgspec

from aicfg.experiments.assemble import NS_PER_MS, Candidates, Mode, ask, candidates, modes
from aicfg.experiments.compose import GIB, plan_of
from aicfg.experiments.plan import Explanation, Relaxation
from aicfg.experiments.prepare import Case
from aicfg.experiments.words import explanation_words
from aicfg.solver import explain as solver

_KEYS = {
    "ttft": "sla.ttft_ms",
    "tpot": "sla.tpot_ms",
    "request_latency": "sla.request_latency_ms",
    "memory": "memory_gib",
}
_FLEET = "fleet.gpus"
"""The key of what the solver calls ``gpus(<pool>)``: there is one pool."""


def explanation_of(case: Case, engine: str) -> Explanation:
    """What would make a plan exist, merged over the modes: of each constraint the smallest change.

    Layouts larger than the budget take part: they say how many GPUs are missing. The memory of a GPU is not
    the experiment's to change, so it is named only where the model fits no layout at all.
    """
    found = candidates(case, any_size=True)
    asked = {mode: ask(case, found, mode, None) for mode in modes(case)}
    by_mode = {mode: solver.explain(found.points, each, engine) for mode, each in asked.items()}
    relaxations = tuple(_relaxations(case, found, by_mode))
    combined = _combined(by_mode.values())
    text = explanation_words(relaxations, combined)
    return Explanation(relaxations, _conflict(by_mode.values()), combined, text)


def _conflict(explanations: Iterable[solver.Explanation]) -> tuple[str, ...]:
    """The smallest set that no mode can hold: one conflict of each, as alike as can be, joined."""
    found = [each.conflicts for each in explanations if each.conflicts]
    joined = [list(dict.fromkeys(chain.from_iterable(chosen))) for chosen in product(*found)]
    return tuple(_key(name) for name in sorted(joined, key=len)[0])


def _relaxations(
    case: Case, found: Candidates, by_mode: dict[Mode, solver.Explanation]
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
            yield _relaxation(case, found, *min(alone[name], key=_size))
        elif (asked := _asked(case, name)) is not None:
            yield Relaxation(_key(name), asked, None, None)


def _size(change: tuple[Mode, solver.Relaxation]) -> tuple[int, int]:
    """The smaller change first; of equal ones, the one with the better plan."""
    each = change[1]
    value = 0 if each.plan is None or each.plan.value is None else each.plan.value
    return each.needed - each.asked, -value


def _relaxation(case: Case, found: Candidates, mode: Mode, each: solver.Relaxation) -> Relaxation:
    key, asked, needed = _key(each.constraint), _in_units(each.constraint, each.asked), _needed(each)
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
    number = int(value) if key == _FLEET else value
    changed = msgspec.structs.replace(getattr(experiment, part), **{name: number})
    return replace(case, experiment=msgspec.structs.replace(experiment, **{part: changed}))


def _combined(explanations: Iterable[solver.Explanation]) -> dict[str, float] | None:
    """The nearest combined change of all modes: the one whose largest relative change is the smallest."""
    changes = [each.combined for each in explanations if each.combined]
    if not changes:
        return None

    def largest(change: tuple[solver.Relaxation, ...]) -> float:
        return max((each.needed - each.asked) / max(each.asked, 1) for each in change)

    return {_key(each.constraint): _needed(each) for each in min(changes, key=largest)}


def _key(constraint: str) -> str:
    return _KEYS.get(constraint, _FLEET)


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


def _asked(case: Case, constraint: str) -> float | None:
    """The experiment's own bound; None for memory, of which the experiment asks nothing."""
    sla, gpus = case.experiment.sla, case.experiment.fleet.gpus
    bounds = {"ttft": sla.ttft_ms, "tpot": sla.tpot_ms, "request_latency": sla.request_latency_ms}
    return None if constraint == "memory" else bounds.get(constraint, gpus)
