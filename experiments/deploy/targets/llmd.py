"""``llm-d-values.yaml``: values of llm-d's model-service Helm chart (vLLM only).

The whole command is written (``modelCommand: custom``): what the chart would pass by itself differs between
its versions, and its wiring of ranks over nodes has to be written out anyway.
"""

from dataclasses import replace
from typing import Any

from aicfg.experiments.deploy.command import Ref
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.names import plain_text
from aicfg.experiments.deploy.servers.server import Spot, plain, server
from aicfg.experiments.deploy.servers.wiring import Wiring
from aicfg.experiments.deploy.targets.bare import Files
from aicfg.experiments.deploy.targets.pods import (
    container_command,
    environment,
    pod_extras,
    probes,
    shared_memory,
)
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.experiments.deploy.yaml_text import yaml_text
from aicfg.model_specs.errors import InputError

CHART = "llm-d-modelservice 0.4.12"
_PREFILL_PORT, _DECODE_PORT, _SIDE_CHANNEL = 8000, 8200, 5600


def why_not(deployment: Deployment) -> str | None:
    """Why the chart cannot hold this deployment; None when it can."""
    for group in deployment.groups:
        if group.backend != "vllm":
            return f"llm-d's chart serves vllm here, not {group.backend}"
        if len({each.role for each in group.types}) < len(group.types):
            return "llm-d's chart has one worker type a role"
    if len(deployment.groups) > 1:
        return "llm-d's chart has no mixed deployments"
    if any(each.pp > 1 for each in deployment.types):
        return "llm-d's chart has no field for pipeline parallelism"
    wide = next((each for each in deployment.types if each.nodes > 1 and each.dp == 1), None)
    if wide is not None:
        return f"llm-d's chart spreads attention ranks over nodes, not tensor parallelism (tp {wide.tp})"
    if "{{" in deployment.model or "{{" in deployment.served_name:
        return "Helm would read '{{' in a model's name as a template"
    return None


def llmd_values(deployment: Deployment) -> Files:
    """The values file. Raises ``InputError`` for what the chart cannot hold."""
    reason = why_not(deployment)
    if reason is not None:
        raise InputError(reason)
    (group,) = deployment.groups
    return {"llm-d-values.yaml": yaml_text(_values(deployment, group), f"{deployment.gpus} GPUs; {CHART}")}


def _values(deployment: Deployment, group: Group) -> dict[str, Any]:
    llmd = deployment.settings.llmd
    proxy = llmd.routing_proxy_enabled and group.split
    values: dict[str, Any] = {
        "fullnameOverride": deployment.group_name(group),
        "multinode": any(each.nodes > 1 for each in group.types),
        "accelerator": {"type": llmd.accelerator_type},
        "modelArtifacts": _artifacts(deployment),
        "routing": {
            "servicePort": _PREFILL_PORT,
            "proxy": {
                "enabled": proxy,
                "image": llmd.routing_proxy_image,
                "connector": llmd.routing_connector,
                "targetPort": _DECODE_PORT,
            },
        },
    }
    for role in ("prefill", "decode"):
        found = group.of_role(role) or (group.of_role("agg") if role == "decode" else ())
        port = _DECODE_PORT if role == "decode" and proxy else _PREFILL_PORT
        values[role] = _role(deployment, found[0], port) if found else {"create": False}
    return values


def _artifacts(deployment: Deployment) -> dict[str, Any]:
    k8s, llmd = deployment.settings.k8s, deployment.settings.llmd
    if k8s.k8s_pvc_name is not None and k8s.k8s_model_path_in_pvc is not None:
        uri = f"pvc://{k8s.k8s_pvc_name}/{k8s.k8s_model_path_in_pvc.strip('/')}"
    elif deployment.model.startswith("/"):
        raise InputError(
            "llm-d: a folder as model needs K8sConfig.k8s_pvc_name and K8sConfig.k8s_model_path_in_pvc"
        )
    else:
        uri = f"hf://{deployment.model}"
    return {
        "name": plain_text(deployment.served_name, "ServiceConfig.served_model_name"),
        "uri": uri,
        "size": llmd.model_cache_size,
        "mountPath": llmd.model_mount_path,
        "authSecretName": k8s.hf_token_secret,
    }


def _role(deployment: Deployment, worker: WorkerType, port: int) -> dict[str, Any]:
    flavour = plain(worker, deployment)
    wiring = Wiring(Ref("LWS_WORKER_INDEX"), Ref("LWS_LEADER_ADDRESS")) if worker.nodes > 1 else None
    spot = Spot(host=Ref("POD_IP"), port=port, side_channel_port=_SIDE_CHANNEL, wiring=wiring)
    command = server(worker, _with_mounted_model(deployment), flavour, spot)
    shm, mount = shared_memory(deployment)
    gpus = str(worker.node_gpus)
    container = {
        "name": "vllm",
        "image": deployment.settings.llmd.vllm_image or flavour.dialect.image,
        "modelCommand": "custom",
        **container_command(command),
        "env": environment(deployment, command.env),
        "ports": [{"name": "http", "containerPort": port}],
        "resources": {"limits": {"nvidia.com/gpu": gpus}, "requests": {"nvidia.com/gpu": gpus}},
        "mountModelVolume": True,
        "volumeMounts": [mount],
        **probes(port),
    }
    selector = pod_extras(deployment, worker).get("nodeSelector")
    parallelism = {
        "tensor": worker.tp,
        "data": worker.dp,
        "dataLocal": worker.dp // worker.nodes,
        "workers": worker.nodes,
    }
    return {
        "create": True,
        "replicas": worker.workers,
        "parallelism": parallelism,
        "containers": [container],
        "volumes": [shm],
        **({"nodeSelector": selector} if selector else {}),
        **(
            {"monitoring": {"podmonitor": {"enabled": True}}}
            if deployment.settings.llmd.monitoring_enabled
            else {}
        ),
    }


def _with_mounted_model(deployment: Deployment) -> Deployment:
    """The chart mounts a volume's models where its own values say."""
    k8s = deployment.settings.k8s
    if k8s.k8s_pvc_name is None or k8s.k8s_model_path_in_pvc is None:
        return deployment
    mount = deployment.settings.llmd.model_mount_path.rstrip("/")
    return replace(deployment, model=f"{mount}/{k8s.k8s_model_path_in_pvc.strip('/')}")
