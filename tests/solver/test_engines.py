"""Engines by name, and disagreement is loud."""

import pytest

from aicfg.model_specs.errors import InputError
from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.engines import ENGINES, check_agreement, engines_named
from aicfg.solver.errors import EnginesDisagree


def said(engine: str, ended: Ended, bound: int | None, plan: bool = True) -> Outcome:
    """An engine's end."""
    return Outcome(engine, "1", ended, {0: 1} if plan else None, bound)


OPTIMAL_5 = said("highs", Ended.PROVEN_OPTIMAL, 5)
INFEASIBLE = said("highs", Ended.PROVEN_INFEASIBLE, None, plan=False)


def test_names():
    """Known engines, both, and a close match for a misspelt one."""
    assert len(engines_named("both")) == 2
    assert all(engines_named(name) == (ENGINES[name],) for name in ENGINES)
    with pytest.raises(InputError, match=r"engine: 'high' is not one of .*did you mean 'highs'"):
        engines_named("high")


@pytest.mark.parametrize(
    ("first", "second"),
    (
        (OPTIMAL_5, said("cpsat", Ended.PROVEN_OPTIMAL, 6)),
        (OPTIMAL_5, said("cpsat", Ended.PROVEN_INFEASIBLE, None, plan=False)),
        (INFEASIBLE, said("cpsat", Ended.TIME_LIMIT, 9)),
        (OPTIMAL_5, said("cpsat", Ended.TIME_LIMIT, 4)),
    ),
)
def test_disagreement(first, second):
    """Other values, feasibility against infeasibility, a bound below the other's optimum; in either order."""
    for pair in ([first, second], [second, first]):
        with pytest.raises(EnginesDisagree, match=r"highs says .*cpsat says|cpsat says .*highs says"):
            check_agreement(pair)


def test_agreement():
    """The same proof confirms; an engine that ran out of time neither confirms nor contradicts."""
    assert check_agreement([OPTIMAL_5, said("cpsat", Ended.PROVEN_OPTIMAL, 5)]) == ("cpsat",)
    assert check_agreement([INFEASIBLE, said("cpsat", Ended.PROVEN_INFEASIBLE, None, plan=False)]) == (
        "cpsat",
    )
    assert check_agreement([OPTIMAL_5, said("cpsat", Ended.TIME_LIMIT, 9)]) == ()
    assert check_agreement([OPTIMAL_5, said("cpsat", Ended.TIME_LIMIT, None, plan=False)]) == ()
