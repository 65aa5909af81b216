"""``lws.yaml``: plain servers on Kubernetes, without Dynamo.

One LeaderWorkerSet for each worker type (its pods have stable names, so the front lists them), the front, and
a Service that clients use. A group's size is the number of nodes that one worker spans.
"""

from pathlib import Path
from typing import Any

from aicfg.experiments.deploy.command import Command, Ref
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.servers.server import Flavour, Spot, engine_file, plain, server
from aicfg.experiments.deploy.servers.spots import config_name
from aicfg.experiments.deploy.servers.wiring import Wiring
from aicfg.experiments.deploy.targets.bare import Files
from aicfg.experiments.deploy.targets.front_k8s import front_documents
from aicfg.experiments.deploy.targets.pods import (
    CONFIG_MOUNT,
    config_map,
    container_command,
    environment,
    metadata,
    pod_extras,
    probes,
    resources,
    shared_memory,
    volumes,
)
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.experiments.deploy.yaml_text import yaml_documents, yaml_text

FILE = "lws.yaml"
PORT, BOOTSTRAP = 8000, 8998
_SIDE_CHANNEL = 5600
_TEMPLATES = Path(__file__).parent / "templates"
_SSH_SECRET = "mpi-ssh-key"


def lws_manifests(deployment: Deployment) -> Files:
    """The manifest with everything that ``kubectl apply`` needs (LeaderWorkerSet installed)."""
    documents: list[dict[str, Any]] = []
    for group in deployment.groups:
        for worker in group.types:
            documents += _worker_documents(deployment, group, worker)
        documents += front_documents(deployment, group, PORT, BOOTSTRAP)
    needs_ssh = any(worker.backend == "trtllm" and worker.nodes > 1 for worker in deployment.types)
    ssh = (
        f"\nSecret {_SSH_SECRET} holds private.key and private.key.pub (ssh-keygen): MPI uses it."
        if needs_ssh
        else ""
    )
    head = f"{deployment.gpus} GPUs, plain servers; needs LeaderWorkerSet; kubectl apply -f {FILE}{ssh}"
    return {FILE: yaml_documents(documents, head)}


def _worker_documents(deployment: Deployment, group: Group, worker: WorkerType) -> list[dict[str, Any]]:
    flavour = plain(worker, deployment)
    name = f"{deployment.group_name(group)}-{worker.name}"
    files = _files(deployment, worker, flavour)
    maps = [config_map(deployment, name, files)] if files else []
    return [*maps, _set(deployment, worker, flavour, name)]


def _files(deployment: Deployment, worker: WorkerType, flavour: Flavour) -> Files:
    """What a worker's pods mount."""
    if worker.backend != "trtllm":
        return {}
    files = {config_name(worker.name): yaml_text(engine_file(worker, deployment, flavour))}
    if worker.nodes > 1:
        for script in ("mpi_leader.sh", "mpi_follower.sh"):
            files[script] = (_TEMPLATES / script).read_text(encoding="utf-8")
    return files


def _set(deployment: Deployment, worker: WorkerType, flavour: Flavour, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    leader = _template(deployment, worker, flavour, name, leads=True)
    template: dict[str, Any] = {"size": worker.nodes, "restartPolicy": "RecreateGroupOnPodRestart"}
    if worker.nodes > 1:
        template["leaderTemplate"] = {"metadata": {"labels": labels}, "spec": leader}
        template["workerTemplate"] = {"spec": _template(deployment, worker, flavour, name, leads=False)}
    else:
        template["workerTemplate"] = {"metadata": {"labels": labels}, "spec": leader}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": metadata(deployment, name, labels),
        "spec": {"replicas": worker.workers, "leaderWorkerTemplate": template},
    }


def _template(
    deployment: Deployment, worker: WorkerType, flavour: Flavour, name: str, leads: bool
) -> dict[str, Any]:
    command = _command(deployment, worker, flavour, leads)
    found, mounts = volumes(deployment, name if _files(deployment, worker, flavour) else None)
    shm, shm_mount = shared_memory(deployment)
    if worker.backend == "trtllm" and worker.nodes > 1:
        found.append({"name": "ssh", "secret": {"secretName": _SSH_SECRET, "defaultMode": 0o400}})
        mounts.append({"name": "ssh", "mountPath": "/ssh", "readOnly": True})
    container = {
        "name": "server",
        "image": deployment.settings.k8s.engine_image or flavour.dialect.image,
        **container_command(command),
        "env": environment(deployment, command.env),
        "resources": resources(deployment, worker),
        "volumeMounts": [shm_mount, *mounts],
    }
    if leads:
        container |= {"ports": [{"name": "http", "containerPort": PORT}], **probes(PORT)}
    return {**pod_extras(deployment, worker), "containers": [container], "volumes": [shm, *found]}


def _command(deployment: Deployment, worker: WorkerType, flavour: Flavour, leads: bool) -> Command:
    wiring = None
    if worker.nodes > 1:
        wiring = Wiring(0 if leads else Ref("LWS_WORKER_INDEX"), Ref("LWS_LEADER_ADDRESS"))
    spot = Spot(
        host=Ref("POD_IP"),
        port=PORT,
        bootstrap_port=BOOTSTRAP,
        side_channel_port=_SIDE_CHANNEL,
        wiring=wiring,
        config_file=f"{CONFIG_MOUNT}/{config_name(worker.name)}",
    )
    command = server(worker, deployment, flavour, spot)
    if worker.backend != "trtllm" or worker.nodes == 1:
        return command
    if not leads:
        return command.under(("bash", f"{CONFIG_MOUNT}/mpi_follower.sh"), ((Ref("LWS_LEADER_ADDRESS"),),))
    told = (Ref("LWS_GROUP_SIZE"), Ref("LWS_LEADER_ADDRESS"), str(worker.node_gpus))
    return command.under(("bash", f"{CONFIG_MOUNT}/mpi_leader.sh"), (told,))
