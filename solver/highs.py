"""The program on HiGHS, straight from its arrays, to a gap of exactly 0."""

from typing import Any

import numpy as np

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.program import Program

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


def solve_highs(program: Program, time_limit_s: float | None) -> Outcome:
    """Solve ``program``; counts are by position among its points.

    ``bound`` is HiGHS's dual bound in micro-tokens/s, rounded to the nearest integer (its error is far below
    one half); the caller holds it against the exact value.
    """
    import highspy

    engine = highspy._core._Highs()  # highspy.Highs() prints a banner on standard output
    for name, value in OPTIONS.items():
        engine.setOptionValue(name, value)
    if time_limit_s is not None:
        engine.setOptionValue("time_limit", float(time_limit_s))
    engine.passModel(_model(highspy, program))
    if engine.run() == highspy.HighsStatus.kError:
        # Someone ran HiGHS in this process with more threads; their number is fixed, only 0 accepts it.
        engine.setOptionValue("threads", 0)
        engine.run()
    ended = ENDED[engine.getModelStatus().name]
    info = engine.getInfo()
    counts = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        values = np.rint(np.array(engine.getSolution().col_value[: program.points])).astype(np.int64)
        counts = {int(p): int(values[p]) for p in np.flatnonzero(values)}
    return Outcome("highs", engine.version(), ended, counts, micro_bound(info.mip_dual_bound, ended))


def micro_bound(tokens_per_s: float, ended: Ended) -> int | None:
    """An engine's dual bound in micro-tokens/s; None where it has none."""
    if (
        ended in (Ended.PROVEN_INFEASIBLE, Ended.ERROR)
        or not np.isfinite(tokens_per_s)
        or abs(tokens_per_s) >= 1e12
    ):
        return None
    return round(tokens_per_s * 1e6)


def _model(highspy: Any, program: Program) -> Any:
    """The program as a HighsLp, by rows."""
    columns = program.columns
    starts, index, value = program.matrix
    lower, upper = program.row_bounds
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns.names), len(lower)
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = columns.cost, columns.lower, columns.upper
    lp.row_lower_, lp.row_upper_ = lower, upper
    lp.integrality_ = [
        highspy.HighsVarType.kInteger if each else highspy.HighsVarType.kContinuous
        for each in columns.integer
    ]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = starts, index, value
    return lp
