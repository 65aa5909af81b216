"""Workers on nodes: none crosses a node unless it is larger than one, and no two share a GPU."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.worker import WorkerType


@dataclass(frozen=True)
class Part:
    """What one node runs of one worker: all of it, or one node's share."""

    worker: WorkerType
    index: int
    """Which of the type's workers."""
    rank: int
    """Which of the worker's nodes."""
    nodes: tuple[int, ...]
    """All of the worker's nodes, the first leads."""
    slot: int
    """Which of the node's parts; ports go by it."""
    first_gpu: int

    @property
    def gpus(self) -> range:
        """GPUs on this node."""
        return range(self.first_gpu, self.first_gpu + self.worker.node_gpus)

    @property
    def leads(self) -> bool:
        """Whether this part answers requests."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """Name in logs: the type, which worker, and which of its nodes."""
        rank = f"-rank-{self.rank}" if len(self.nodes) > 1 else ""
        return f"{self.worker.name}-{self.index}{rank}"


@dataclass
class Node:
    """One machine and what runs on it."""

    index: int
    system: str
    free: int
    parts: list[Part] = field(default_factory=list)

    @property
    def gpus(self) -> int:
        """GPUs in use."""
        return sum(part.worker.node_gpus for part in self.parts)


def place(deployment: Deployment) -> tuple[Node, ...]:
    """All workers on as few nodes as first-fit decreasing finds, system by system."""
    return tuple(_placed(deployment.types, deployment.gpus_per_node))


def _placed(types: Sequence[WorkerType], gpus_per_node: Mapping[str, int]) -> list[Node]:
    nodes: list[Node] = []
    largest_first = sorted(types, key=lambda each: (-each.gpus, -each.node_gpus))
    for worker in largest_first:
        for index in range(worker.workers):
            for rank, node in enumerate(chosen := _choose(nodes, worker, gpus_per_node[worker.system])):
                where = tuple(each.index for each in chosen)
                first = gpus_per_node[worker.system] - node.free
                node.parts.append(Part(worker, index, rank, where, len(node.parts), first))
                node.free -= worker.node_gpus
    return nodes


def _choose(nodes: list[Node], worker: WorkerType, gpus: int) -> list[Node]:
    """The first nodes with room, and new ones as needed."""
    chosen = [node for node in nodes if node.system == worker.system and node.free >= worker.node_gpus][
        : worker.nodes
    ]
    if len(chosen) < worker.nodes and worker.nodes > 1:
        chosen = []  # a worker that spans nodes gets fresh ones: those beside each other
    while len(chosen) < worker.nodes:
        nodes.append(Node(len(nodes), worker.system, gpus))
        chosen.append(nodes[-1])
    return chosen


def leaders(nodes: Sequence[Node], types: Sequence[WorkerType]) -> Iterator[tuple[Node, Part]]:
    """Every worker's first part with its node, type by type."""
    found = [(node, part) for node in nodes for part in node.parts if part.leads]
    for worker in types:
        mine = [pair for pair in found if pair[1].worker is worker]
        yield from sorted(mine, key=lambda pair: pair[1].index)
