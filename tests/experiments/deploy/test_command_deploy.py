"""``aicfg deploy`` and ``aicfg deploy check`` as a user types them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_plans import plan, pool

Run = Callable[..., Any]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved plan."""
    made = plan(pool("vllm", "prefill", 2, tp=2), pool("vllm", "decode", 1, tp=4, batch=48))
    path = tmp_path / "plan.json"
    path.write_text(made.to_json(indent=2))
    return path


def test_a_saved_plan_is_rendered_and_passes_its_check(run: Run, saved: Path, tmp_path: Path) -> None:
    """Standard output lists the files; all of them exist, scripts can be run, and the check finds nothing."""
    out = tmp_path / "top1"
    ended = run("deploy", saved, "--out", out, "--namespace", "prod")
    assert ended.code == 0, ended.err
    files = [Path(line) for line in ended.out.splitlines()]
    assert all(file.is_file() for file in files)
    assert (out / "disagg" / "node_0_run.sh").stat().st_mode & 0o111
    checked = run("deploy", "check", out)
    assert (checked.code, checked.out) == (0, "")


def test_only_the_targets_asked_for_are_written(run: Run, saved: Path, tmp_path: Path) -> None:
    """--target may be repeated; a second call replaces the first's files."""
    out = tmp_path / "top1"
    run("deploy", saved, "--out", out)
    assert run("deploy", saved, "--out", out, "--target", "bare", "--target", "compose").code == 0
    assert {path.name for path in out.iterdir()} == {"bare", "compose", "generator_config.yaml"}


def test_the_record_can_be_given_again(run: Run, saved: Path, tmp_path: Path) -> None:
    """generator_config.yaml as --generator-config makes the same files, changed settings included."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert (
        run("deploy", saved, "--out", first, "--generator-set", "params.decode.max_batch_size=80").code == 0
    )
    ended = run("deploy", saved, "--out", second, "--generator-config", first / "generator_config.yaml")
    assert ended.code == 0, ended.err
    for path in first.rglob("*.*"):
        assert (second / path.relative_to(first)).read_text() == path.read_text(), path


def test_edits_are_found(run: Run, saved: Path, tmp_path: Path) -> None:
    """A wrong flag, GPU sums, schema, a written token, broken YAML and a broken script: each is named."""
    out = tmp_path / "top1"
    run("deploy", saved, "--out", out)

    def edit(name: str, old: str, new: str) -> None:
        path = out / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    edit("bare/node_0_run.sh", "--max-num-seqs 48", "--max-num-sequences 48")
    edit("disagg/node_0_run.sh", "# aicfg-gpus: 8", "# aicfg-gpus: 16")
    edit("disagg/k8s_deploy.yaml", "sharedMemorySize", "sharedMemory")
    edit("lws/lws.yaml", "replicas: 2", "replicas: 3")
    edit("bare/bench_run.sh", "done", "doen")
    edit("llm-d/llm-d-values.yaml", "authSecretName: hf-token-secret", "authSecretName:")
    edit("compose/docker-compose.yaml", "      - '4'", "      - '8'")
    ended = run("deploy", "check", out)
    assert ended.code == 2
    for said in (
        "unknown flag --max-num-sequences; did you mean '--max-num-seqs'?",
        "starts 16 GPUs on a node of 8",
        "scripts start 16 GPUs, the plan has 8",
        "DynamoGraphDeployment: spec.components.1",
        "pods start 10 GPUs, the plan has 8",
        "bench_run.sh: ",
        "authSecretName",
        "8 GPUs with 48 requests; the plan's workers have",
    ):
        assert said in ended.out, (said, ended.out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "bar"], "did you mean 'bare'"),
        (["--generated_config_version", "0.25.0"], "known are 0.24.0, 0.33.0"),
        (["--generator-set", "params.decode.tensor_parallel_size=8"], "it has 4"),
        (["--generator-set", "params.decode.extra_args={--sed: 8}"], "did you mean '--seed'"),
        (["--generator-set", "params.decode.extra_args={--seed: x}"], "expected a whole number"),
        (["--generator-config", "nowhere.yaml"], "no such file"),
        (["--namespace", "Prod"], "lowercase"),
    ],
)
def test_bad_input_is_one_line(run: Run, saved: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """Exit code 2, one line, and nothing is written."""
    ended = run("deploy", saved, "--out", tmp_path / "out", *words)
    assert ended.code == 2
    assert said in ended.err and len(ended.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_foreign_folders_are_left_alone(run: Run, saved: Path, tmp_path: Path) -> None:
    """A folder that holds anything but a deployment is refused, for writing and for checking."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    for words in (["deploy", saved, "--out", tmp_path / "mine"], ["deploy", "check", tmp_path / "mine"]):
        ended = run(*words)
        assert ended.code == 2 and "generator_config.yaml" in ended.err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_plans_that_are_none_are_refused(run: Run, tmp_path: Path) -> None:
    """A missing file, text that is no plan, missing words."""
    (tmp_path / "bad.json").write_text("{}")
    for words in ([tmp_path / "no.json", "--out", "x"], [tmp_path / "bad.json", "--out", "x"], [], ["check"]):
        ended = run("deploy", *words)
        assert ended.code == 2 and len(ended.err.splitlines()) == 1


def test_help_needs_no_plan(run: Run) -> None:
    """--generator-help lists the settings and ends."""
    ended = run("deploy", "--generator-help", "deploy")
    assert ended.code == 0 and "K8sConfig.k8s_namespace" in ended.out


def test_the_record_says_what_was_made(run: Run, saved: Path, tmp_path: Path) -> None:
    """Workers, GPUs and batch sizes by AIConfigurator's names, and nothing that is unset."""
    run("deploy", saved, "--out", tmp_path / "top1")
    text = (tmp_path / "top1" / "generator_config.yaml").read_text()
    record = yaml.safe_load(text)
    assert record["WorkerConfig"]["decode_workers"] == 1
    assert record["params"]["decode"]["max_batch_size"] == 48
    assert "null" not in text
