"""The program on HiGHS, straight from its arrays, to a gap of exactly 0."""

from typing import Any, NamedTuple

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.program import Program
from aicfg.solver.rows import FloatArray

ENDED = {
    "kNotset": Ended.ERROR,
    "kLoadError": Ended.ERROR,
    "kModelError": Ended.ERROR,
    "kPresolveError": Ended.ERROR,
    "kSolveError": Ended.ERROR,
    "kPostsolveError": Ended.ERROR,
    "kModelEmpty": Ended.PROVEN_INFEASIBLE,
    "kOptimal": Ended.PROVEN_OPTIMAL,
    "kInfeasible": Ended.PROVEN_INFEASIBLE,
    "kUnboundedOrInfeasible": Ended.PROVEN_INFEASIBLE,
    "kUnbounded": Ended.UNBOUNDED,
    "kObjectiveBound": Ended.OTHER_LIMIT,
    "kObjectiveTarget": Ended.OTHER_LIMIT,
    "kTimeLimit": Ended.TIME_LIMIT,
    "kIterationLimit": Ended.OTHER_LIMIT,
    "kUnknown": Ended.ERROR,
    "kSolutionLimit": Ended.OTHER_LIMIT,
    "kInterrupt": Ended.INTERRUPTED,
    "kMemoryLimit": Ended.OTHER_LIMIT,
    "kHighsInterrupt": Ended.INTERRUPTED,
}
"""Every member of HighsModelStatus. kUnboundedOrInfeasible is infeasible here: the program's objective is
bounded by its columns' bounds and its rates. A model without columns has no point, so serves nobody."""

OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
}
"""A gap of 0 (the default is 1e-4), and tolerances a thousandth of a micro-unit."""


NEARLY = 0.999
"""Of the least difference of two values: a plan that is nearer to the bound than that is the best."""
LARGEST_ACTIVITY = 2.0**16
"""Rows beyond this are scaled down: at 65536 a double still tells 1e-11 apart, a hundredth of the
tolerance. Scales are powers of two, so no coefficient is rounded."""


def solve_highs(program: Program, time_limit_s: float | None) -> Outcome:
    """Solve ``program``; counts are by position among its points.

    ``bound`` is HiGHS's dual bound in the integers of the objective, rounded to the nearest (its error is far
    below one half for rates up to 1e6/s); the caller holds it against the exact value.
    """
    import highspy

    engine = highspy._core._Highs()  # highspy.Highs() prints a banner on standard output
    for name, value in OPTIONS.items():
        engine.setOptionValue(name, value)
    if time_limit_s is not None:
        engine.setOptionValue("time_limit", float(time_limit_s))
    scales = _scales(program)
    if program.lattice:
        engine.setOptionValue(
            "mip_abs_gap", NEARLY * program.lattice / program.objective.per_unit * scales.goal
        )
    engine.passModel(_model(highspy, program, scales))
    if engine.run() == highspy.HighsStatus.kError:
        # Someone ran HiGHS in this process with more threads; their number is fixed, only 0 accepts it.
        engine.setOptionValue("threads", 0)
        engine.run()
    ended = ENDED[engine.getModelStatus().name]
    info = engine.getInfo()
    counts = values = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        values = np.array(engine.getSolution().col_value) * scales.column
        workers = np.rint(values[: program.points]).astype(np.int64)
        counts = {int(p): int(workers[p]) for p in np.flatnonzero(workers)}
    bound = integer_bound(info.mip_dual_bound / scales.goal, program.objective.per_unit, ended)
    return Outcome("highs", engine.version(), ended, counts, bound, values)


def integer_bound(bound: float, per_unit: int, ended: Ended) -> int | None:
    """An engine's dual bound in the integers of the objective; None where it has none."""
    if ended in (Ended.PROVEN_INFEASIBLE, Ended.ERROR) or not np.isfinite(bound) or abs(bound) >= 1e12:
        return None
    return round(bound * per_unit)


class _Scales(NamedTuple):
    """Powers of two by which rows, columns and the goal are multiplied."""

    row: FloatArray
    column: FloatArray
    goal: float


def _scales(program: Program) -> _Scales:
    """1 where no row is large: then the model is the program, unit for unit."""
    columns = program.columns
    starts, index, value = program.matrix
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    whole = columns.integer[index]
    activity = np.zeros(len(starts) - 1)
    np.add.at(activity, row[whole], np.abs(value[whole]) * columns.upper[index[whole]])
    for bound in program.row_bounds:
        activity = np.maximum(activity, np.where(np.isfinite(bound), np.abs(bound), 0.0))
    by_row = _down(activity)
    largest = np.zeros(len(columns.names))
    np.maximum.at(largest, index[~whole], np.abs(value * by_row[row])[~whole])
    by_column = np.ones(len(largest))
    shrunk = ~columns.integer & (largest > 0) & (largest < 0.5)
    by_column[shrunk] = 2.0 ** -np.floor(np.log2(largest[shrunk]))
    highest = float(np.abs(columns.cost * by_column).max(initial=0.0))
    goal = 1.0 if highest <= LARGEST_ACTIVITY else 2.0 ** -np.floor(np.log2(highest))
    return _Scales(by_row, by_column, goal)


def _down(activity: FloatArray) -> FloatArray:
    """The power of two that brings each above the largest below it."""
    return 2.0 ** -np.ceil(np.log2(np.maximum(activity / LARGEST_ACTIVITY, 1.0)))


def _model(highspy: Any, program: Program, scales: _Scales) -> Any:
    """The scaled program as a HighsLp, by rows."""
    columns = program.columns
    starts, index, value = program.matrix
    lower, upper = program.row_bounds
    row = np.repeat(np.arange(len(lower)), np.diff(starts))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns.names), len(lower)
    lp.sense_ = highspy.ObjSense.kMaximize if program.objective.maximize else highspy.ObjSense.kMinimize
    lp.col_cost_ = columns.cost * scales.column * scales.goal
    lp.col_lower_, lp.col_upper_ = columns.lower / scales.column, columns.upper / scales.column
    lp.row_lower_, lp.row_upper_ = lower * scales.row, upper * scales.row
    lp.integrality_ = [
        highspy.HighsVarType.kInteger if each else highspy.HighsVarType.kContinuous
        for each in columns.integer
    ]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = starts, index
    lp.a_matrix_.value_ = value * scales.row[row] * scales.column[index]
    return lp
