"""Experiments that plan capacity, from YAML to plan: on real curves of a small search."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from aicfg.experiments.api import ready, solve, solve_ready
from aicfg.experiments.ask.loader import load
from aicfg.experiments.ask.options import Options
from aicfg.experiments.cli import main
from aicfg.experiments.deploy.deployment import deployment
from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.reports.plan import report_text
from aicfg.model_specs.errors import InputError

SMALL = {"tp": [1, 2, 4], "pp": [1], "max_batch": 64}
BASE = {
    "model": "Qwen/Qwen3-32B",
    "workload": {"isl": 3000, "osl": 300},
    "sla": {"ttft_ms": 2000, "tpot_ms": 25},
    "fleet": {"system": "h100_sxm", "gpus": 64},
    "serving": {"search": {"agg": SMALL, "prefill": SMALL, "decode": SMALL}},
    "objective": "gpus",
}
CHAT = {"name": "chat", "isl": 1500, "osl": 300, "requests_per_s": 6}
CODE = {"name": "code", "isl": 6000, "osl": 400, "requests_per_s": 2, "sla": {"ttft_ms": 4000, "tpot_ms": 30}}


def plan_of(**changes) -> Plan:
    """The plan of the base experiment with keys replaced, checked by the second engine."""
    return solve({**BASE, **changes}, engine="both")


def test_classes_share_the_workers():
    """Every class is served at its rate within its own agreement, in the workers' time, proven twice."""
    plan = plan_of(workload={"classes": [CHAT, CODE]})
    assert plan.status == "optimal" and plan.certificate.checked_by == ("cpsat",)
    assert plan.certificate.recomputed == plan.objective.value == plan.gpus_used
    chat, code = plan.capacity.classes
    assert chat.served_per_s >= 6 * (1 - 1e-6) and code.served_per_s >= 2 * (1 - 1e-6)
    assert chat.ttft_ms <= 2000 and chat.tpot_ms <= 25 and code.ttft_ms <= 4000 and code.tpot_ms <= 30
    for number, pool in enumerate(plan.pools):
        busy = sum(w.workers for each in (chat, code) for w in each.work if w.pool == number)
        assert busy <= pool.workers + 1e-6


def test_one_class_is_the_plain_experiment():
    """A list of one class without anything else gives the plan of the same lengths."""
    load_ = {"requests_per_s": 8}
    plain = plan_of(load=load_)
    listed = plan_of(load=load_, workload={"classes": [{"isl": 3000, "osl": 300}]})
    assert (plain.objective.value, plain.mode) == (listed.objective.value, listed.mode)
    assert (plain.gpus_used, len(plain.pools)) == (listed.gpus_used, len(listed.pools))


def test_the_most_tokens_in_given_shares():
    """Without a load the classes are served in their shares, and the value is priced afresh."""
    shares = [{**CHAT, "share": 3, "requests_per_s": None}, {**CODE, "share": 1, "requests_per_s": None}]
    plan = plan_of(
        workload={"classes": shares}, objective="tokens_per_s", fleet={"system": "h100_sxm", "gpus": 8}
    )
    chat, code = plan.capacity.classes
    assert chat.served_per_s == pytest.approx(3 * code.served_per_s, rel=1e-5)
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value, rel=1e-5)


def test_headroom_is_paid_and_waited_for():
    """Peaks and a utilisation multiply what must be possible, and the wait counts in the latencies."""
    bare = plan_of(load={"requests_per_s": 8})
    busy = plan_of(load={"requests_per_s": 8, "peak": 1.5, "utilisation": 0.7})
    assert busy.gpus_used > bare.gpus_used
    (one,) = busy.capacity.classes
    assert one.served_per_s >= 8 * 1.5 / 0.7 * (1 - 1e-6)
    assert all(work.waiting_ms > 0 for work in one.work)
    assert busy.ttft_ms <= 2000 and busy.tpot_ms <= 25


def test_spares_are_workers_more():
    """With one worker of each role lost, or a node, the load is still served."""
    bare = plan_of(load={"requests_per_s": 8})
    one = plan_of(load={"requests_per_s": 8}, spare=1)
    node = plan_of(load={"requests_per_s": 8}, spare={"nodes": 1})
    assert bare.gpus_used < one.gpus_used <= node.gpus_used
    for plan in (one, node):
        for number, (pool, lost) in enumerate(zip(plan.pools, plan.capacity.spare_workers, strict=True)):
            busy = sum(w.workers for each in plan.capacity.classes for w in each.work if w.pool == number)
            assert lost >= 1 and busy <= pool.workers - lost + 1e-6
    lost = [max(1, 8 // pool.gpus_per_worker) for pool in node.pools]
    assert list(node.capacity.spare_workers) == lost


def test_a_day_lies_between_its_steps_and_its_peak(tmp_path):
    """GPU-hours with starts; every step's load is possible; csv and png are written."""
    (tmp_path / "day.csv").write_text("time,requests_per_s\n0,2\n8,9\n12,6\n18,12\n22,3\n")
    file = tmp_path / "day.yaml"
    file.write_text(json.dumps({**BASE, "load": {"profile": "day.csv", "startup_minutes": 15}}))
    plan = solve(file, engine="both")
    assert plan.objective.name == "gpu_hours" and plan.certificate.checked_by == ("cpsat",)
    assert plan.certificate.recomputed == pytest.approx(plan.objective.value)
    assert all(step.capacity_per_s >= step.requests_per_s * (1 - 1e-6) for step in plan.capacity.steps)
    held = plan_of(load={"requests_per_s": 12}).gpus_used * 24
    assert sum(step.gpus * step.hours for step in plan.capacity.steps) <= plan.objective.value <= held
    code = main(["solve", str(file), "--csv", str(tmp_path / "out.csv"), "--png", str(tmp_path / "out.png")])
    assert code == 0 and (tmp_path / "out.csv").read_text().count("\n") == 6
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_replanning_weighs_changes(tmp_path):
    """Kept, added and removed add up; what changes cost is in the value; never keeps what serves."""
    today = plan_of(load={"requests_per_s": 8})
    (tmp_path / "today.json").write_text(today.to_json())
    replan = {"current": str(tmp_path / "today.json"), "change_cost": 1.5}
    plan = plan_of(load={"requests_per_s": 11}, replan=replan)
    found = plan.capacity.changes
    assert found.kept + found.removed == sum(pool.workers for pool in today.pools)
    assert found.kept + found.added == sum(pool.workers for pool in plan.pools)
    assert plan.objective.value == plan.gpus_used + 1.5 * (found.added + found.removed)
    assert found.free <= plan.gpus_used and found.today is None
    less = solve({**BASE, "load": {"requests_per_s": 6}, "replan": {**replan, "change_cost": "never"}})
    assert less.capacity.changes.added == less.capacity.changes.removed == 0
    assert less.capacity.changes.today == today.gpus_used >= less.capacity.changes.free


def test_offers_are_bought_cheapest_first():
    """Owned GPUs cost nothing, and what is on demand is bought last; the cost adds up."""
    offers = [
        {"kind": "on_demand", "gpus": 40, "price_per_gpu_hour": 4},
        {"kind": "reserved", "gpus": 4, "price_per_gpu_hour": 2},
        {"kind": "owned", "gpus": 2},
    ]
    plan = plan_of(
        load={"requests_per_s": 10}, objective="cost", fleet={"system": "h100_sxm", "purchase": offers}
    )
    taken = {each.kind: each.gpus[0] for each in plan.capacity.bought}
    assert taken["owned"] == 2 and taken["reserved"] == 4 and sum(taken.values()) == plan.gpus_used
    assert plan.objective.value == 2 * 4 + 4 * taken["on_demand"] == plan.certificate.recomputed


def test_a_trace_is_reduced_and_the_report_says_what_it_changes(tmp_path):
    """Classes by length with their error; the objective by the number of classes."""
    rows = [(0.1 * i, 800 + 37 * (i % 11), 100 + 7 * (i % 5)) for i in range(300)]
    rows += [(0.1 * i + 0.05, 7000, 300) for i in range(0, 300, 6)]
    text = "".join(f"{t},{isl},{osl}\n" for t, isl, osl in rows)
    (tmp_path / "requests.csv").write_text(f"arrival,isl,osl\n{text}")
    plan = plan_of(workload={"trace": str(tmp_path / "requests.csv"), "reduce_to": 4})
    found = plan.capacity.reduction
    assert found.requests == 350 and list(found.values) == ["1", "2", str(len(plan.capacity.classes))]
    assert 0 < found.work_error < 0.05
    assert sum(each.requests_per_s for each in plan.capacity.classes) == pytest.approx(349 / 29.9, rel=0.02)
    assert "tokens are kept" in report_text(plan)


def test_the_plan_can_be_asked_again_and_deployed():
    """Inputs load again to the same experiment, the JSON to the same plan, and manifests hold every class."""
    plan = plan_of(workload={"classes": [CHAT, CODE]}, spare=1, load={"peak": 1.2})
    (again,) = load(plan.inputs)
    assert again == ready(again).experiment == load({**plan.inputs})[0]
    assert solve_ready(ready(again), Options()).objective == plan.objective
    assert Plan.from_json(plan.to_json()) == plan
    assert deployment(plan, Settings()) is not None


def test_too_few_gpus_are_explained():
    """Exit code 3, and how many GPUs it takes: with them there is a plan, with one less none."""
    small = {**BASE, "fleet": {"system": "h100_sxm", "gpus": 4}, "workload": {"classes": [CHAT, CODE]}}
    plan = solve(small)
    assert plan.exit_code == 3 and "too few" in plan.explanation.text
    needed = int(plan.explanation.combined["fleet.gpus"])
    for gpus, status in ((needed, "optimal"), (needed - 1, "infeasible")):
        assert solve({**small, "fleet": {"system": "h100_sxm", "gpus": gpus}}, explain=False).status == status


def test_a_class_out_of_reach_is_named():
    """An agreement that no worker keeps is said with the best latencies."""
    fast = {**CODE, "sla": {"ttft_ms": 5}}
    plan = solve({**BASE, "workload": {"classes": [CHAT, fast]}})
    assert plan.exit_code == 3 and "class code" in plan.explanation.text
    assert plan.explanation.conflict == ("workload.classes[1]",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workload": {"isl": 3000, "osl": 300, "classes": [CHAT]}}, "workload.isl: given beside classes"),
        ({"workload": {"trace": "a.csv", "classes": [CHAT]}}, "workload.trace: given beside classes"),
        ({"workload": {"classes": [{**CHAT, "share": 1}]}}, "workload.classes[0].share: given beside"),
        ({"workload": {"classes": [CHAT, {**CHAT}]}}, "workload.classes[1].name: 'chat' is the name of"),
        ({"workload": {"classes": [{**CHAT, "prefix": 1500}]}}, "workload.classes[0].prefix: got 1500"),
        ({"load": {"requests_per_s": 5, "utilisation": 1.0}}, "load.utilisation: got 1.0; expected a share"),
        ({"load": {"requests_per_s": 5, "peak": 0.5}}, "load.peak: got 0.5; expected a factor from 1"),
        ({"load": {"profile": "none.csv"}}, "load.profile: none.csv: cannot be read"),
        ({"workload": {"trace": "none.csv"}}, "workload.trace: none.csv: cannot be read"),
        ({"spare": -1, "load": {"requests_per_s": 5}}, "spare.workers: got -1"),
        ({"spare": 1}, "objective gpus needs what must be served"),
        ({"replan": {"current": "none.json"}, "load": {"requests_per_s": 5}}, "replan.current: none.json"),
        ({"objective": "ttft", "spare": 1, "load": {"requests_per_s": 5}}, "objective: got ttft"),
        (
            {"workload": {"distribution": {"isl": {"p50": 9, "px": 10}, "osl": {"p50": 9, "p90": 10}}},
             "load": {"requests_per_s": 5}},
            "workload.distribution.isl: got 'px'",
        ),
    ],
)  # fmt: skip
def test_faults_are_one_line(changes, words):
    """The key, what was given, what would be accepted."""
    with pytest.raises(InputError) as error:
        solve({**BASE, **changes})
    assert words in str(error.value).splitlines()[0]


def test_a_time_limit_is_honest(monkeypatch):
    """Stopped before the proof: the plan in hand is feasible, with the gap that the bound leaves."""
    from aicfg.solver import highs
    from aicfg.solver.answer import Ended

    def stopped(program, time_limit_s):
        outcome = solved(program, time_limit_s)
        return replace(outcome, ended=Ended.TIME_LIMIT, bound=outcome.bound - 3_000_000)

    solved = highs.solve_highs
    monkeypatch.setattr(highs, "solve_highs", stopped)
    plan = solve({**BASE, "load": {"requests_per_s": 8, "peak": 1.1}})
    assert plan.status == "feasible"
    assert plan.certificate.bound == plan.objective.value - 3
    assert plan.certificate.gap == pytest.approx(3 / plan.objective.value)


def test_other_commands_refuse_in_one_line(tmp_path, capsys):
    """What only solve can answer is said so."""
    file = tmp_path / "classes.yaml"
    file.write_text(json.dumps({**BASE, "workload": {"classes": [CHAT]}, "load": {"peak": 2}}))
    assert main(["whatif", str(file), "--set", "fleet.gpus=16"]) == 2
    assert "aicfg solve" in capsys.readouterr().err


SCRIPTS = sorted((Path(__file__).parents[3] / "examples" / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_short(script):
    """Each program imports aicfg, compiles, and has fewer than 40 lines."""
    text = script.read_text()
    assert text.count("\n") < 40 and "\nimport aicfg\n" in text
    compile(text, script.name, "exec")


def test_plain_experiments_show_no_new_keys():
    """What nobody asked about does not appear in the inputs of a plan."""
    plan = solve({**BASE, "load": {"requests_per_s": 4}})
    assert plan.capacity is None and plan.inputs["workload"] == {"isl": 3000, "osl": 300, "prefix": 0}
    assert plan.inputs["load"] == {"requests_per_s": 4.0} and not {"spare", "replan"} & set(plan.inputs)
    assert msgspec.json.decode(plan.to_json())["capacity"] is None
