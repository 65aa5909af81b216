"""The whole way from operating points to a proven answer."""

from time import perf_counter

from aicfg.solver.answer import Answer, Statistics
from aicfg.solver.certify import Settled, certify, make_answer
from aicfg.solver.check import check_input
from aicfg.solver.engines import check_agreement, engines_named
from aicfg.solver.objectives import objective_of
from aicfg.solver.points import Ask, IntArray, Points
from aicfg.solver.program import Program, state
from aicfg.solver.reduce import needed
from aicfg.solver.unique import unique
from aicfg.solver.within import of_mode, within


def solve(points: Points, ask: Ask, engine: str = "highs") -> Answer:
    """The proven best plan, or the proof that none exists.

    Objective, lexicographic: what ``ask.objective`` names (highest tokens/s); fewest GPUs; lowest TTFT, then
    TPOT; fewest worker types; canonical order (``order.canonical_keys``). With one type a role the proof is
    in exact integers; with more it is the engine's, to ``objectives.PRECISION``.

    Parameters
    ----------
    engine
        ``highs``, ``cpsat`` (the direct formulation), ``pyomo``, or ``both``: HiGHS, checked by CP-SAT.

    Raises
    ------
    NodePackingError, EnginesDisagree, EngineImpreciseError, InputError, UnsupportedAskError
        See there; each says in one line what is wrong.
    """
    started = perf_counter()
    check_input(points, ask)
    engines = engines_named(engine)
    allowed = within(points, ask)
    kept = allowed[needed(points.take(allowed), ask)]
    program = state(points.take(kept), ask)
    settled: Settled = {}
    outcomes = [certify(points, ask, allowed, run(points, ask, program, kept), settled) for run in engines]
    checked_by = check_agreement(outcomes, objective_of(ask).maximize)
    statistics = _statistics(points, ask, allowed, program)
    return make_answer(points, ask, outcomes[0], statistics, started, checked_by)


def _statistics(points: Points, ask: Ask, allowed: IntArray, program: Program) -> Statistics:
    considered = of_mode(points, ask)
    return Statistics(
        points_considered=len(considered),
        points_allowed=len(allowed),
        points_in_program=program.points,
        worker_types=len(unique(points.worker_type[considered])),
        rows=len(program.row_names),
        columns=len(program.columns.names),
    )
