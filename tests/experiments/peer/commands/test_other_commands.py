"""The commands beside ``default`` and ``exp``: loads, layouts, verdicts, single points, small helpers."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from aicfg import __version__
from aicfg.experiments.ask.loader import load
from aicfg.experiments.cli import main
from aicfg.experiments.peer.commands.completion import grammar
from aicfg.experiments.peer.commands.estimate import _parser, own_words
from aicfg.experiments.peer.commands.flags import COMMANDS
from aicfg.experiments.peer.commands.small import json_schema

from ..conftest import MISSION, Plans

MODEL = ("--model", "Qwen/Qwen3-32B-FP8", "--system", "h100_sxm", "--backend", "vllm")
SHORT = ("--isl", "2000", "--osl", "200")


def test_recommend_is_the_smallest(plans: Callable[..., Plans]) -> None:
    """One GPU fewer does not serve the load, in either mode."""
    rate = 20.0
    found = plans("recommend", *MODEL, *SHORT, "--target-request-rate", rate, "--database-mode", "SILICON")
    for plan in found:
        tokens = rate * (200 if plan["mode"] == "disagg" else 199)
        fewer = ("--total-gpus", plan["gpus_budget"] - 1, "--serving-mode", plan["mode"])
        (less,) = plans("default", *MODEL, *SHORT, *fewer)
        assert plan["tokens_per_s"] >= tokens * (1 - 1e-9)
        assert less["tokens_per_s"] < tokens


def test_recommend_says_what_is_needed(report: Callable[..., str]) -> None:
    """GPUs of each mode, and the load in words; also as ``default`` without a budget."""
    text = report("default", *MODEL, *SHORT, "--target-concurrency", "200")
    assert "Load: 200 requests in flight = " in text
    assert "agg GPUs needed: " in text
    assert "disagg GPUs needed: " in text


def test_recommend_that_nothing_serves(report: Callable[..., str]) -> None:
    """Where the agreement cannot be met, no number of GPUs helps."""
    text = report("recommend", *MODEL, *SHORT, "--target-request-rate", "5", "--tpot", "1", code=3)
    assert "agg GPUs needed: no number serves it" in text


def test_generate(tmp_path: Path, report: Callable[..., str]) -> None:
    """The smallest layout that holds the model, with files that start it."""
    words = ("--total_gpus", "8", "--save_dir", tmp_path)
    text = report(
        "generate", "--model", "Qwen/Qwen3-32B", "--system", "h100_sxm", "--backend", "vllm", *words
    )
    assert "TP=2, PP=1" in text
    assert "4 (each using 2 GPUs" in text
    (folder,) = tmp_path.iterdir()
    assert (folder / "agg" / "k8s_deploy.yaml").exists()


def test_generate_that_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3, what would fit, and no file."""
    words = ["--total-gpus", "2", "--system", "h100_sxm", "--backend", "vllm", "--save-dir", str(tmp_path)]
    assert main(["generate", "--model-path", "meta-llama/Meta-Llama-3.1-405B", *words]) == 3
    message = capsys.readouterr().err
    assert "756 GiB of weights" in message
    assert "it would fit 16 GPUs (tp 8 pp 2" in message
    assert not list(tmp_path.iterdir())


def test_generate_by_force(tmp_path: Path, report: Callable[..., str]) -> None:
    """What does not fit the budget is written with the GPUs that it takes, and says so."""
    words = ("--total-gpus", "2", "--system", "h100_sxm", "--backend", "vllm", "--save-dir", tmp_path)
    text = report("generate", "--model-path", "meta-llama/Meta-Llama-3.1-405B", *words, "--force")
    assert "TP=8, PP=2" in text
    assert "Forced: it takes 16 GPUs, more than the 2 of the budget." in text
    (folder,) = tmp_path.iterdir()
    assert (folder / "agg" / "k8s_deploy.yaml").exists()


def test_support(report: Callable[..., str], refused: Callable[..., str]) -> None:
    """Both answers; a no is 0 with the reason and what is nearest; an unknown name is 2."""
    text = report("support", "--model-path", "Qwen/Qwen3-32B", "--system", "h100_sxm")
    assert "Aggregated Support:     YES" in text
    assert "Disaggregated Support:  YES" in text
    text = report(
        "support", "--model_path", "deepseek-ai/DeepSeek-V3", "--system", "a100", "--backend", "sglang"
    )
    assert "Aggregated Support:     NO" in text
    assert "Closest supported:      sglang on b200_sxm" in text
    assert "unknown GPU system" in refused("support", "--model-path", "Qwen/Qwen3-32B", "--system", "h999")
    assert text.count("Model:") == 1
    every = report("support", "--model-path", "Qwen/Qwen3-32B", "--system", "h100", "--backend", "all")
    assert every.count("Model:") == 3


def test_estimate_in_the_peers_flags(report: Callable[..., str]) -> None:
    """The same command answers both vocabularies, to the same figures."""
    theirs = report(
        *("estimate", "--model-path", "Qwen/Qwen3-32B-FP8", "--system", "h100_sxm", "--backend", "vllm"),
        *("--tp", "2", "--batch-size", "32"),
    )
    ours = report(
        *("estimate", *MODEL, "--isl", "1024", "--osl", "1024"),
        *("--role", "agg", "--tp", "2", "--batch", "32"),
    )
    assert theirs == ours


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "--estimate-mode disagg --p-tp 2 --d-tp 4 --p-bs 1 --d-bs 64 --p-workers 2 --d-workers 3",
            "--tp 2/4 --batch 1/64 --workers 2/3",
        ),
        ("--tp 4 --etp 2 --ep 2 --pp 1 --dp 1", "--tp 4 --pp 1 --dp 1 --moe-tp 2 --moe-ep 2 --batch 128"),
        ("--estimate-mode static_gen --bs 8 --tp 2", "--tp 2 --batch 8"),
        ("--ctx-tokens 512", "--batch 128 --chunk 512"),
        (
            "--gemm-quant-mode fp8 --nextn 1 --nextn-accepted 0.8 --backend-version 0.24.0 --prefix 5",
            "--batch 128 --set workload.prefix=5 --set serving.version='0.24.0'"
            " --set serving.speculative.nextn=1 --set serving.speculative.accepted=0.8"
            " --set serving.quant.gemm=fp8",
        ),
    ],
)
def test_flags_of_estimate(given: str, wanted: str) -> None:
    """Each of the peer's flags in the words of our own command."""
    parsed = _parser().parse_args(["--model", "m", "--system", "s", *given.split()])
    said = own_words(parsed)
    assert " ".join(said[said.index("--osl") + 2 :]) == wanted


def test_convert(tmp_path: Path, report: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """A nested file in our own form solves to what ``exp`` finds."""
    old = MISSION / "qwen3-32b-disagg.yaml"
    ours = tmp_path / "ours.yaml"
    ours.write_text(report("convert", old), encoding="utf-8")
    (experiment,) = load(ours)
    assert experiment.fleet.gpus == 16
    assert main(["solve", str(ours), "--json"]) == 0
    solved = json.loads(capsys.readouterr().out)
    assert main(["exp", "--yaml-path", str(old), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["pools"] == solved["pools"]


def test_convert_keeps_what_is_not_modelled_as_a_comment(tmp_path: Path, report: Callable[..., str]) -> None:
    """So that nothing disappears silently."""
    old = tmp_path / "old.yaml"
    text = (MISSION / "qwen3-32b-agg.yaml").read_text(encoding="utf-8")
    old.write_text(text.replace("  mode: patch\n", "  mode: patch\n  enable_eplb: true\n"), encoding="utf-8")
    assert report("convert", old).startswith("# qwen3-32b-agg: not modelled: enable_eplb true\n")


def test_schema(report: Callable[..., str]) -> None:
    """The JSON schema names every key of an experiment, with what it accepts."""
    schema = json.loads(report("schema"))
    assert schema == json.loads(json.dumps(json_schema()))
    experiment = schema["$defs"]["Experiment"]
    assert set(experiment["required"]) == {"model", "workload", "fleet"}
    assert experiment["properties"]["profile"]["title"] == "Coefficients"
    one, several = schema["$defs"]["Serving"]["properties"]["backend"]["anyOf"]
    assert one["enum"] == several["items"]["enum"] == ["sglang", "trtllm", "vllm"]
    assert "required" not in schema["$defs"]["SharedExperiment"]


@pytest.mark.parametrize("example", sorted(MISSION.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_of_the_schema(example: Path) -> None:
    """An editor that checks by the schema finds no fault with what can be solved, short forms and all."""
    document = yaml.safe_load(example.read_text(encoding="utf-8"))
    faults = [fault.message for fault in Draft202012Validator(json_schema()).iter_errors(document)]
    assert faults == []


@pytest.mark.parametrize(
    "fault",
    [
        {"serving": {"quant": "atuo"}},
        {"serving": {"backend": ["vllm", "vlm"]}},
        {"serving": {"search": {"prefill": {"chunk_tokens": "auto"}}}},
        {"sla": {"ttft_ms": {"q99": 100}}},
        {"spare": -1},
        {"fleet": {"pools": [{"system": "h100_sxm"}]}},
    ],
)
def test_the_schema_finds_faults(fault: dict[str, Any]) -> None:
    """What is refused when it is solved is not of the schema."""
    good = {"model": "m", "workload": {"isl": 10, "osl": 10}, "fleet": {"system": "h100_sxm", "gpus": 8}}
    check = Draft202012Validator(json_schema())
    assert check.is_valid(good)
    assert not check.is_valid(good | fault)


def test_completion(report: Callable[..., str]) -> None:
    """Every command with its flags, for each shell; bash completes with it."""
    known = grammar()
    assert {*COMMANDS, "solve", "estimate", "support", "tables", "convert"} <= set(known)
    assert "--ttft" in known["default"]
    assert "-l ttft" in report("completion", "fish")
    assert report("completion", "zsh").startswith("autoload")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    asks = 'COMP_WORDS=(aicfg default --tt); COMP_CWORD=2; _aicfg; echo "${COMPREPLY[@]}"'
    script = report("completion", "bash") + asks
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--ttft"


def test_version(report: Callable[..., str]) -> None:
    """As a command and as a flag."""
    assert report("version") == report("cli", "version") == report("--version") == f"aicfg {__version__}\n"


def test_saved_experiments_are_yaml(report: Callable[..., str]) -> None:
    """What ``--print-experiment`` prints loads as an experiment of our own."""
    text = report("recommend", *MODEL, "--target-request-rate", "5", "--print-experiment")
    assert set(yaml.safe_load(text)["experiments"]) == {"agg", "disagg"}
