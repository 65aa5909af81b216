"""Every flag of AIConfigurator's commands is accepted and does what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.cli import main
from aicfg.experiments.peer.commands.flags import COMMANDS

from ..conftest import BASE, Plans

EXEMPT = {
    "--engine-step-backend": "selects an implementation of AIConfigurator's own",
    "--forward-model": "selects an implementation of AIConfigurator's own",
    "--log-level": "the report is no log",
    "--no-color": "the report is plain text",
    "--enable-wideep": "deprecated and ignored there too: wide expert parallelism is searched by itself",
    "--generator-help-backend": "filters a text of the deployment's issue",
}
"""Accepted without an effect, and why."""

HANDED_ON = {
    "--deployment-target": "llm-d-helm",
    "--generator-config": "",
    "--generator-set": "params.agg.max_batch_size=7",
    "--generated-config-version": "0.24.0",
    "--generator-dynamo-version": "1.3.1",
    "--namespace": "team-a",
    "--model-cache": "models:/models:qwen",
    "--transport": "ib",
    "--image-pull-secret": "pull",
    "--max-seq-len": "4096",
    "--attention-backend": "fa3",
}
"""Concern the deployment files: parsed here and handed on."""

NOT_MODELLED = {
    "--transfer-policy": ("off", "transfer_policy off"),
    "--image-height": ("448", "image_height 448"),
    "--image-width": ("448", "image_width 448"),
    "--num-images": ("2", "num_images_per_request 2"),
    "--disable-encoder-dp": ("", "enable_encoder_dp false"),
    "--enable-epd": ("", "enable_epd true"),
    "--encoder-tp": ("1 2", "encoder_tp_candidates [1, 2]"),
    "--encoder-system": ("h200_sxm", "encoder_system_name h200_sxm"),
    "--encoder-latency-correction": ("1.2", "encoder_latency_correction 1.2"),
    "--afd-max-a-batch-size": ("64", "afd_max_a_batch_size"),
    "--afd-max-candidates": ("64", "afd_max_candidates"),
    "--afd-candidate-overflow": ("truncate", "afd_candidate_overflow"),
}
"""Accepted, and named in the report as not modelled."""


def _inputs(plan: dict[str, Any], *path: str) -> Any:
    value = plan["inputs"]
    for key in path:
        value = value[key]
    return value


def _rates(found: Plans) -> list[float]:
    return [each["tokens_per_s"] for each in found]


Check = Callable[[Plans, Plans], object]
SOLVED: dict[str, tuple[str, Check]] = {
    "--model-path": ("Qwen/Qwen3-8B", lambda found, base: _rates(found) > _rates(base)),
    "--system": ("h200_sxm", lambda found, base: _rates(found) > _rates(base)),
    "--total-gpus": (
        "16",
        lambda found, base: found[0]["gpus_budget"] == 16 and _rates(found) > _rates(base),
    ),
    "--backend": ("trtllm", lambda found, base: found[0]["pools"][0]["backend"] == "trtllm"),
    "--serving-mode": ("agg", lambda found, base: [each["mode"] for each in found] == ["agg"]),
    "--isl": ("1000", lambda found, base: _rates(found) > _rates(base)),
    "--osl": ("400", lambda found, base: _rates(found) > _rates(base)),
    "--prefix": ("1500", lambda found, base: _rates(found) > _rates(base)),
    "--ttft": ("300", lambda found, base: max(each["ttft_ms"] for each in found) <= 300),
    "--tpot": ("20", lambda found, base: max(each["tpot_ms"] for each in found) <= 20),
    "--request-latency": (
        "4000",
        lambda found, base: (
            max(each["request_latency_ms"] for each in found) <= 4000
            and _inputs(found[0], "sla", "tpot_ms") is None
        ),
    ),
    "--backend-version": ("0.24.0", lambda found, base: _rates(found) == _rates(base)),
    "--database-mode": ("SOL", lambda found, base: min(_rates(found)) > 1.2 * max(_rates(base))),
    "--free-gpu-memory-fraction": (
        "0.5",
        lambda found, base: (
            found[0]["pools"][0]["memory_gib"]["limit"] < base[0]["pools"][0]["memory_gib"]["limit"]
        ),
    ),
    "--profile": ("aiconfigurator-0.12", lambda found, base: found[0]["profile"] == "aiconfigurator-0.12"),
    "--engine": ("both", lambda found, base: found[0]["certificate"]["checked_by"]),
    "--time-limit": ("60", lambda found, base: _rates(found) == _rates(base)),
    "--systems-paths": ("default", lambda found, base: _rates(found) == _rates(base)),
    "--assume-family": ("llama", lambda found, base: _inputs(found[0], "assume_family") == "llama"),
}
"""Flags of the experiment: a value, and what must hold of the plans beside those without it."""

ELSEWHERE = {
    "--yaml-path": "test_documents.py",
    "--decode-system": "below",
    "--nextn": "below",
    "--nextn-accepted": "below",
    "--moe-backend": "below",
    "--enable-chunked-prefill": "below",
    "--target-request-rate": "test_recommend.py",
    "--target-concurrency": "test_recommend.py",
    "--save-dir": "test_folder.py",
    "--flat": "test_folder.py",
    "--top-n": "below",
    "--strict-sla": "below",
    "--inclusive-tpot": "below",
    "--print-experiment": "below",
    "--json": "below",
    "--allow-violation": "below",
    "--fail-on-any": "test_documents.py",
    "--debug": "below",
    "--force": "test_other_commands.py",
    "--generator-help": "below",
}


def test_every_flag_is_in_a_table() -> None:
    """No flag is accepted without a test of its effect, or a reason why there is none."""
    known = {flag.names[0] for flags in COMMANDS.values() for flag in flags}
    assert known == {*EXEMPT, *HANDED_ON, *NOT_MODELLED, *SOLVED, *ELSEWHERE}


@pytest.mark.parametrize("flag", SOLVED)
def test_flags_of_the_experiment(flag: str, plans: Callable[..., Plans]) -> None:
    """The plan is another one, in the way that the flag asks for."""
    value, check = SOLVED[flag]
    assert check(plans(*BASE, flag, value), plans(*BASE))


@pytest.mark.parametrize("flag", NOT_MODELLED)
def test_what_is_not_modelled_is_named(flag: str, report: Callable[..., str]) -> None:
    """The flag is accepted, and the report says that it has no part in the figures."""
    value, named = NOT_MODELLED[flag]
    (line,) = [line for line in report(*BASE, flag, *value.split()).splitlines() if "not modelled" in line]
    assert named in line


@pytest.mark.parametrize("flag", EXEMPT)
def test_what_is_ignored_changes_nothing(flag: str, plans: Callable[..., Plans]) -> None:
    """The flag is accepted and the plans are the same."""
    values = {"--log-level": "ERROR", "--generator-help-backend": "vllm", "--engine-step-backend": "rust"}
    switches = ("--no-color", "--enable-wideep")
    given = (flag,) if flag in switches else (flag, values.get(flag, "op_level"))
    assert _rates(plans(*BASE, *given)) == _rates(plans(*BASE))


def test_chunked_prefill(plans: Callable[..., Plans]) -> None:
    """Where every step counts alike, steps of part of a prompt serve more by aggregated workers alone."""
    tight = (*BASE, "--tpot", "60", "--profile", "aiconfigurator-0.12")
    plain, chunked = plans(*tight), plans(*tight, "--enable-chunked-prefill")
    rates = [{plan["mode"]: plan["tokens_per_s"] for plan in found} for found in (plain, chunked)]
    assert rates[1]["agg"] > rates[0]["agg"]
    assert rates[1]["disagg"] == rates[0]["disagg"]


def test_drafts(plans: Callable[..., Plans]) -> None:
    """Drafted tokens that are kept make the model faster."""
    mixture = ("default", "--model", "deepseek-ai/DeepSeek-V3", "--system", "h200_sxm", "--total-gpus", "8")
    mode = ("--serving-mode", "agg", "--isl", "2000", "--osl", "200", "--tpot", "60")
    (plain,) = plans(*mixture, *mode)
    (drafted,) = plans(*mixture, *mode, "--nextn", "1", "--nextn-accepted", "0.85")
    (auto,) = plans(*mixture, *mode, "--nextn", "auto", "--nextn-accepted", "0.85")
    assert drafted["tokens_per_s"] > plain["tokens_per_s"]
    assert auto["tokens_per_s"] == drafted["tokens_per_s"]
    assert _inputs(drafted, "serving", "speculative")["nextn"] == 1


def test_exchange_of_experts(plans: Callable[..., Plans]) -> None:
    """DeepEP has no split experts, so none is searched."""
    mixture = ("default", "--model", "Qwen/Qwen3-30B-A3B", "--system", "h200_sxm", "--total-gpus", "8")
    mode = ("--serving-mode", "agg", "--backend", "sglang", "--isl", "2000", "--osl", "200")
    (found,) = plans(*mixture, *mode, "--moe-backend", "deepep_moe")
    assert _inputs(found, "serving", "search", "agg")["moe_tp"] == [1]
    assert found["pools"][0]["moe_tp"] == 1


def test_rows_of_a_table(report: Callable[..., str]) -> None:
    """As many rows as asked for."""
    text = report(*BASE, "--top-n", "2")
    assert "|  2   |" in text
    assert "|  3   |" not in text


def test_strict_frontier(report: Callable[..., str]) -> None:
    """Within the agreement no plan of the frontier is slower than the chosen one."""
    loose, strict = report(*BASE, "--tpot", "20"), report(*BASE, "--tpot", "20", "--strict-sla")
    assert loose != strict

    def top(text: str) -> float:
        return float(
            next(line.split("+")[0] for line in text.splitlines() if line[7:8] == "+" and line[:7].strip())
        )

    assert top(strict) < top(loose)


def test_tpot_with_the_first_token(report: Callable[..., str]) -> None:
    """The first token's time is spread over all tokens."""
    text = report(*BASE, "--inclusive-tpot")
    shown = {name: _figure(text, name) for name in ("TTFT", "TPOT", "Request Latency")}
    assert shown["TPOT"] == pytest.approx(shown["Request Latency"] / 200, abs=0.01)


def _figure(text: str, name: str) -> float:
    line = next(line for line in text.splitlines() if f"- {name}:" in line)
    return float(line.split(":")[1].split("ms")[0])


def test_the_experiment_is_printed_and_solved_by_our_own_command(
    tmp_path: Path,
    report: Callable[..., str],
    plans: Callable[..., Plans],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``--print-experiment`` is the bridge to ``aicfg solve``: the same plans come out."""
    path = tmp_path / "ours.yaml"
    path.write_text(report(*BASE, "--print-experiment"), encoding="utf-8")
    assert main(["solve", str(path), "--json"]) == 0
    solved = json.loads(capsys.readouterr().out)
    assert _rates(solved) == _rates(plans(*BASE))


def test_nearest_plan_past_the_agreement(report: Callable[..., str]) -> None:
    """What nothing can meet is 3, and the nearest plan is labelled as such."""
    text = report(*BASE, "--tpot", "1", "--allow-violation", code=3)
    assert "NOT WITHIN THE AGREEMENT" in text
    assert "NOT met" in text
    assert "|  1   |" in text


def test_decode_system(plans: Callable[..., Plans]) -> None:
    """Prefill on one kind of GPU, decode on the other, within one budget; agg stays on the first."""
    agg, disagg = plans(*BASE, "--decode-system", "h200_sxm")
    assert [pool["system"] for pool in disagg["pools"]] == ["h100_sxm", "h200_sxm"]
    assert agg["pools"][0]["system"] == "h100_sxm"
    assert disagg["gpus_used"] <= disagg["gpus_budget"] == 8
    assert disagg["tokens_per_s_per_gpu"] == pytest.approx(disagg["tokens_per_s"] / 8)
    assert disagg["certificate"]["gap"] == 0.0
    (_, decode) = disagg["pools"]
    assert decode["memory_gib"]["limit"] > agg["pools"][0]["memory_gib"]["limit"]


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--debug`` a fault of the input comes with its traceback."""
    assert main([*BASE, "--model-path", "no/such-model", "--debug"]) == 2


@pytest.mark.parametrize("flag", HANDED_ON)
def test_what_concerns_the_deployment_is_handed_on(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flag reaches the generator: the files of the best plan are others than without it."""
    value = HANDED_ON[flag]
    if flag == "--generator-config":
        value = str(tmp_path / "generator.yaml")
        Path(value).write_text("K8sConfig: {k8s_namespace: team-b}\n", encoding="utf-8")
    plain, with_flag = tmp_path / "plain", tmp_path / "flag"
    words = [*BASE, "--serving-mode", "agg", "--top-n", "1", "--flat", "--save-dir"]
    assert main([*words, str(plain)]) == 0
    assert main([*words, str(with_flag), flag, value]) == 0
    assert _texts(plain / "agg" / "top1") != _texts(with_flag / "agg" / "top1"), capsys.readouterr()


def _texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_generator_help(report: Callable[..., str]) -> None:
    """The generator's keys are listed before anything else is asked for."""
    assert "K8sConfig.k8s_namespace" in report("default", "--generator-help", "deploy")
    assert "K8sConfig.k8s_namespace" in report("exp", "--generator-help")
