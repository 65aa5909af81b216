"""GPU systems: what one GPU, its node and its rack can do.

The facts are in ``systems/<name>.yaml``, one flat file a system; units are in the keys.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from aicfg.model_specs.errors import InputError, nearest

FOLDER = Path(__file__).parent / "systems"


@dataclass(frozen=True)
class System:
    """One GPU system. Bandwidths are one direction, per GPU."""

    name: str
    aliases: tuple[str, ...]
    sm: int
    """CUDA compute capability times ten; 0 where there is none."""
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    memory_efficiency: float
    """Share of the memory bandwidth that a plain read-write pass reaches."""
    memory_latency_ms: float
    """What a memory-bound pass costs at least."""
    flops: dict[str, float]
    """Dense peak in operations/s by arithmetic: bfloat16, fp8, int8, fp4."""
    power_w: float
    gpus_per_node: int
    gpus_per_rack: int
    """0 when racks make no difference."""
    intra_node_bytes_per_s: float
    inter_node_bytes_per_s: float
    inter_rack_bytes_per_s: float
    pcie_bytes_per_s: float
    p2p_latency_ms: float
    nccl_memory_bytes: dict[int, int]
    """Communication buffers by tensor-parallel degree."""
    other_memory_bytes: int
    """Driver, context, CUDA graphs and what else the engine keeps."""
    nccl_version: str
    default_versions: dict[str, str]
    """Engine version whose tables are shipped, by engine."""

    def link_bytes_per_s(self, ranks: int) -> float:
        """One-direction bandwidth per GPU of the slowest link inside a group of ``ranks`` neighbours."""
        if ranks <= self.gpus_per_node:
            return self.intra_node_bytes_per_s
        if not self.gpus_per_rack or ranks <= self.gpus_per_rack:
            return self.inter_node_bytes_per_s
        return self.inter_rack_bytes_per_s

    def peak_flops(self, arithmetic: str) -> float:
        """Operations/s of ``arithmetic``; a GPU that lacks it is refused, never extrapolated."""
        if arithmetic not in self.flops:
            offered = ", ".join(self.flops)
            raise InputError(f"{self.name} has no {arithmetic} arithmetic (it offers {offered})")
        return self.flops[arithmetic]

    def ideal(self) -> "System":
        """The same GPU with plain passes at the memory's full bandwidth and no latencies: speed of light."""
        return replace(self, memory_efficiency=1.0, memory_latency_ms=0.0, p2p_latency_ms=0.0)

    def nccl_buffers_bytes(self, ranks: int) -> int:
        """Communication buffers of one GPU in a group of ``ranks``: of the largest size listed up to it."""
        return self.nccl_memory_bytes[max(size for size in self.nccl_memory_bytes if size <= ranks)]


@cache
def _aliases() -> dict[str, str]:
    """Every accepted name -> the file's stem; reads only the head of each file."""
    import yaml

    names: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        head = path.read_text(encoding="utf-8").split("\nmemory_bytes", 1)[0]
        facts = yaml.safe_load(head)
        names |= dict.fromkeys((facts["name"], *facts.get("aliases", [])), path.stem)
    return names


def system_names() -> tuple[str, ...]:
    """The systems that have a description, without aliases."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def load_system(name: str) -> System:
    """The description of ``name`` (or of the system it is an alias of)."""
    path = FOLDER / f"{name}.yaml"
    if not (name.replace("_", "").isalnum() and path.is_file()):
        if name not in _aliases():
            known = ", ".join(system_names())
            raise InputError(f"unknown GPU system {name!r}{nearest(name, _aliases())} (known: {known})")
        path = FOLDER / f"{_aliases()[name]}.yaml"
    return system_of(read_description(path))


def read_description(path: Path) -> Any:
    """What a description's file holds, unchecked."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)


def system_of(facts: dict[str, Any]) -> System:
    """The system that a sound description describes."""
    return System(
        **{
            "sm": 0,
            "gpus_per_rack": 0,
            "inter_rack_bytes_per_s": 0.0,
            **{key: value for key, value in facts.items() if key in System.__dataclass_fields__},
            "aliases": tuple(facts.get("aliases", ())),
        }
    )
