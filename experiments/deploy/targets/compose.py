"""``docker-compose.yaml``: plain servers of a deployment that one node holds."""

from typing import Any

from aicfg.experiments.deploy.command import Command, compose_word, shell_line
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.placement import Part, place
from aicfg.experiments.deploy.servers.front import (
    NGINX_IMAGE,
    Backend,
    disaggregated_file,
    install,
    kind,
    nginx_file,
    router,
)
from aicfg.experiments.deploy.servers.server import Spot, plain, server
from aicfg.experiments.deploy.servers.spots import config_name
from aicfg.experiments.deploy.targets.bare import Files, engine_files
from aicfg.experiments.deploy.yaml_text import yaml_text

FILE = "docker-compose.yaml"
_PORT, _BOOTSTRAP, _SIDE_CHANNEL = 8000, 8998, 5600
_MOUNT = "/etc/aicfg"


def why_not(deployment: Deployment) -> str | None:
    """Why compose cannot run this deployment; None when it can."""
    nodes = len(place(deployment))
    return f"docker compose runs one node; this deployment takes {nodes}" if nodes > 1 else None


def compose(deployment: Deployment) -> Files:
    """The compose file with the files that its services mount."""
    (node,) = place(deployment)
    services: dict[str, Any] = {}
    files = engine_files(deployment, None) if deployment.types[0].backend == "trtllm" else {}
    for part in node.parts:
        services[part.name] = _service(deployment, part)
    for group in deployment.groups:
        service, more = _front(deployment, group)
        services |= service
        files |= more
    content = {
        "name": deployment.name,
        "services": services,
        "volumes": {"models": {}},
    }
    return {**files, FILE: yaml_text(content, f"{deployment.gpus} GPUs; docker compose up")}


def _service(deployment: Deployment, part: Part) -> dict[str, Any]:
    worker, flavour = part.worker, plain(part.worker, deployment)
    spot = Spot(
        host=part.name,
        port=_PORT,
        bootstrap_port=_BOOTSTRAP,
        side_channel_port=_SIDE_CHANNEL,
        config_file=f"{_MOUNT}/{config_name(worker.name)}",
    )
    command = server(worker, deployment, flavour, spot)
    devices = {"driver": "nvidia", "device_ids": [str(gpu) for gpu in part.gpus], "capabilities": ["gpu"]}
    volumes: list[Any] = ["models:/root/.cache/huggingface"]
    if worker.backend == "trtllm":
        volumes.append(f"./{config_name(worker.name)}:{_MOUNT}/{config_name(worker.name)}:ro")
    if deployment.model.startswith("/"):
        path = compose_word(deployment.model)
        volumes.append({"type": "bind", "source": path, "target": path, "read_only": True})
    alone = [group for group in deployment.groups if worker in group.types and kind(group) == "none"]
    return {
        "image": deployment.settings.k8s.engine_image or flavour.dialect.image,
        "entrypoint": [compose_word(word) for word in command.program],
        "command": [compose_word(word) for word in command.arguments],
        "environment": _environment(deployment, command),
        "volumes": volumes,
        **({"ports": [f"{deployment.port(alone[0])}:{_PORT}"]} if alone else {}),
        "shm_size": deployment.settings.k8s.shared_memory_size.rstrip("i").lower() + "b",
        "ulimits": {"memlock": -1, "stack": 67108864},
        "deploy": {"resources": {"reservations": {"devices": [devices]}}},
        "healthcheck": _health(),
    }


def _environment(deployment: Deployment, command: Command) -> list[str]:
    """Variables; HF_TOKEN is passed on when it is set, and written nowhere."""
    given = {**deployment.settings.k8s.extra_env, **command.env}
    return ["HF_TOKEN", *(f"{name}={compose_word(value)}" for name, value in given.items())]


def _health() -> dict[str, Any]:
    test = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{_PORT}/health', timeout=5)"
    return {"test": ["CMD", "python3", "-c", test], "interval": "10s", "timeout": "10s", "start_period": "2h"}


def _front(deployment: Deployment, group: Group) -> tuple[dict[str, Any], Files]:
    if kind(group) == "none":
        return {}, {}
    flavour = plain(group.types[0], deployment)
    backends = [
        Backend(
            worker,
            f"{worker.name}-{index}",
            _PORT,
            _BOOTSTRAP if worker.backend == "sglang" and worker.role == "prefill" else None,
        )
        for worker in group.types
        for index in range(worker.workers)
    ]
    service: dict[str, Any] = {
        "ports": [f"{deployment.port(group)}:{_PORT}"],
        "depends_on": {each.host: {"condition": "service_healthy"} for each in backends},
    }
    files: Files = {}
    if kind(group) == "router":
        command = router(group, flavour.dialect, _PORT, [(each, each.url) for each in backends])
        run = f"pip install --quiet {install(flavour.dialect)} && exec {shell_line(command)}"
        service |= {"image": "python:3.12-slim", "command": ["/bin/bash", "-c", compose_word(run)]}
    elif kind(group) == "nginx":
        files["nginx.conf"] = nginx_file(_PORT, backends)
        service |= {"image": NGINX_IMAGE, "volumes": ["./nginx.conf:/etc/nginx/nginx.conf:ro"]}
    else:
        files["disagg_config.yaml"] = yaml_text(disaggregated_file(_PORT, backends))
        service |= {
            "image": deployment.settings.k8s.engine_image or flavour.dialect.image,
            "command": ["trtllm-serve", "disaggregated", "--config_file", f"{_MOUNT}/disagg_config.yaml"],
            "volumes": [f"./disagg_config.yaml:{_MOUNT}/disagg_config.yaml:ro"],
        }
    return {f"front-{group.name}": service}, files
