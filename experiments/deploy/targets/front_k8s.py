"""The front of a group on Kubernetes without Dynamo, and the Service that clients use."""

from typing import Any

from aicfg.experiments.deploy.command import Command, shell_line
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.servers.front import (
    NGINX_IMAGE,
    Backend,
    disaggregated_file,
    install,
    kind,
    nginx_file,
    router,
)
from aicfg.experiments.deploy.servers.server import plain
from aicfg.experiments.deploy.targets.pods import CONFIG_MOUNT, config_map, metadata, pod_extras, probes
from aicfg.experiments.deploy.yaml_text import yaml_text

_ROUTER_IMAGE = "python:3.12-slim"


def front_documents(deployment: Deployment, group: Group, port: int, bootstrap: int) -> list[dict[str, Any]]:
    """ConfigMap (if files are needed), Deployment and Service of a group's front."""
    if kind(group) == "none":
        name = f"{deployment.group_name(group)}-{group.types[0].name}"
        return [_service(deployment, group, name, port)]
    name = f"{deployment.group_name(group)}-front"
    files = _files(deployment, group, port, bootstrap)
    maps = [config_map(deployment, name, files)] if files else []
    return [*maps, _front(deployment, group, name, port, bootstrap), _service(deployment, group, name, port)]


def pod_backends(deployment: Deployment, group: Group, port: int, bootstrap: int) -> list[Backend]:
    """Every worker's first pod: LeaderWorkerSet names it, and its headless service, by the set."""
    found = []
    for worker in group.types:
        name = f"{deployment.group_name(group)}-{worker.name}"
        handshake = bootstrap if worker.backend == "sglang" and worker.role == "prefill" else None
        hosts = (f"{name}-{index}.{name}" for index in range(worker.workers))
        found += [Backend(worker, host, port, handshake) for host in hosts]
    return found


def _files(deployment: Deployment, group: Group, port: int, bootstrap: int) -> dict[str, str]:
    backends = pod_backends(deployment, group, port, bootstrap)
    if kind(group) == "trtllm":
        return {"disagg_config.yaml": yaml_text(disaggregated_file(port, backends))}
    return {"nginx.conf": nginx_file(port, backends)} if kind(group) == "nginx" else {}


def _front(deployment: Deployment, group: Group, name: str, port: int, bootstrap: int) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": "front",
        **_program(deployment, group, port, bootstrap),
        "ports": [{"name": "http", "containerPort": port}],
        **_probes(group, port),
    }
    spec: dict[str, Any] = {**pod_extras(deployment, None), "containers": [container]}
    if _files(deployment, group, port, bootstrap):
        container["volumeMounts"] = [{"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True}]
        spec["volumes"] = [{"name": "config", "configMap": {"name": name}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(deployment, name, labels),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _program(deployment: Deployment, group: Group, port: int, bootstrap: int) -> dict[str, Any]:
    flavour = plain(group.types[0], deployment)
    if kind(group) == "router":
        backends = [(each, each.url) for each in pod_backends(deployment, group, port, bootstrap)]
        command = router(group, flavour.dialect, port, backends)
        package = shell_line(Command(("pip", "install", "--quiet", install(flavour.dialect))))
        return {
            "image": _ROUTER_IMAGE,
            "command": ["/bin/bash", "-c"],
            "args": [f"{package} && exec {shell_line(command)}"],
        }
    if kind(group) == "nginx":
        return {
            "image": NGINX_IMAGE,
            "command": ["nginx", "-c", f"{CONFIG_MOUNT}/nginx.conf", "-g", "daemon off;"],
        }
    return {
        "image": deployment.settings.k8s.engine_image or flavour.dialect.image,
        "command": ["/bin/bash", "-c"],
        "args": ['exec trtllm-serve disaggregated --config_file "$CONFIG_FILE" --server_start_timeout 7200'],
        "env": [{"name": "CONFIG_FILE", "value": f"{CONFIG_MOUNT}/disagg_config.yaml"}],
    }


def _probes(group: Group, port: int) -> dict[str, Any]:
    """nginx lives when its port is open; it is ready when a worker behind it answers."""
    found = probes(port)
    if kind(group) != "nginx":
        return found
    opened = {"tcpSocket": {"port": port}}
    return {name: {**opened, **_timing(each)} for name, each in found.items() if name != "readinessProbe"} | {
        "readinessProbe": found["readinessProbe"]
    }


def _timing(probe: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in probe.items() if key != "httpGet"}


def _service(deployment: Deployment, group: Group, target: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(deployment, deployment.group_name(group)),
        "spec": {
            "selector": {"app.kubernetes.io/name": target},
            "ports": [{"name": "http", "port": port, "targetPort": port}],
        },
    }
