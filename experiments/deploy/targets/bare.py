"""Launch scripts for machines without a cluster: ``node_<i>_run.sh``, one for each node that takes part.

Plain servers stand behind their engine's router, Dynamo's workers behind its frontend; node 0 starts it.
"""

from aicfg.experiments.deploy.command import Command, Option, Ref, shell_line
from aicfg.experiments.deploy.deployment import Deployment, Group
from aicfg.experiments.deploy.placement import Node, Part, leaders, place
from aicfg.experiments.deploy.release import Release
from aicfg.experiments.deploy.servers.front import disaggregated_file, install, kind, nginx_file, router
from aicfg.experiments.deploy.servers.server import Flavour, dynamo, engine_file, plain, server
from aicfg.experiments.deploy.servers.spots import HEAD, Spots, config_name, names_text
from aicfg.experiments.deploy.targets.script import Script
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.experiments.deploy.yaml_text import yaml_text

Files = dict[str, str]


def plain_scripts(deployment: Deployment) -> Files:
    """Scripts of the engines' own servers, with their configuration files."""
    return _files(deployment, None)


def dynamo_scripts(deployment: Deployment, release: Release) -> Files:
    """Scripts of Dynamo's workers and frontend, with their configuration files."""
    return _files(deployment, release)


def engine_files(deployment: Deployment, release: Release | None) -> Files:
    """The configuration file of each worker type."""
    files = {}
    for worker in deployment.types:
        flavour = _flavour(worker, deployment, release)
        head = (
            f"{worker.workers} × {worker.name}: {worker.layout}, {worker.backend} {flavour.dialect.version}"
        )
        files[config_name(worker.name)] = yaml_text(engine_file(worker, deployment, flavour), head)
    return files


def _files(deployment: Deployment, release: Release | None) -> Files:
    nodes = place(deployment)
    spots = Spots(deployment, nodes)
    files = engine_files(deployment, release)
    for node in nodes:
        script = _script(deployment, nodes, node, release)
        for part in node.parts:
            _start_part(script, spots, part, _flavour(part.worker, deployment, release), deployment)
        if node.index == 0:
            for group in deployment.groups:
                files |= _start_front(script, spots, group, release)
        files[f"node_{node.index}_run.sh"] = script.text()
    return files


def _flavour(worker: WorkerType, deployment: Deployment, release: Release | None) -> Flavour:
    return plain(worker, deployment) if release is None else dynamo(worker, release)


def _script(deployment: Deployment, nodes: tuple[Node, ...], node: Node, release: Release | None) -> Script:
    what = names_text([part.name for part in node.parts])
    script = Script(
        title=f"Node {node.index} of {len(nodes)} ({node.system}): {what}",
        gpus=node.gpus,
        nodes=len(nodes),
        head_ip=deployment.settings.service.head_node_ip,
        beside=any(part.worker.backend == "trtllm" for part in node.parts),
    )
    if release is not None and len(nodes) == 1:
        script.exports += ["export DYN_DISCOVERY_BACKEND=file DYN_EVENT_PLANE=zmq"]
    elif release is not None:
        script.used.add(HEAD)
        script.exports += [
            "# etcd and NATS run on node 0",
            'export ETCD_ENDPOINTS="http://${HEAD_NODE_IP}:2379" NATS_SERVER="nats://${HEAD_NODE_IP}:4222"',
        ]
    return script


def _start_part(script: Script, spots: Spots, part: Part, flavour: Flavour, deployment: Deployment) -> None:
    devices = ",".join(str(gpu) for gpu in part.gpus)
    command = server(part.worker, deployment, flavour, spots.spot(part, dynamo=flavour.release is not None))
    if len(deployment.groups) > 1 and flavour.release is not None:
        command = command.with_env({"DYN_NAMESPACE": part.worker.role if not part.worker.split else "disagg"})
    if deployment.settings.k8s.extra_env:
        command = command.with_env(deployment.settings.k8s.extra_env)
    comment = f"{part.name}: {part.worker.layout} on GPUs {devices}"
    if part.worker.backend == "trtllm" and len(part.nodes) > 1:
        _start_mpi(script, spots, part, command.with_env({"CUDA_VISIBLE_DEVICES": devices}), comment)
        return
    script.start(part.name, command.with_env({"CUDA_VISIBLE_DEVICES": devices}), comment)


def _start_mpi(script: Script, spots: Spots, part: Part, command: Command, comment: str) -> None:
    """A TensorRT-LLM worker over several nodes: MPI on its first one reaches the others over ssh."""
    launched = command.under(("trtllm-llmapi-launch",))
    if not part.leads:
        told = Command(
            ("echo", f"{part.name}: node {part.nodes[0]} starts these ranks over ssh:"), (launched.words,)
        )
        script.line(f"\n# {comment}\n{shell_line(told)} >&2")
        if not any("/usr/sbin/sshd" in line for line in script.body):
            script.start(
                "sshd", Command(("/usr/sbin/sshd", "-D", "-p", Ref("SSH_PORT"))), "How MPI reaches this node"
            )
        return
    hosts = f"hosts_{part.name.replace('-', '_')}"
    addresses = [spots.address(node) for node in part.nodes]
    named = ",".join(
        f"{each if isinstance(each, str) else f'${{{each.name}}}'}:{part.worker.node_gpus}"
        for each in addresses
    )
    script.line(f'\n{hosts}="{named}"', [each.name for each in addresses if isinstance(each, Ref)])
    mpi: tuple[Option, ...] = (
        ("--allow-run-as-root", "--oversubscribe", "-n", str(part.worker.gpus), "-H", Ref(hosts)),
        ("--mca", "plm_rsh_args", Ref("SSH_PORT", "-p ", " -o StrictHostKeyChecking=no")),
        (Ref("mpi_env[@]"), *(word for name in command.env for word in ("-x", name))),
    )
    script.start(part.name, launched.under(("mpirun",), mpi), comment)


def _start_front(script: Script, spots: Spots, group: Group, release: Release | None) -> Files:
    deployment = spots.deployment
    port = deployment.port(group)
    if release is not None:
        frontend = frontend_command(deployment, release, port)
        if len(deployment.groups) > 1:
            frontend = frontend.with_env({"DYN_NAMESPACE": group.name})
        script.start(f"frontend-{group.name}", frontend, f"Clients: http://NODE_0:{port}/v1")
        return {}
    if kind(group) == "none":
        return {}
    backends = [spots.backend(node, part) for node, part in leaders(spots.nodes, group.types)]
    if kind(group) == "router":
        flavour = plain(group.types[0], deployment)
        command = router(group, flavour.dialect, port, backends)
        script.start(
            f"router-{group.name}",
            command,
            f"Clients: http://NODE_0:{port}/v1 (pip install {install(flavour.dialect)})",
        )
        return {}
    script.beside = True
    known = [backend for backend, _ in backends]
    name, text, command = "disagg_config.yaml", yaml_text(disaggregated_file(port, known)), _disaggregated()
    if kind(group) == "nginx":
        name, text, command = "nginx.conf", nginx_file(port, known), _nginx()
    files = {}
    if spots.single:
        files[name] = text
    else:
        used = [word.name for _, word in backends if isinstance(word, Ref)]
        script.line(f"\ncat >{name} <<EOF\n{text}EOF", used)
    script.start(f"front-{group.name}", command, f"Clients: http://NODE_0:{port}/v1")
    return files


def frontend_command(deployment: Deployment, release: Release, port: int) -> Command:
    """Dynamo's frontend."""
    flags, mode = release.data["frontend"], deployment.settings.dynamo.router_mode
    options: list[Option] = [(flags["port"], str(port)), (flags["router_mode"], mode)]
    if mode == "kv":  # workers publish no cache events: the router predicts what is cached from what it sent
        options.append((flags["no_kv_events"],))
    return Command(release.program("frontend"), tuple(options))


def _disaggregated() -> Command:
    options = (("--config_file", "disagg_config.yaml"), ("--server_start_timeout", "7200"))
    return Command(("trtllm-serve", "disaggregated"), options)


def _nginx() -> Command:
    return Command(("nginx", "-c", Ref("PWD", after="/nginx.conf"), "-g", "daemon off;"))
