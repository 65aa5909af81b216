"""Files of each target: every plan variable reaches its flag, and what a target cannot hold is refused."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_plans import MOE, plan, pool

from aicfg.experiments.deploy.checks.folder import check_folder
from aicfg.experiments.deploy.settings.schema import Bench, EngineParams, K8s, Params, Service, Settings
from aicfg.experiments.deploy.write import notes, put_files, render
from aicfg.model_specs.errors import InputError

PAIR = (pool("vllm", "prefill", 2, tp=2), pool("vllm", "decode", 1, tp=4, batch=48))


def command_of(script: str, name: str) -> list[str]:
    """The words with which a script starts a worker."""
    joined = script.replace("\\\n", " ")
    line = next(each for each in joined.splitlines() if each.startswith(f"start {name} "))
    return shlex.split(line)


def value(words: list[str], flag: str) -> str:
    """The first value of a flag."""
    return words[words.index(flag) + 1]


def test_every_variable_reaches_vllm() -> None:
    """Degrees, batch, budget, formats, memory, cache, drafts, graphs, connector, ports."""
    made = plan(
        pool("vllm", "prefill", 1, tp=2),
        pool("vllm", "decode", 1, tp=2, pp=2, batch=16),
        workload={"isl": 4000, "osl": 500, "prefix": 100},
        serving={"speculative": {"nextn": 2}, "memory_fraction": 0.85},
    )
    words = command_of(render(made)["bare/node_0_run.sh"], "decode-0")
    given = {
        "--tensor-parallel-size": "2",
        "--pipeline-parallel-size": "2",
        "--max-num-seqs": "32",
        "--max-num-batched-tokens": "512",
        "--max-model-len": "4800",
        "--kv-cache-dtype": "fp8",
        "--gpu-memory-utilization": "0.85",
        "--cudagraph-capture-sizes": "3",
        "--served-model-name": "Qwen/Qwen3-32B-FP8",
    }
    assert {flag: value(words, flag) for flag in given} == given
    assert "--enable-prefix-caching" in words
    assert json.loads(value(words, "--speculative-config")) == {"method": "mtp", "num_speculative_tokens": 2}
    assert json.loads(value(words, "--kv-transfer-config"))["kv_connector"] == "NixlConnector"
    assert any(word.startswith("VLLM_NIXL_SIDE_CHANNEL_PORT=") for word in words)


def test_every_variable_reaches_sglang() -> None:
    """The server divides requests by dp and stages, and the chunk by dp: it is told the products."""
    made = plan(pool("sglang", "agg", 1, tp=2, dp=4, moe_ep=8, batch=16), model=MOE)
    words = command_of(render(made)["bare/node_0_run.sh"], "agg-0")
    given = {
        "--tp-size": "8",
        "--dp-size": "4",
        "--ep-size": "8",
        "--max-running-requests": "64",
        "--chunked-prefill-size": str(4032 * 4),
        "--context-length": "4800",
        "--kv-cache-dtype": "fp8_e4m3",
    }
    assert {flag: value(words, flag) for flag in given} == given
    assert {"--enable-dp-attention", "--enable-mixed-chunk", "--disable-radix-cache"} <= set(words)


def test_a_newer_sglang_is_told_in_its_own_words() -> None:
    """--generated_config_version 0.5.23: one flag for attention ranks, and the image of that version."""
    made = plan(pool("sglang", "agg", 1, dp=4, moe_ep=4), model=MOE)
    files = render(made, Settings(generated_config_version="0.5.23"), ["bare", "lws"])
    words = command_of(files["bare/node_0_run.sh"], "agg-0")
    assert value(words, "--attn-dp-size") == "4"
    assert "--enable-dp-attention" not in words
    assert "lmsysorg/sglang:v0.5.23" in files["lws/lws.yaml"]


def test_every_variable_reaches_trtllm() -> None:
    """Attention ranks are a switch, degrees and budgets are keys of the engine file."""
    made = plan(pool("trtllm", "agg", 1, dp=8, moe_tp=2, moe_ep=4, batch=16), model=MOE)
    engine = yaml.safe_load(render(made)["bare/agg_config.yaml"])
    given = {
        "tensor_parallel_size": 8,
        "enable_attention_dp": True,
        "moe_tensor_parallel_size": 2,
        "moe_expert_parallel_size": 4,
        "max_batch_size": 16,
        "max_num_tokens": 4016,
        "max_seq_len": 4800,
    }
    assert {key: engine[key] for key in given} == given
    assert engine["kv_cache_config"] == {"dtype": "fp8", "enable_block_reuse": False}


@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_configuration_files_say_what_scripts_say(backend: str) -> None:
    """<role>_config.yaml, for the servers' --config, holds the same flags and values as the command."""
    files = render(plan(pool(backend, "agg", 1, tp=4)), targets=["bare"])
    words = command_of(files["bare/node_0_run.sh"], "agg-0")
    for key, given in yaml.safe_load(files["bare/agg_config.yaml"]).items():
        if key not in ("model", "model-path"):
            assert given is True or value(words, f"--{key}") == str(
                given[0] if isinstance(given, list) else given
            )
            assert f"--{key}" in words


def test_workers_of_a_node_share_no_port() -> None:
    """HTTP, handshake and side-channel ports differ between the workers of a node."""
    for backend in ("vllm", "sglang"):
        script = render(plan(pool(backend, "prefill", 4), pool(backend, "decode", 2, tp=2)))[
            "bare/node_0_run.sh"
        ]
        starts = [
            command_of(script, f"{role}-{i}") for role, n in (("prefill", 4), ("decode", 2)) for i in range(n)
        ]
        assert len({value(words, "--port") for words in starts}) == 6
        if backend == "vllm":
            channels = {word for words in starts for word in words if "SIDE_CHANNEL_PORT" in word}
            assert len(channels) == 6
        else:
            assert len({value(words, "--disaggregation-bootstrap-port") for words in starts[:4]}) == 4


@pytest.mark.parametrize(
    ("backend", "router"),
    [("vllm", "--vllm-pd-disaggregation"), ("sglang", "--pd-disaggregation"), ("trtllm", "disaggregated")],
)
def test_pairs_stand_behind_the_engines_own_front(backend: str, router: str) -> None:
    """Each engine's router, or server for pairs, knows all workers."""
    files = render(plan(pool(backend, "prefill", 2), pool(backend, "decode", 1, tp=2)), targets=["bare"])
    script = files["bare/node_0_run.sh"]
    name = "front-disagg" if backend == "trtllm" else "router-disagg"
    words = command_of(script, name)
    assert router in words
    if backend == "trtllm":
        config = yaml.safe_load(files["bare/disagg_config.yaml"])
        assert len(config["context_servers"]["urls"]) == config["context_servers"]["num_instances"] == 2
    else:
        assert words.count("--prefill") == 2 and words.count("--decode") == 1


def test_equal_trtllm_workers_stand_behind_nginx() -> None:
    """TensorRT-LLM has no router for aggregated workers; one alone needs none."""
    files = render(plan(pool("trtllm", "agg", 2, tp=4)), targets=["bare"])
    assert files["bare/nginx.conf"].count("    server 127.0.0.1:8") == 2
    alone = render(plan(pool("trtllm", "agg", 1, tp=4)), targets=["bare"])
    assert value(command_of(alone["bare/node_0_run.sh"], "agg-0"), "--port") == "8000"


def test_mixed_plans_are_whole_everywhere(tmp_path: Path, validate: Callable[..., Any]) -> None:
    """Two graphs, two fronts, and still exactly the plan's GPUs; several types of a role too."""
    made = plan(*PAIR, pool("vllm", "decode", 1, tp=8, batch=9), pool("vllm", "agg", 1, tp=4))
    put_files(render(made), tmp_path)
    findings, _ = validate(tmp_path, total=made.gpus_budget, planned=made.gpus_used)
    assert not findings
    graphs = list(yaml.safe_load_all((tmp_path / "mixed" / "k8s_deploy.yaml").read_text()))
    assert [each["metadata"]["name"] for each in graphs] == ["qwen3-32b-fp8-disagg", "qwen3-32b-fp8-agg"]
    assert not check_folder(tmp_path).faults


def test_several_systems_are_told_apart(tmp_path: Path, validate: Callable[..., Any]) -> None:
    """Workers of different GPUs get nodes of their own, and pods that ask for theirs by a label."""
    first, second = PAIR
    made = plan(replace(first, system="h100_sxm"), second)
    files = render(made, targets=["bare", "dynamo-k8s"])
    assert "(h100_sxm)" in files["bare/node_1_run.sh"] and "(h200_sxm)" in files["bare/node_0_run.sh"]
    assert "aicfg.io/gpu-system: h100-sxm" in files["disagg/k8s_deploy.yaml"]
    put_files(files, tmp_path)
    assert not validate(tmp_path, total=8, planned=8)[0]


@pytest.mark.parametrize(
    ("pools", "target", "said"),
    [
        ([pool("sglang", "agg", 1)], "llm-d", "not sglang"),
        ([pool("vllm", "agg", 1, tp=4, pp=2)], "llm-d", "pipeline"),
        ([pool("vllm", "agg", 1, tp=16)], "llm-d", "tensor parallelism"),
        ([*PAIR, pool("vllm", "decode", 1)], "llm-d", "one worker type a role"),
        ([pool("vllm", "agg", 2, tp=8)], "compose", "takes 2"),
        ([pool("vllm", "agg", 1)], "kubernetes", "targets are"),
        ([pool("vllm", "prefill", 1, cp=2), pool("vllm", "decode", 1)], "bare", "context-parallel"),
        ([pool("trtllm", "agg", 1, tp=2, dp=2)], "bare", "by tp or by dp"),
        ([pool("vllm", "agg", 1, tp=16, dp=2)], "bare", "spread evenly"),
    ],
)
def test_what_a_target_cannot_hold_is_refused(pools: list[Any], target: str, said: str) -> None:
    """One line says why; by default the target is left out, and a note says so."""
    made = plan(*pools, model=MOE)
    with pytest.raises(InputError, match=said) as refused:
        render(made, targets=[target])
    assert "\n" not in str(refused.value)
    if target in ("llm-d", "compose"):
        assert not any(name.startswith(target) for name in render(made))
        assert any(said in note for note in notes(made))


def test_models_on_a_volume_are_mounted() -> None:
    """The volume's folder is the model everywhere; llm-d gets it as its own kind of address."""
    k8s = K8s(k8s_pvc_name="models", k8s_model_path_in_pvc="qwen/fp8", k8s_hf_home="/cache")
    files = render(plan(*PAIR), Settings(k8s=k8s))
    assert "/workspace/model_cache/qwen/fp8" in files["disagg/k8s_deploy.yaml"]
    assert "claimName: models" in files["lws/lws.yaml"]
    values = yaml.safe_load(files["llm-d/llm-d-values.yaml"])
    assert values["modelArtifacts"]["uri"] == "pvc://models/qwen/fp8"
    assert values["decode"]["containers"][0]["args"][0] == "/model-cache/qwen/fp8"


def test_network_devices_and_pull_secrets_reach_every_pod() -> None:
    """K8sConfig.transport and k8s_image_pull_secret."""
    k8s = K8s(transport="ib", k8s_image_pull_secret="pull", k8s_namespace="prod")
    files = render(plan(*PAIR), Settings(k8s=k8s))
    for name in ("disagg/k8s_deploy.yaml", "lws/lws.yaml"):
        assert "rdma/ib: '4'" in files[name]
        assert "imagePullSecrets" in files[name]
        documents = list(yaml.safe_load_all(files[name]))
        assert {each["metadata"]["namespace"] for each in documents} == {"prod"}
    assert "frontend.prod.svc.cluster.local" in files["disagg/k8s_bench.yaml"]


def test_no_secret_is_written() -> None:
    """HF_TOKEN is referred to in pods, passed on by compose, and inherited by scripts."""
    files = render(plan(*PAIR))
    assert "secretKeyRef" in files["disagg/k8s_deploy.yaml"]
    assert (
        yaml.safe_load(files["compose/docker-compose.yaml"])["services"]["decode-0"]["environment"][0]
        == "HF_TOKEN"
    )
    assert "HF_TOKEN" not in files["bare/node_0_run.sh"]


def test_compose_passes_its_schema(tmp_path: Path) -> None:
    """The compose specification's own schema, of all engines, with and without a front."""
    check = Path(sys.executable).parent / "check-jsonschema"
    if not check.exists():
        pytest.skip("needs check-jsonschema")
    files = []
    for number, pools in enumerate(
        [PAIR, [pool("trtllm", "prefill", 1), pool("trtllm", "decode", 1)], [pool("sglang", "agg", 1)]]
    ):
        put_files(render(plan(*pools), targets=["compose"]), tmp_path / str(number))
        files.append(str(tmp_path / str(number) / "compose" / "docker-compose.yaml"))
    done = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    service = yaml.safe_load(Path(files[0]).read_text())["services"]
    devices = [
        each["deploy"]["resources"]["reservations"]["devices"]
        for name, each in service.items()
        if "deploy" in each
    ]
    ids = [gpu for each in devices for gpu in each[0]["device_ids"]]
    assert sorted(ids) == [str(gpu) for gpu in range(8)]


def test_own_flags_and_models_reach_the_server() -> None:
    """params.<role>.extra_args, a served name and remote code."""
    own = Settings(
        service=Service(served_model_name="chat", trust_remote_code=True),
        params=Params(agg=EngineParams(extra_args={"--seed": 7, "async-scheduling": True}, block_size=32)),
    )
    words = command_of(render(plan(pool("vllm", "agg", 1)), own)["bare/node_0_run.sh"], "agg-0")
    assert (value(words, "--seed"), value(words, "--block-size"), value(words, "--served-model-name")) == (
        "7",
        "32",
        "chat",
    )
    assert {"--async-scheduling", "--trust-remote-code"} <= set(words)


def test_load_tests_go_around_the_plan() -> None:
    """Concurrency: the plan's, 5 % on either side, powers of two below; or the user's list."""
    made = plan(pool("vllm", "agg", 2, batch=100))
    assert "for concurrency in 32 64 128 190 200 210; do" in render(made)["bare/bench_run.sh"]
    own = Settings(bench=Bench(concurrency=[7, 3], requests_per_concurrency=5))
    script = render(made, own)["bare/bench_run.sh"]
    assert "for concurrency in 3 7; do" in script
    assert '"$((concurrency * 5))"' in script


@pytest.mark.parametrize(("ttft", "code", "said"), [(900.0, 0, "SLA met"), (1100.0, 1, "SLA MISSED")])
def test_the_verdict_is_that_of_the_plans_concurrency(
    tmp_path: Path, ttft: float, code: int, said: str
) -> None:
    """Means at the plan's own concurrency decide; other runs are only shown."""
    files = render(plan(pool("vllm", "agg", 1)), targets=["bare"])
    put_files(files, tmp_path)
    for concurrency, measured in ((12, 5000.0), (24, ttft)):
        folder = tmp_path / "results" / str(concurrency)
        folder.mkdir(parents=True)
        metrics = {"time_to_first_token": {"unit": "ms", "avg": measured, "p50": 1.0, "p99": 2.0}}
        metrics["inter_token_latency"] = {"unit": "ms", "avg": 20.0}
        (folder / "profile_export_aiperf.json").write_text(json.dumps(metrics))
    words = [sys.executable, tmp_path / "bare" / "bench_verdict.py", tmp_path / "results"]
    bounds = ["--concurrency", "24", "--ttft-ms", "1000", "--tpot-ms", "40"]
    done = subprocess.run([*words, *bounds], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stdout
