"""Pyomo: the same program with its names, in memory and in files."""

from dataclasses import replace

import highspy
import numpy as np
import pytest
from instances import AGG, AGG_POINTS, DISAGG, PAIR
from pyomo.contrib.appsi.base import TerminationCondition
from synthetic import join

from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.objectives import OBJECTIVES
from aicfg.solver.points import Pool
from aicfg.solver.program import state
from aicfg.solver.pyomo_model import ENDED, export, pyomo_model
from aicfg.solver.solve import solve

COUPLED = replace(DISAGG, request_latency_ns=390_000_000)


def test_every_termination_condition_is_mapped():
    """Each member of the engine's enum has an end of ours."""
    assert set(ENDED) == {each.name for each in TerminationCondition}


def test_the_model_carries_the_families_names():
    """A constraint for each family of the program, a variable for each kind, indexed by the rows' names."""
    program = state(PAIR, COUPLED)
    model = pyomo_model(program)
    assert {
        each.name for each in model.component_objects(ctype=__import__("pyomo.environ").environ.Constraint)
    } == set(program.families)
    assert set(model.gpu_budget) == {"h100_sxm"}
    assert model.n["decode_tp2_b16"].ub == 4
    assert "no more GPUs" in model.gpu_budget.doc


@pytest.mark.parametrize("ending", ("lp", "mps"))
@pytest.mark.parametrize(
    ("points", "ask", "value"), ((AGG_POINTS, AGG, 240), (PAIR, DISAGG, 160), (PAIR, COUPLED, 120))
)
def test_exported_files_are_the_program(points, ask, value, ending, tmp_path):
    """Another program reads the file, finds the optimum, and its names are readable."""
    path = tmp_path / f"model.{ending}"
    export(points, ask, path)
    engine = highspy._core._Highs()
    engine.setOptionValue("output_flag", False)
    engine.readModel(str(path))
    engine.run()
    assert engine.getInfo().objective_function_value == pytest.approx(value, rel=1e-9)
    text = path.read_text()
    assert "gpu_budget(h100_sxm)" in text and ("n(agg_" in text or "n(decode_" in text)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("types", (1, None))
def test_every_objective_is_exported(objective, types, tmp_path):
    """The file of a mixed fleet states the objective that was asked for, and its optimum."""
    points = join([PAIR, replace(AGG_POINTS, worker_type=AGG_POINTS.worker_type + 2)])
    ask = replace(
        DISAGG, mode="mixed", objective=objective, load=12_000_000, types_per_role=types,
        pools=(Pool("h100_sxm", 8, 8, 2_000_000),), request_latency_ns=600_000_000,
    )  # fmt: skip
    export(points, ask, tmp_path / "model.lp")
    engine = highspy._core._Highs()
    engine.setOptionValue("output_flag", False)
    engine.readModel(str(tmp_path / "model.lp"))
    engine.run()
    value = solve(points, ask).value
    assert value is not None
    found = engine.getInfo().objective_function_value * OBJECTIVES[objective].per_unit
    assert found == pytest.approx(value, rel=1e-9)


def test_other_endings_and_empty_programs_are_refused(tmp_path):
    """One clear line each."""
    with pytest.raises(UnsupportedAskError, match=r"neither \.lp nor \.mps"):
        export(PAIR, DISAGG, tmp_path / "model.txt")
    with pytest.raises(UnsupportedAskError, match="no point is within the bounds"):
        export(PAIR.take(np.zeros(0, np.int64)), DISAGG, tmp_path / "model.lp")
