"""Ports and addresses of the parts that nodes run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aicfg.experiments.deploy.command import Ref, Word
from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.placement import Node, Part
from aicfg.experiments.deploy.servers.front import Backend, kind
from aicfg.experiments.deploy.servers.server import Spot
from aicfg.experiments.deploy.servers.wiring import Wiring

HEAD = "HEAD_NODE_IP"
OWN = "NODE_IP"
_SYSTEM_PORT = 9090
_LEADER_PORT, _DATA_PARALLEL_PORT = 29_500, 13_445
_BETWEEN = {"port": 100, "bootstrap": 10, "side_channel": 512, "leader": 20}
"""Ports from one worker to the next: servers take more of them by rank."""


@dataclass(frozen=True)
class Spots:
    """Where the parts of one deployment listen."""

    deployment: Deployment
    nodes: tuple[Node, ...]

    @property
    def single(self) -> bool:
        """Whether one node holds everything."""
        return len(self.nodes) == 1

    def address(self, node: int) -> Word:
        """Address of a node, as the others know it."""
        if self.single:
            return "127.0.0.1"
        return Ref(HEAD) if node == 0 else Ref(f"NODES[{node}]")

    def spot(self, part: Part, dynamo: bool) -> Spot:
        """Where a part's server listens."""
        service = self.deployment.settings.service
        return Spot(
            host="127.0.0.1" if self.single else Ref(OWN),
            port=self.port(part),
            bootstrap_port=service.bootstrap_port + _BETWEEN["bootstrap"] * part.slot,
            side_channel_port=service.vllm_nixl_side_channel_port + _BETWEEN["side_channel"] * part.slot,
            system_port=_SYSTEM_PORT + part.slot if dynamo else None,
            wiring=self._wiring(part) if len(part.nodes) > 1 else None,
            config_file=f"./{config_name(part.worker.name)}",
        )

    def port(self, part: Part) -> int:
        """HTTP port of a plain server: the clients' own when nothing stands before it."""
        for group in self.deployment.groups:
            if part.worker in group.types and kind(group) == "none":
                return self.deployment.port(group)
        return self.deployment.settings.service.worker_port + _BETWEEN["port"] * part.slot

    def backend(self, node: Node, part: Part) -> tuple[Backend, Word]:
        """A leading part as the front reaches it, and its address as a word."""
        address = self.address(node.index)
        host = address if isinstance(address, str) else f"${{{address.name}}}"
        handshake = None
        if part.worker.backend == "sglang" and part.worker.role == "prefill":
            handshake = self.spot(part, dynamo=False).bootstrap_port
        backend = Backend(part.worker, host, self.port(part), handshake)
        if isinstance(address, str):
            return backend, backend.url
        return backend, Ref(address.name, "http://", f":{backend.port}")

    def _wiring(self, part: Part) -> Wiring:
        spanning = [
            (each.worker.name, each.index)
            for node in self.nodes
            for each in node.parts
            if len(each.nodes) > 1 and each.leads
        ]
        offset = _BETWEEN["leader"] * spanning.index((part.worker.name, part.index))
        leader = self.address(part.nodes[0])
        return Wiring(part.rank, leader, _LEADER_PORT + offset, _DATA_PARALLEL_PORT + offset)


def config_name(worker: str) -> str:
    """File name of a worker type's engine configuration."""
    return f"{worker}_config.yaml"


def refs(words: Iterable[Word]) -> set[str]:
    """Names of the variables that words refer to."""
    return {word.name for word in words if isinstance(word, Ref)}


def names_text(names: Sequence[str]) -> str:
    """Names in a comment, shortened."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
