"""``k8s_deploy.yaml``: DynamoGraphDeployments, one for each group, in the API version asked for.

The operator wires the ranks of workers over several nodes and probes them: neither is written here.
"""

from typing import Any

from aicfg.experiments.deploy.command import Command, Ref
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.release import Release
from aicfg.experiments.deploy.servers.server import Spot, dynamo, engine_file, server
from aicfg.experiments.deploy.servers.spots import config_name
from aicfg.experiments.deploy.targets.bare import Files, frontend_command
from aicfg.experiments.deploy.targets.pods import (
    CONFIG_MOUNT,
    config_map,
    container_command,
    environment,
    metadata,
    pod_extras,
    resources,
    secret_env,
    volumes,
)
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.experiments.deploy.yaml_text import yaml_documents, yaml_text

FILE = "k8s_deploy.yaml"
_PORT, _SIDE_CHANNEL, _BOOTSTRAP = 8000, 19_090, 12_345
_COMPONENT = {"agg": "worker", "prefill": "prefill", "decode": "decode"}


def dynamo_manifests(deployment: Deployment, release: Release) -> Files:
    """The manifest with everything that ``kubectl apply`` needs."""
    documents: list[dict[str, Any]] = []
    for group in deployment.groups:
        documents += _config_maps(deployment, group, release)
        documents.append(_graph(deployment, group, release))
    head = f"{deployment.gpus} GPUs, Dynamo {release.version}; kubectl apply -f {FILE}"
    return {FILE: yaml_documents(documents, head)}


def frontend_url(deployment: Deployment, group: Group) -> str:
    """Where clients inside the cluster reach a group's frontend."""
    namespace = deployment.settings.k8s.k8s_namespace
    host = f"{deployment.group_name(group)}-frontend"
    return f"http://{host}.{namespace}.svc.cluster.local:{_PORT}" if namespace else f"http://{host}:{_PORT}"


def _graph(deployment: Deployment, group: Group, release: Release) -> dict[str, Any]:
    version = deployment.settings.k8s.api_version
    spec: dict[str, Any] = {"backendFramework": group.backend}
    frontend = frontend_command(deployment, release, _PORT)
    if version == "v1beta1":
        workers = [_component(deployment, group, worker, release) for worker in group.types]
        spec["components"] = [_frontend(deployment, group, release, frontend), *workers]
    else:
        services = {"Frontend": _old_frontend(deployment, group, release, frontend)}
        services |= {worker.name: _old_service(deployment, group, worker, release) for worker in group.types}
        spec["services"] = services
    return {
        "apiVersion": f"nvidia.com/{version}",
        "kind": "DynamoGraphDeployment",
        "metadata": metadata(deployment, deployment.group_name(group)),
        "spec": spec,
    }


def _image(deployment: Deployment, release: Release, engine: str) -> str:
    return deployment.settings.k8s.k8s_image or release.image(engine)


def _command(deployment: Deployment, worker: WorkerType, release: Release) -> Command:
    spot = Spot(
        host=Ref("POD_IP"),
        bootstrap_port=_BOOTSTRAP,
        side_channel_port=_SIDE_CHANNEL,
        config_file=f"{CONFIG_MOUNT}/{config_name(worker.name)}",
    )
    return server(worker, deployment, dynamo(worker, release), spot)


def _container(deployment: Deployment, group: Group, worker: WorkerType, release: Release) -> dict[str, Any]:
    command = _command(deployment, worker, release)
    _, mounts = volumes(deployment, _config_name(deployment, group, worker))
    container: dict[str, Any] = {
        "name": "main",
        "image": _image(deployment, release, worker.backend),
        **container_command(command),
        "env": environment(deployment, command.env),
        "resources": resources(deployment, worker),
    }
    return {**container, "volumeMounts": mounts} if mounts else container


def _component(deployment: Deployment, group: Group, worker: WorkerType, release: Release) -> dict[str, Any]:
    found, _ = volumes(deployment, _config_name(deployment, group, worker))
    spec: dict[str, Any] = {
        **pod_extras(deployment, worker),
        "containers": [_container(deployment, group, worker, release)],
    }
    return {
        "name": worker.name,
        "type": _COMPONENT[worker.role],
        "replicas": worker.workers,
        **({"multinode": {"nodeCount": worker.nodes}} if worker.nodes > 1 else {}),
        "sharedMemorySize": deployment.settings.k8s.shared_memory_size,
        "podTemplate": {"spec": {**spec, "volumes": found} if found else spec},
    }


def _frontend(deployment: Deployment, group: Group, release: Release, command: Command) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": _image(deployment, release, group.backend),
        **container_command(command),
        "env": [secret_env(deployment)],
    }
    spec = {**pod_extras(deployment, None), "containers": [container]}
    return {"name": "frontend", "type": "frontend", "replicas": 1, "podTemplate": {"spec": spec}}


def _old_service(
    deployment: Deployment, group: Group, worker: WorkerType, release: Release
) -> dict[str, Any]:
    """A worker of v1alpha1."""
    container = _container(deployment, group, worker, release)
    del container["name"], container["resources"]
    found, _ = volumes(deployment, _config_name(deployment, group, worker))
    pod: dict[str, Any] = {**pod_extras(deployment, worker), "mainContainer": container}
    split = {"subComponentType": worker.role} if worker.split else {}
    return {
        "componentType": "worker",
        **split,
        "replicas": worker.workers,
        **({"multinode": {"nodeCount": worker.nodes}} if worker.nodes > 1 else {}),
        "resources": {"limits": {"gpu": str(worker.node_gpus)}},
        "sharedMemory": {"size": deployment.settings.k8s.shared_memory_size},
        "extraPodSpec": {**pod, "volumes": found} if found else pod,
    }


def _old_frontend(deployment: Deployment, group: Group, release: Release, command: Command) -> dict[str, Any]:
    container = {
        "image": _image(deployment, release, group.backend),
        **container_command(command),
        "env": [secret_env(deployment)],
    }
    pod = {**pod_extras(deployment, None), "mainContainer": container}
    return {"componentType": "frontend", "replicas": 1, "extraPodSpec": pod}


def _config_name(deployment: Deployment, group: Group, worker: WorkerType) -> str | None:
    """Name of the ConfigMap with a worker's engine file."""
    return f"{deployment.group_name(group)}-{worker.name}" if worker.backend == "trtllm" else None


def _config_maps(deployment: Deployment, group: Group, release: Release) -> list[dict[str, Any]]:
    maps = []
    for worker in group.types:
        name = _config_name(deployment, group, worker)
        if name is not None:
            text = yaml_text(engine_file(worker, deployment, dynamo(worker, release)))
            maps.append(config_map(deployment, name, {config_name(worker.name): text}))
    return maps
