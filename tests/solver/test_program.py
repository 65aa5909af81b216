"""The statement is held still: one golden text a family, and no family without one."""

import os
from dataclasses import replace
from pathlib import Path

import highspy
import numpy as np
import pytest
from instances import AGG, AGG_POINTS, DISAGG, INSTANCES, PAIR, agg
from synthetic import join, make_points

from aicfg.solver.capacity import Capacity, Offer, RequestClass, Step
from aicfg.solver.lp_text import lp_text
from aicfg.solver.points import Bound, Pool
from aicfg.solver.program import STATEMENT, Program, state
from aicfg.solver.rows import FAMILIES, POINT_FILTERS
from aicfg.solver.within import within

GOLDEN = Path(__file__).parent / "lp"
COUPLED = replace(DISAGG, request_latency_ns=390_000_000)
MIXED = join([PAIR, replace(AGG_POINTS, worker_type=AGG_POINTS.worker_type + 2)])
SIZES = make_points([agg(0, 1, 1, 10), agg(1, 3, 1, 40), agg(2, 12, 1, 200)])
NO_CHAIN = make_points([agg(0, 2, 1, 20), agg(1, 3, 1, 40)])
CLASSES = (RequestClass("chat", 10, 9, share=400_000), RequestClass("code", 20, 19, share=600_000))
NOW = Step("now", 1, (2_000_000, 3_000_000))
OF_CLASSES = join(
    [PAIR, replace(PAIR, request_class=PAIR.request_class + 1, request_rate=PAIR.request_rate // 2)]
)
PLANNED = replace(DISAGG, capacity=Capacity(CLASSES, (NOW,), spare_workers=1))
OFFERS = ((Offer("owned", 4, 0, True), Offer("on_demand", 4, 2_000_000, False)),)
DAY = Capacity(
    CLASSES[:1], (Step("day", 3600, (9_000_000,)), Step("night", 7200, (2_000_000,))), 600, offers=OFFERS
)
OVER_TIME = replace(DISAGG, capacity=DAY, objective="cost", pools=(Pool("h100_sxm", 8, 8, 2_000_000),))
TODAY = Capacity(CLASSES, (NOW,), current={0: 2, 1: 1}, change_cost=500_000)
CASES = {
    "time_share": (OF_CLASSES, PLANNED),
    "type_limit": (OF_CLASSES, PLANNED),
    "type_works": (PAIR, OVER_TIME),
    "class_share": (OF_CLASSES, PLANNED),
    "startup": (PAIR, OVER_TIME),
    "purchase": (PAIR, OVER_TIME),
    "changed": (OF_CLASSES, replace(DISAGG, capacity=TODAY, objective="gpus")),
    "agg_rate": (AGG_POINTS, AGG),
    "one_batch": (PAIR, replace(COUPLED, types_per_role=2)),
    "node_packing": (SIZES, replace(AGG, pools=(Pool("h100_sxm", 26, 8),))),
    "node_pattern": (NO_CHAIN, replace(AGG, pools=(Pool("h100_sxm", 20, 8),))),
    "worst_case": (MIXED, replace(DISAGG, mode="mixed", objective="request_latency")),
    "load_served": (MIXED, replace(DISAGG, mode="mixed", objective="gpus", load=12_000_000)),
    "reached": (
        PAIR,
        replace(DISAGG, reached=(Bound("tokens_per_s", True, 160_000_000), Bound("gpus", False, 8))),
    ),
    "user": (PAIR, replace(DISAGG, constraints=("prefill.workers <= 2 * decode.workers + 0.5",))),
    "user_comparison": (PAIR, replace(DISAGG, constraints=("2 * prefill.batch <= decode.batch",))),
    "no_good": (PAIR, replace(DISAGG, excluded=(frozenset({0, 1}),))),
}  # fmt: skip
"""The smallest instance of each family that the coupled pair does not have."""


PROGRAMS = {
    "aggregated": (AGG_POINTS, AGG),
    "disaggregated": (PAIR, COUPLED),
    "fleet": (
        replace(MIXED, pool=np.minimum(MIXED.worker_type, 1)),
        replace(
            DISAGG,
            mode="mixed",
            pools=(Pool("h100_sxm", 8, 8, 2_500_000), Pool("h200_sxm", 12, 8, 3_500_000)),
            types_per_role=2,
            objective="cost",
            load=20_000_000,
            constraints=("decode.tp >= prefill.tp", "prefill.gpus <= 2 * decode.gpus"),
        ),
    ),
}
"""Whole programs: one worker type a plan; a pair coupled by request latency; every kind of row of a fleet."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_whole_programs(name):
    """Columns, objective, all rows in their order and bounds read as stored."""
    path = GOLDEN / "programs" / f"{name}.lp"
    text = lp_text(state(*PROGRAMS[name]))
    if os.environ.get("AICFG_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def of_family(name: str) -> Program:
    """The rows of one family alone, on the smallest instance that has them."""
    program = state(*CASES.get(name, (PAIR, COUPLED)))
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


def test_every_family_is_in_the_statement():
    """What is declared as a family stands in the program, once."""
    assert sorted(each.__name__ for each in STATEMENT) == sorted(FAMILIES)


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
