"""The program as a readable Pyomo model with the families' names, for Pyomo's solvers and for files."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.capacity_points import capacity_points
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.highs import OPTIONS, integer_bound
from aicfg.solver.points import Ask, Points
from aicfg.solver.program import Program, state
from aicfg.solver.reduce import needed
from aicfg.solver.rows import FAMILIES
from aicfg.solver.within import within

ENDED = {
    "unknown": Ended.ERROR,
    "maxTimeLimit": Ended.TIME_LIMIT,
    "maxIterations": Ended.OTHER_LIMIT,
    "objectiveLimit": Ended.OTHER_LIMIT,
    "minStepLength": Ended.ERROR,
    "optimal": Ended.PROVEN_OPTIMAL,
    "unbounded": Ended.UNBOUNDED,
    "infeasible": Ended.PROVEN_INFEASIBLE,
    "infeasibleOrUnbounded": Ended.PROVEN_INFEASIBLE,
    "error": Ended.ERROR,
    "interrupted": Ended.INTERRUPTED,
    "licensingProblems": Ended.ERROR,
}
"""Every member of appsi's TerminationCondition; infeasibleOrUnbounded is infeasible, see highs.ENDED."""


def pyomo_model(program: Program) -> Any:
    """A ConcreteModel: a Var for a kind of column (n, u, served, ...), a Constraint for a family."""
    import pyomo.environ as pyo

    model = pyo.ConcreteModel(name="aicfg")
    columns = [_add_column(pyo, model, program, i) for i in range(len(program.columns.names))]
    for name, rows in program.families.items():
        constraint = pyo.Constraint(pyo.Any, doc=FAMILIES[name].sentence)
        model.add_component(name, constraint)
        for i, index in enumerate(rows.index):
            at = np.flatnonzero(rows.row == i)
            if not len(at):  # Pyomo takes no constraint without variables
                continue
            left = sum(float(rows.coefficient[k]) * columns[rows.column[k]] for k in at)
            low, high = (
                float(each[i]) if np.isfinite(each[i]) else None for each in (rows.lower, rows.upper)
            )
            constraint[index] = (low, left, high)
    cost = program.columns.cost
    goal = sum(float(cost[i]) * columns[i] for i in np.flatnonzero(cost))
    sense = pyo.maximize if program.objective.maximize else pyo.minimize
    objective = pyo.Objective(expr=goal, sense=sense, doc=program.objective.sentence)
    model.add_component("goal", objective)
    return model


def _add_column(pyo: Any, model: Any, program: Program, i: int) -> Any:
    """Column ``n(index)`` as ``model.n[index]``; one without an index as a plain variable."""
    columns = program.columns
    kind, index = re.fullmatch(r"(\w+)(?:\((.*)\))?", columns.names[i]).groups()  # type: ignore[union-attr]
    domain = pyo.Integers if columns.integer[i] else pyo.Reals
    if model.component(kind) is None:
        model.add_component(kind, pyo.Var(pyo.Any, dense=False) if index else pyo.Var())
    variable = model.component(kind)[index] if index else model.component(kind)
    variable.domain = domain
    variable.setlb(float(columns.lower[i]))
    variable.setub(float(columns.upper[i]) if np.isfinite(columns.upper[i]) else None)
    return variable


def solve_pyomo(program: Program, time_limit_s: float | None) -> Outcome:
    """Solve the model through Pyomo's HiGHS interface; counts are by position among the program's points."""
    import pyomo
    from pyomo.contrib.appsi.solvers import Highs

    if not program.points or hopeless(program):
        return Outcome("pyomo", pyomo.__version__, Ended.PROVEN_INFEASIBLE, None, None)
    model = pyomo_model(program)
    solver = Highs()
    solver.config.load_solution = False
    if time_limit_s is not None:
        solver.config.time_limit = time_limit_s
    solver.highs_options = {name: OPTIONS[name] for name in OPTIONS if name not in ("output_flag", "threads")}
    results = solver.solve(model)
    ended = ENDED[results.termination_condition.name]
    counts = found = None
    if results.best_feasible_objective is not None and np.isfinite(results.best_feasible_objective):
        results.solution_loader.load_vars()
        found = np.array([each.value or 0.0 for each in _columns(model, program)])
        workers = np.rint(found[: program.points]).astype(int).tolist()
        counts = {p: count for p, count in enumerate(workers) if count}
    bound = results.best_objective_bound
    if bound is not None:
        bound = integer_bound(bound, program.objective.per_unit, ended)
    return Outcome("pyomo", pyomo.__version__, ended, counts, bound, found)


def hopeless(program: Program) -> list[str]:
    """Rows without a single term that nothing can hold: such as the load of a class that nobody serves."""
    starts, _, _ = program.matrix
    lower, upper = program.row_bounds
    broken = (np.diff(starts) == 0) & ((lower > 0) | (upper < 0))
    return [program.row_names[i] for i in np.flatnonzero(broken)]


def _columns(model: Any, program: Program) -> list[Any]:
    """The model's variables in the program's order."""
    found = []
    for name in program.columns.names:
        kind, bracket, rest = name.partition("(")
        found.append(model.component(kind)[rest[:-1]] if bracket else model.component(kind))
    return found


def export(points: Points, ask: Ask, path: Path) -> None:
    """Write the program that ``solve`` gives the engine to ``path`` (.lp or .mps), with readable names.

    Raises
    ------
    UnsupportedAskError
        When the file's ending is neither ``.lp`` nor ``.mps``, or no point is within the bounds.
    """
    path = Path(path)
    if path.suffix not in (".lp", ".mps"):
        raise UnsupportedAskError(f"export: {path.name!r} ends in neither .lp nor .mps")
    if ask.capacity is not None:
        program = state(points.take(capacity_points(points, ask)), ask)
    else:
        allowed = points.take(within(points, ask))
        program = state(allowed.take(needed(allowed, ask)), ask)
    if not program.points:
        raise UnsupportedAskError("export: no point is within the bounds, so there is no program to write")
    if rows := hopeless(program):
        raise UnsupportedAskError(f"export: no plan exists, {rows[0]} has no term")
    model = pyomo_model(program)
    model.write(str(path), io_options={"symbolic_solver_labels": True})
