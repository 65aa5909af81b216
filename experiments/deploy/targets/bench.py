"""The load test: AIPerf with the experiment's lengths around the plan's concurrency, and a verdict."""

from pathlib import Path
from typing import Any

from aicfg.experiments.deploy.command import Command, Option, Ref, shell_lines
from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.targets.pods import CONFIG_MOUNT, config_map, metadata, secret_env
from aicfg.experiments.deploy.yaml_text import yaml_documents

AIPERF = "aiperf==0.13.0"
SCRIPT, VERDICT, JOB = "bench_run.sh", "bench_verdict.py", "k8s_bench.yaml"
_TEMPLATES = Path(__file__).parent / "templates"


def bench_files(deployment: Deployment) -> dict[str, str]:
    """The load test as a script, beside the program that judges its results."""
    return {SCRIPT: _script(deployment), VERDICT: (_TEMPLATES / VERDICT).read_text(encoding="utf-8")}


def bench_job(deployment: Deployment, url: str) -> dict[str, str]:
    """The same as a Kubernetes job against ``url``."""
    bench = deployment.settings.bench
    name = bench.name or f"{deployment.name}-bench"
    run = f'pip install --quiet {AIPERF} && exec bash {CONFIG_MOUNT}/{SCRIPT} "$URL" /tmp/bench_results'
    container = {
        "name": "bench",
        "image": bench.image,
        "command": ["/bin/bash", "-c"],
        "args": [run],
        "env": [secret_env(deployment), {"name": "URL", "value": url}],
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": name}}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(deployment, name),
        "spec": {"backoffLimit": 0, "template": {"spec": spec}},
    }
    documents = [config_map(deployment, name, bench_files(deployment)), job]
    return {JOB: yaml_documents(documents, f"kubectl apply -f {JOB}; kubectl logs -f job/{name}")}


def concurrencies(deployment: Deployment) -> list[int]:
    """The plan's requests in flight, 5 % on either side, and powers of two below."""
    given = deployment.settings.bench.concurrency
    if given is not None:
        return sorted(set(given))
    own = plan_concurrency(deployment)
    powers = [2**k for k in range(own.bit_length()) if 2**k < 0.95 * own]
    around = [max(1, round(0.95 * own)), own, round(1.05 * own)]
    return sorted({*powers[-3:], *around})


def plan_concurrency(deployment: Deployment) -> int:
    """Requests in flight of the plan (decode workers hold them when prefill is apart)."""
    if deployment.plan.concurrency is not None:
        return deployment.plan.concurrency
    return sum(each.workers * each.sequences * each.dp for each in deployment.types if each.role != "prefill")


def _script(deployment: Deployment) -> str:
    own = plan_concurrency(deployment)
    counts = " ".join(str(each) for each in concurrencies(deployment))
    verdict = Command(("python3", f"./{VERDICT}"), ((Ref("results"),), *_bounds(deployment, own)))
    lines = [
        "#!/usr/bin/env bash",
        f"# Load test of the deployment (pip install {AIPERF}): bench_run.sh [URL] [RESULTS]",
        "set -euo pipefail",
        f"url=${{1:-http://localhost:{deployment.settings.service.port}}}",
        'results=$(realpath -m "${2:-bench_results}")',
        'cd "$(dirname "${BASH_SOURCE[0]}")"',
        f"for concurrency in {counts}; do",
        *(f"  {line}" for line in shell_lines(_aiperf(deployment)).splitlines()),
        "done",
        shell_lines(verdict),
    ]
    return "\n".join(lines) + "\n"


def _aiperf(deployment: Deployment) -> Command:
    asked, bench = deployment.types[0].asked, deployment.settings.bench
    options: list[Option] = [
        ("--model", deployment.served_name),
        ("--tokenizer", deployment.model),
        ("--url", Ref("url")),
        ("--endpoint-type", bench.endpoint_type),
        ("--streaming",),
        ("--synthetic-input-tokens-mean", str(asked.isl - asked.prefix)),
        ("--synthetic-input-tokens-stddev", str(bench.isl_stddev)),
        ("--output-tokens-mean", str(asked.osl)),
        ("--output-tokens-stddev", str(bench.osl_stddev)),
        ("--extra-inputs", "ignore_eos:true"),
        ("--concurrency", Ref("concurrency")),
        ("--request-count", Ref("concurrency", times=bench.requests_per_concurrency)),
        ("--warmup-request-count", Ref("concurrency")),
        ("--random-seed", "1"),
        ("--artifact-dir", Ref("results", after="/${concurrency}")),
    ]
    if asked.prefix:
        options += [("--prefix-prompt-length", str(asked.prefix)), ("--prefix-prompt-pool-size", "1")]
    return Command(("aiperf", "profile"), tuple(options))


def _bounds(deployment: Deployment, concurrency: int) -> tuple[Option, ...]:
    """What the verdict compares with."""
    sla: dict[str, Any] = deployment.plan.inputs.get("sla", {})
    asked = {name: sla.get(name) for name in ("ttft_ms", "tpot_ms", "request_latency_ms")}
    given = {"concurrency": concurrency, **asked, "tokens_per_s": deployment.plan.tokens_per_s}
    return tuple(
        (f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in given.items()
        if value is not None
    )
