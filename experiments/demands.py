"""Why a load or the experiment's own constraints cannot be met, where its bounds alone could be."""

from collections.abc import Iterator
from dataclasses import replace
from math import floor

import msgspec

from aicfg.experiments.assemble import MICRO, Candidates, ask, modes
from aicfg.experiments.compose import plan_of
from aicfg.experiments.explaining import explanation_of
from aicfg.experiments.plan import Explanation, Relaxation
from aicfg.experiments.prepare import Case
from aicfg.experiments.schema import Load
from aicfg.solver.solve import solve

LOAD = "load.requests_per_s"
STEPS = 1000
"""Parts of a request/s to which a load that can be served is rounded down."""


def explanation(case: Case, found: Candidates, engine: str) -> Explanation:
    """Why nothing is feasible: the bounds, or else a smallest set of demands that cannot be met together."""
    experiment = case.experiment
    demands = [f"constraints[{number}]" for number in range(len(experiment.constraints))]
    demands += [] if experiment.load is None else [LOAD]
    if not demands or not _met(case, found, [], engine):
        return explanation_of(case, engine)
    conflict = demands
    for name in demands:
        fewer = [other for other in conflict if other != name]
        if not _met(case, found, fewer, engine):
            conflict = fewer
    relaxations = tuple(_more_load(case, found, engine)) if LOAD in conflict else ()
    return Explanation(relaxations, tuple(conflict), None, _sentence(case, conflict, relaxations))


def _sentence(case: Case, conflict: list[str], relaxations: tuple[Relaxation, ...]) -> str:
    texts = {f"constraints[{number}]": text for number, text in enumerate(case.experiment.constraints)}
    own = " and ".join(f"{texts[name]} ({name})" for name in conflict if name in texts)
    for each in relaxations:
        beside = f" where {own}" if own else ""
        most = f"the most that can be served are {each.needed:g}"
        return f"{each.asked:g} requests/s are too many{beside}; {most}."
    return f"Within the bounds no plan holds {own}{' and serves the load' if LOAD in conflict else ''}."


def _with(case: Case, demands: list[str]) -> Case:
    """The case with only some of its demands, for whatever serves most."""
    experiment = case.experiment
    numbered = enumerate(experiment.constraints)
    fewer = msgspec.structs.replace(
        experiment,
        objective="tokens_per_s",
        load=experiment.load if LOAD in demands else None,
        constraints=tuple(text for number, text in numbered if f"constraints[{number}]" in demands),
    )
    return replace(case, experiment=fewer)


def _met(case: Case, found: Candidates, demands: list[str], engine: str) -> bool:
    """Whether some plan of some mode meets ``demands``."""
    asks = (ask(_with(case, demands), found, mode, None) for mode in modes(case))
    return any(solve(found.points, each, engine).points for each in asks)


def _more_load(case: Case, found: Candidates, engine: str) -> Iterator[Relaxation]:
    """The highest load that can be served, with the plan for it; nothing where no load can be."""
    experiment = case.experiment
    assert experiment.load is not None
    bare = _with(case, [f"constraints[{number}]" for number in range(len(experiment.constraints))])
    answers = {mode: solve(found.points, ask(bare, found, mode, None), engine) for mode in modes(case)}
    most = {mode: answer.requests for mode, answer in answers.items() if answer.requests is not None}
    if not most:
        return
    mode = max(most, key=lambda each: most[each])
    load = floor(most[mode] / MICRO * STEPS) / STEPS
    changed = replace(case, experiment=msgspec.structs.replace(experiment, load=Load(requests_per_s=load)))
    answer = solve(found.points, ask(changed, found, mode, None), engine)
    plan = plan_of(changed, mode, found, answer, answer.statistics.solve_ms)
    yield Relaxation(LOAD, experiment.load.requests_per_s, load, plan)
