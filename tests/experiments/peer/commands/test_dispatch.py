"""Spellings, exit codes and messages: what AIConfigurator's users type, and what they are told."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from aicfg.experiments.peer.commands.dispatch import HELP, words
from aicfg.experiments.peer.commands.flags import COMMANDS

from ..conftest import BASE, Plans

D = (
    "cli",
    "default",
    "--model-path",
    "Qwen/Qwen3-32B",
    "--total-gpus",
    "8",
    "--system",
    "h100_sxm",
    "--backend",
    "vllm",
)


def test_spellings() -> None:
    """Underscores and dashes mean the same in a flag's name; values stay as they are."""
    given = [
        "cli",
        "default",
        "--model_path",
        "a_b/c_d",
        "--generator_set=K8sConfig.k8s_image=x_y",
        "--",
        "--x_y",
    ]
    wanted = ["default", "--model-path", "a_b/c_d", "--generator-set=K8sConfig.k8s_image=x_y", "--", "--x_y"]
    assert words(given) == wanted


def test_every_spelling_gives_the_same_plan(plans: Callable[..., Plans]) -> None:
    """With and without ``cli``, ``--model`` and ``--model-path``, dashes and underscores."""
    base = plans(*BASE)
    assert plans("cli", *BASE) == base or _pools(plans("cli", *BASE)) == _pools(base)
    other = [word.replace("-", "_") if word.startswith("--") else word for word in BASE]
    other = [
        "__".join(word.split("__")).replace("__", "--", 1) if word.startswith("__") else word
        for word in other
    ]
    assert _pools(plans(*(word.replace("--model_path", "--model") for word in other))) == _pools(base)


def _pools(found: Plans) -> list[object]:
    return [each["pools"] for each in found]


REFUSED = {
    "--isl -5": "--isl: got -5; expected a whole number of tokens from 1",
    "--osl 0": "--osl: got 0; expected a whole number of tokens from 2",
    "--isl 0": "--isl: got 0",
    "--total-gpus 0": "--total-gpus: got 0; expected a whole number of GPUs from 1",
    "--total-gpus -1": "--total-gpus: got -1",
    "--prefix 5000": "--prefix: got 5000; expected fewer than the isl of 4000 tokens",
    "--isl 500000": "expected at most 40960, the context of Qwen/Qwen3-32B",
    "--system h999": "unknown GPU system 'h999'",
    "--system h100sxm": "did you mean 'h100_sxm'?",
    "--model-path Qwen/Qwen3-32": "did you mean 'Qwen/Qwen3-32B'?",
    "--backend vlm": "did you mean 'vllm'?",
    "--database-mode SILICONE": "did you mean 'SILICON'?",
    "--ttfft 100": "unknown flag --ttfft; did you mean --ttft?",
    "--ttft -1": "--ttft: got -1; expected milliseconds above 0",
    "--ttft abc": "--ttft: got text 'abc'; expected milliseconds above 0",
    "--top-n 0": "--top-n: got 0",
    "--nextn 2": "--nextn: got 2 without nextn_accepted",
    "--serving-mode afd": "afd: a split of attention and FFN is not modelled",
    "--serving-mode disagg --total-gpus 1": "at least 2 GPUs",
    "--backend-version 0.11.0": "0.11.0",
    "--backend-version previous": "only the current version's tables are shipped",
    "--profile aicgf": "did you mean 'aicfg'?",
    "--generator-set nonsense": "expected KEY=VALUE",
    "--generator-set K8sConfig.k8s_namespase=x": "did you mean 'k8s_namespace'?",
    "--model-cache :": "expected NAME[:MOUNT[:SUB]]",
    "--generator-config /nonexistent.yaml": "no such file",
    "--systems-paths /nonexistent": "/nonexistent",
    "--target-request-rate 3 --target-concurrency 3": "keep one of the two",
    "--engine gurobi": "expected one of highs, cpsat, pyomo, both",
    "--time-limit 0": "--time-limit: got 0",
}


@pytest.mark.parametrize("given", REFUSED)
def test_bad_input(given: str, refused: Callable[..., str]) -> None:
    """2, and one line that says what was given and what would be accepted."""
    message = refused(*D, *given.split())
    assert REFUSED[given].replace("mean --ttft", "mean '--ttft'") in message
    assert len(message.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("--ttft", "300", "--tpot", "1"), "TPOT 1 ms is below the fastest decoding that the rest allows, "),
        (("--ttft", "300", "--tpot", "1", "--strict-sla"), "no plan exists"),
        (("--ttft", "1"), "TTFT 1 ms is below the fastest prefill that the rest allows, "),
    ],
)
def test_infeasible(given: tuple[str, ...], text: str, report: Callable[..., str]) -> None:
    """3, with the smallest bound that can be met; no plan is a headline."""
    printed = report(*D, *given, code=3)
    assert text in printed
    assert "Best Throughput" not in printed


def test_missing(refused: Callable[..., str]) -> None:
    """What is required is named."""
    assert "--total-gpus" in refused("default", "--model", "Qwen/Qwen3-32B", "--system", "h100_sxm")
    assert "--system" in refused("default", "--model", "Qwen/Qwen3-32B", "--total-gpus", "8")
    assert "--target-request-rate" in refused(
        "recommend", "--model", "Qwen/Qwen3-32B", "--system", "h100_sxm"
    )
    assert "--yaml-path" in refused("exp")


def test_without_a_bound(plans: Callable[..., Plans]) -> None:
    """``none``, ``inf`` and ``0`` lift a bound; left out, the documented default holds."""
    for word in ("none", "inf", "0"):
        (agg, _) = plans(*BASE, "--tpot", word)
        assert agg["inputs"]["sla"]["tpot_ms"] is None
    (agg, _) = plans(*BASE)
    assert (agg["inputs"]["sla"]["ttft_ms"], agg["inputs"]["sla"]["tpot_ms"]) == (1000.0, 40.0)


def test_all_engines(report: Callable[..., str]) -> None:
    """``auto`` compares them in one table a mode."""
    text = report(*BASE, "--backend", "auto", "--top-n", "2")
    assert text.count("Top Configurations") == 2
    assert "Best Experiment Chosen: " in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_one_screen(command: str, report: Callable[..., str]) -> None:
    """At most 48 lines of 100 columns with examples; every flag with ``--help-all``."""
    text = report(command, "--help")
    assert len(text.splitlines()) <= 48
    assert max(map(len, text.splitlines())) <= 104
    assert "examples:" in text
    full = report(command, "--help-all")
    assert all(name in full for flag in COMMANDS[command] for name in flag.names)


def test_commands_are_listed(report: Callable[..., str]) -> None:
    """``aicfg --help`` names them all."""
    text = report("--help")
    assert all(name in text for name in HELP)


def test_help_is_light() -> None:
    """Help imports neither numpy nor anything heavier."""
    code = (
        "import sys; from aicfg.experiments.cli import main; main(['default', '--help']); "
        "print([name for name in ('numpy', 'pandas', 'matplotlib', 'yaml', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_pandas_for_a_report() -> None:
    """A report needs neither pandas nor matplotlib."""
    code = (
        f"import sys; from aicfg.experiments.cli import main; main({list(BASE)!r}); "
        "print([name for name in ('pandas', 'matplotlib', 'pyomo', 'ortools') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
