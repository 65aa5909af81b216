"""The report: complete, narrow, plain in a pipe."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.api import solve
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.reports.parts import WIDTH
from aicfg.experiments.reports.plan import print_report, report_text
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.resolve import catalogue_config


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The plan of the first example, with smaller batches."""
    mapping: dict[str, Any] = {
        "name": "first",
        "model": "Qwen/Qwen3-32B",
        "workload": {"isl": 4000, "osl": 500},
        "sla": {"ttft_ms": 600, "tpot_ms": 10},
        "fleet": {"system": "h100_sxm", "gpus": 32},
        "serving": {
            "search": {
                "prefill": {"pp": [1]},
                "decode": {"max_batch": 64, "pp": [1]},
                "agg": {"max_batch": 32, "pp": [1]},
            }
        },
    }
    return solve(mapping)


def line(text: str, label: str) -> str:
    """The line of the report that begins with ``label``."""
    return next(each for each in text.splitlines() if each.startswith(label))


def test_everything_asked_for_is_there(plan: Plan) -> None:
    """Plan, GPUs, latency with margin, memory, runner-up, certificate and provenance, each on its line."""
    text = report_text(plan)
    prefill, decode = plan.pools
    assert "Qwen/Qwen3-32B on 32 × h100_sxm with vllm" in text
    assert "Disaggregated  " in text
    assert "✓ proven optimal" in text
    assert re.match(
        rf"prefill +{prefill.workers} × tp{prefill.tp} +{prefill.gpus} +1 ", line(text, "prefill")
    )
    assert f"{decode.memory_gib.used:.1f}/{decode.memory_gib.limit:.1f} GiB" in line(text, "decode")
    idle = 32 - (plan.gpus_used or 0)
    unused = f", {idle} idle" if idle else ""
    assert line(text, "GPUs").endswith(f" {prefill.gpus} prefill, {decode.gpus} decode{unused}")
    assert re.search(r"\d ms of 600 ms, [\d.]+ % to spare$", line(text, "TTFT"))
    assert re.search(r"\d ms, counts as [\d.]+ of 10 ms, .* to spare$", line(text, "TPOT"))
    assert re.search(r"aggregated, \d+ % less: ", line(text, "runner-up"))
    assert re.search(r"HiGHS bound .*, gap 0, recomputed .* points, \d+ ms$", line(text, "proof"))
    assert "h100_sxm vllm" in line(text, "rests on")
    assert re.search(r"^ +time [\d.]+ % interpolated, [\d.]+ % plain memory passes", text, re.MULTILINE)


def test_a_pipe_gets_plain_narrow_lines(plan: Plan) -> None:
    """No control characters, no trailing blanks, nothing wider than the report's width."""
    text = report_text(plan)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert all(each == each.rstrip() and len(each) <= WIDTH for each in text.splitlines())


@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_gets_the_same_words(plan: Plan, color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour adds escape sequences only; --no-color leaves out every colour."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    print_report(plan, file, color=color)
    colours = re.findall(r"\x1b\[[\d;]*m", file.getvalue())
    assert any(re.search(r"[;\[]3[0-7][;m]", code) for code in colours) == color
    plain = re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())
    assert plain.split() == report_text(plan).split()


def test_eighty_columns_are_enough(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns no figure is cut off, for either mode."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for each in (plan, *plan.alternatives):
        file = Terminal()
        print_report(each, file, color=False)
        assert "…" not in file.getvalue()


def test_an_aggregated_plan_shows_its_chunk(plan: Plan) -> None:
    """The chunk budget is a column of aggregated workers only."""
    (other,) = plan.alternatives
    assert " chunk " in report_text(other)
    assert f"{other.pools[0].chunk_tokens:,}" in line(report_text(other), "agg")
    assert " chunk " not in report_text(plan)


def test_a_plan_without_proof_says_so(plan: Plan) -> None:
    """A plan whose engine was stopped shows what could still be gained."""
    stopped = replace(plan, status="feasible", certificate=replace(plan.certificate, gap=0.031))
    assert "not proven: a plan up to 3.1 % better may exist" in report_text(stopped)
    unbounded = replace(plan, status="feasible", certificate=replace(plan.certificate, gap=None, bound=None))
    assert "not proven: the engine has no bound yet" in report_text(unbounded)


def test_nothing_in_hand(plan: Plan) -> None:
    """Stopped without a plan is one sentence."""
    nothing = replace(plan, status="unknown", pools=())
    assert report_text(nothing).splitlines()[-1] == "Stopped before a plan or a proof was found."


def test_infeasible_in_words_and_figures(plan: Plan) -> None:
    """An infeasible experiment shows the sentence, and what each change would give."""
    inputs = {**plan.inputs, "sla": {"ttft_ms": 50, "tpot_ms": 10}}
    infeasible = solve(inputs)
    text = report_text(infeasible)
    assert infeasible.explanation is not None
    needed = infeasible.explanation.relaxations[0].needed
    assert f"TTFT 50 ms is below the fastest prefill that the rest allows, {needed:g} ms" in text
    assert re.search(rf"sla.ttft_ms +50 +{needed:g} +[\d,.]+ tokens/s, 4 × tp8 agg", text)
    assert "no change of it alone is enough" in line(text, "sla.tpot_ms")


def test_thousands_of_gpus_fit_the_bar(plan: Plan) -> None:
    """The GPU bar stays within its cells for large fleets."""
    many = tuple(replace(pool, workers=pool.workers * 100) for pool in plan.pools)
    used = sum(pool.gpus for pool in many)
    text = report_text(replace(plan, pools=many, gpus_used=used, gpus_budget=3200))
    assert len(re.findall("[■·]", line(text, "GPUs"))) == 32


def test_a_mixture_of_experts_and_its_drafts() -> None:
    """Batches count by attention rank, experts have their format, drafts and data mode are said."""
    mapping: dict[str, Any] = {
        "name": "mixture",
        "model": "openai/gpt-oss-120b",
        "workload": {"isl": 1000, "osl": 100},
        "fleet": {"system": "h100_sxm", "gpus": 8},
        "serving": {
            "mode": "agg",
            "data_mode": "hybrid",
            "speculative": {"nextn": 2, "acceptance_rates": [0.8, 0.5]},
            "search": {"agg": {"dp": [4], "pp": [1], "tp": [2], "moe_ep": [8], "batch": [4]}},
        },
    }
    text = report_text(solve(mapping))
    formats = "weights bfloat16, experts w4a16_mxfp4, KV bfloat16; 2 drafted a step, 1.2 kept"
    assert line(text, "weights") == formats
    assert " batch × ranks " in text
    assert re.match(r"agg +1 × tp2dp4ep8 +8 +4 × 4 ", line(text, "agg"))
    assert line(text, "in flight").endswith(" 16 requests")
    assert line(text, "rests on").endswith("; data mode hybrid")


def test_an_assumed_family_is_said(tmp_path: Path) -> None:
    """A model of an unknown class goes on only as the family that was named, and the report says so."""
    config = catalogue_config("Qwen/Qwen3-0.6B")
    assert config is not None
    (tmp_path / "config.json").write_text(json.dumps({**config[1], "architectures": ["NobodysForCausalLM"]}))
    mapping: dict[str, Any] = {
        "model": str(tmp_path),
        "workload": {"isl": 1000, "osl": 100},
        "fleet": {"system": "h100_sxm", "gpus": 1},
        "serving": {"mode": "agg", "search": {"agg": {"max_batch": 4}}},
    }
    with pytest.raises(InputError, match="'NobodysForCausalLM' is not known"):
        solve(mapping)
    with pytest.raises(InputError, match="'lama' cannot be assumed; accepted: llama, moe; did you mean"):
        solve({**mapping, "assume_family": "lama"})
    text = report_text(solve({**mapping, "assume_family": "llama"}))
    assert line(text, "model") == "model     NobodysForCausalLM read as llama (assumed)"


def test_the_speed_of_light_rests_on_no_table() -> None:
    """A system without tables is solved at the speed of light, and the report says so."""
    mapping: dict[str, Any] = {
        "model": "Qwen/Qwen3-8B",
        "workload": {"isl": 1000, "osl": 100},
        "fleet": {"system": "l4", "gpus": 2},
        "serving": {"mode": "agg", "data_mode": "sol", "search": {"agg": {"max_batch": 4}}},
    }
    text = report_text(solve(mapping))
    assert text.startswith("Qwen/Qwen3-8B on 2 × l4 with vllm\n")
    assert line(text, "rests on") == "rests on  no tables; profile aicfg; data mode sol"
    assert "          time 100 % speed of light\n" in text


def test_a_wide_table_keeps_every_figure(plan: Plan) -> None:
    """Named pools of wide worker types with chunks: nothing is cut, closer columns and no bars instead."""
    wide = replace(
        plan.pools[0], pool="h100_sxm", tp=4, pp=8, dp=2, moe_tp=1, moe_ep=8, workers=128, chunk_tokens=4096
    )
    pools = tuple(replace(wide, role=role) for role in ("agg", "prefill", "decode"))
    text = report_text(replace(plan, pools=pools))
    table = [row for row in text.splitlines() if row.startswith(("role", "agg ", "prefill ", "decode "))]
    assert len(table) == 4
    assert all(len(row) <= WIDTH and "…" not in row for row in table)
    assert all("128 × tp4pp8dp2ep8" in row and "4,096" in row and row.endswith("GiB") for row in table[1:])


def test_brackets_are_shown_as_they_are(plan: Plan) -> None:
    """A list in a constraint is no style, and a name between colons no picture."""
    texts = ["decode.quant.kvcache in [bfloat16]", "decode.pool == ':smile:'"]
    text = report_text(replace(plan, inputs=plan.inputs | {"constraints": texts}))
    assert all(f"holds     {each}\n" in text for each in texts)
