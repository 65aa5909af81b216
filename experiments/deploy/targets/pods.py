"""Parts of pods that all Kubernetes targets share."""

from collections.abc import Mapping
from typing import Any

from aicfg.experiments.deploy.command import Command, Ref, Word, kubernetes_word, shell_line
from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.worker import WorkerType

CONFIG_MOUNT = "/etc/aicfg"
TOKEN = "HF_TOKEN"
_RDMA = {"ib": "rdma/ib", "efa": "vpc.amazonaws.com/efa"}
_SYSTEM_LABEL = "aicfg.io/gpu-system"
_START_MINUTES = 120


def secret_env(deployment: Deployment) -> dict[str, Any]:
    """HF_TOKEN from its secret; a public model starts without one."""
    secret = {"name": deployment.settings.k8s.hf_token_secret, "key": TOKEN, "optional": True}
    return {"name": TOKEN, "valueFrom": {"secretKeyRef": secret}}


def environment(deployment: Deployment, env: Mapping[str, Word]) -> list[dict[str, Any]]:
    """Variables of a worker's container."""
    k8s = deployment.settings.k8s
    pod_ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    refers = any(isinstance(value, Ref) and value.name == "POD_IP" for value in env.values())
    home = {"HF_HOME": k8s.k8s_hf_home} if k8s.k8s_hf_home else {}
    plain = {**home, **k8s.extra_env, **env}
    return [
        secret_env(deployment),
        *([pod_ip] if refers else []),
        *({"name": name, "value": kubernetes_word(value)} for name, value in plain.items()),
    ]


def container_command(command: Command) -> dict[str, list[str]]:
    """Command and arguments; words known only in the pod need a shell."""
    if not command.needs_shell:
        return {
            "command": [kubernetes_word(word) for word in command.program],
            "args": [kubernetes_word(word) for word in command.arguments],
        }
    quoted = Command(tuple(_doubled(word) for word in command.words))
    return {"command": ["/bin/bash", "-c"], "args": [f"exec {shell_line(quoted)}"]}


def _doubled(word: Word) -> Word:
    return word.replace("$", "$$") if isinstance(word, str) else word


def resources(deployment: Deployment, worker: WorkerType) -> dict[str, Any]:
    """GPUs of one pod: those that a worker has on one node."""
    limits: dict[str, str] = {"nvidia.com/gpu": str(worker.node_gpus)}
    device = _RDMA.get(deployment.settings.k8s.transport)
    if device is not None:
        limits[device] = str(worker.node_gpus)
    return {"limits": limits, "requests": dict(limits)}


def volumes(
    deployment: Deployment, config_map: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes of a pod, and where its container mounts them: engine files and models."""
    k8s = deployment.settings.k8s
    found, mounts = [], []
    if config_map is not None:
        found.append({"name": "config", "configMap": {"name": config_map}})
        mounts.append({"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True})
    if k8s.k8s_pvc_name is not None:
        found.append({"name": "models", "persistentVolumeClaim": {"claimName": k8s.k8s_pvc_name}})
        mounts.append({"name": "models", "mountPath": k8s.k8s_pvc_mount_path})
    return found, mounts


def shared_memory(deployment: Deployment) -> tuple[dict[str, Any], dict[str, Any]]:
    """The memory through which a worker's processes speak, as a volume and its mount."""
    size = deployment.settings.k8s.shared_memory_size
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}
    return volume, {"name": "shm", "mountPath": "/dev/shm"}


def probes(port: int) -> dict[str, Any]:
    """Probes of a server: it may load weights for two hours, then has to answer."""
    get = {"httpGet": {"path": "/health", "port": port}}
    return {
        "startupProbe": {
            **get,
            "periodSeconds": 10,
            "failureThreshold": _START_MINUTES * 6,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {**get, "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5},
        "livenessProbe": {**get, "periodSeconds": 20, "failureThreshold": 6, "timeoutSeconds": 10},
    }


def pod_extras(deployment: Deployment, worker: WorkerType | None) -> dict[str, Any]:
    """What a pod's specification holds beside containers and volumes."""
    extras: dict[str, Any] = {}
    secret = deployment.settings.k8s.k8s_image_pull_secret
    if secret is not None:
        extras["imagePullSecrets"] = [{"name": secret}]
    if worker is not None and len(deployment.gpus_per_node) > 1:
        extras["nodeSelector"] = {_SYSTEM_LABEL: worker.system.replace("_", "-")}
    return extras


def metadata(deployment: Deployment, name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Name, namespace (if any) and labels of an object."""
    namespace = deployment.settings.k8s.k8s_namespace
    content: dict[str, Any] = {"name": name}
    if namespace is not None:
        content["namespace"] = namespace
    content["labels"] = {"app.kubernetes.io/managed-by": "aicfg", **(labels or {})}
    return content


def config_map(deployment: Deployment, name: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Files that pods mount."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(deployment, name),
        "data": dict(files),
    }
