"""The statement is held still: one golden text a family, and no family without one."""

import os
from dataclasses import replace
from pathlib import Path

import highspy
import pytest
from instances import AGG, AGG_POINTS, DISAGG, INSTANCES, PAIR

from aicfg.solver.lp_text import lp_text
from aicfg.solver.program import Program, state
from aicfg.solver.rows import FAMILIES, POINT_FILTERS
from aicfg.solver.within import within

GOLDEN = Path(__file__).parent / "lp"
COUPLED = replace(DISAGG, request_latency_ns=390_000_000)
AGG_FAMILIES = ("agg_rate",)
SEVERAL_TYPES = ("one_batch",)


def of_family(name: str) -> Program:
    """The rows of one family alone, on the smallest instance that has them."""
    points, ask = (AGG_POINTS, AGG) if name in AGG_FAMILIES else (PAIR, COUPLED)
    program = state(points, replace(ask, types_per_role=2) if name in SEVERAL_TYPES else ask)
    return replace(program, families={name: program.families[name]})


@pytest.mark.parametrize("name", FAMILIES)
def test_golden_text(name):
    """The family's rows read as stored. AICFG_WRITE_GOLDEN=1 writes them anew."""
    path = GOLDEN / f"{name}.lp"
    text = lp_text(of_family(name))
    if os.environ.get("AICFG_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_family_has_a_golden_file():
    """Nothing remains when the stored names are taken from the families, and the other way round."""
    assert {path.stem for path in GOLDEN.glob("*.lp")} == set(FAMILIES)


@pytest.mark.parametrize("each", [*FAMILIES.values(), *POINT_FILTERS.values()], ids=lambda each: each.name)
def test_families_explain_themselves(each):
    """Every family has a sentence and a formula for the documentation."""
    assert each.sentence.endswith(".") and each.formula and each.unit


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda each: each.name)
def test_names_are_unique_and_lp_safe(instance):
    """No two rows or columns share a name, and none holds what an LP file cannot."""
    program = state(instance.points.take(within(instance.points, instance.ask)), instance.ask)
    for names in (program.row_names, program.columns.names):
        assert len(set(names)) == len(names)
        assert not set("".join(names)) & set("[]|/: \\")


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda each: each.name)
def test_the_text_is_the_program(instance, tmp_path):
    """HiGHS reads the text and finds the optimum of the program, unpruned."""
    program = state(instance.points.take(within(instance.points, instance.ask)), instance.ask)
    if not program.points:
        return
    path = tmp_path / "program.lp"
    path.write_text(lp_text(program))
    engine = highspy._core._Highs()
    engine.setOptionValue("output_flag", False)
    engine.readModel(str(path))
    engine.run()
    status = engine.getModelStatus()
    if instance.value is None:
        assert status == highspy.HighsModelStatus.kInfeasible
    else:
        assert engine.getInfo().objective_function_value * 1e6 == pytest.approx(instance.value, rel=1e-9)
