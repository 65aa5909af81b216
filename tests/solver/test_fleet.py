"""Every family and objective together: fleets, loads, node packing, user constraints, against brute force."""

from dataclasses import replace

import oracle
import pytest
from synthetic import fleet

from aicfg.solver.answer import Answer
from aicfg.solver.objectives import keeping, stages
from aicfg.solver.points import Ask, Points
from aicfg.solver.prune import prune
from aicfg.solver.scope import is_scannable
from aicfg.solver.solve import solve
from aicfg.solver.within import within


def plan_of(answer: Answer) -> dict[int, int]:
    """Workers by position."""
    return dict(zip(answer.points, answer.workers, strict=True))


def expected(points: Points, ask: Ask) -> tuple[int, dict[int, int]] | None:
    """The best figure and the one plan that the stages leave (where no scan does: of undominated points)."""
    scored = oracle.scored(points, ask)
    if not scored:
        return None
    top = min(score[:-1] for score, _ in scored)
    best = [(score, plan) for score, plan in scored if score[:-1] == top]
    if not is_scannable(points.take(within(points, ask)), ask):
        asked = ask
        for stage in stages(ask):
            asked = keeping(asked, stage, oracle.figure(points, ask, best[0][1], stage))
        asked = replace(asked, objective="any")
        allowed = within(points, asked)
        kept = set(allowed[prune(points.take(allowed), asked)].tolist())
        best = [(score, plan) for score, plan in best if set(plan) <= kept]
    return abs(top[0]), min(best, key=lambda each: each[0])[1]


def check(points: Points, ask: Ask, answer: Answer) -> None:
    """Status, value, bound and plan are those of brute force."""
    best = expected(points, ask)
    if best is None:
        assert (answer.status, answer.value) == ("infeasible", None)
    else:
        assert (answer.status, answer.value, answer.bound, answer.gap) == ("optimal", best[0], best[0], 0.0)
        assert plan_of(answer) == best[1]


@pytest.mark.parametrize("seed", range(315))
def test_all_families_against_brute_force(seed):
    """Modes, pools, nodes, types a role, objectives, loads and user constraints, drawn at random."""
    points, ask = fleet(seed)
    answer = solve(points, ask, "both")
    check(points, ask, answer)
    assert answer.checked_by == ("cpsat",)


@pytest.mark.parametrize("seed", range(0, 315, 10))
def test_the_same_plan_on_every_engine(seed):
    """Pyomo and CP-SAT alone lead to the plan of HiGHS, to the last worker."""
    points, ask = fleet(seed)
    plans = {engine: plan_of(solve(points, ask, engine)) for engine in ("highs", "cpsat", "pyomo")}
    assert plans["cpsat"] == plans["highs"] == plans["pyomo"]
