"""Pods that manifests, Helm values and compose files ask for, as far as a check needs them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pod:
    """Equal pods."""

    name: str
    count: int
    gpus_each: int
    words: tuple[str, ...] = ()
    """The container's command and arguments."""

    @property
    def gpus(self) -> int:
        """GPUs of all of them."""
        return self.count * self.gpus_each

    @property
    def shell(self) -> str | None:
        """The shell text that the container runs, if it does."""
        if len(self.words) > 2 and self.words[0].endswith("sh") and self.words[1] == "-c":
            return self.words[2]
        return None


def pods(documents: Sequence[Any]) -> Iterator[Pod]:
    """All pods that take GPUs or start a server."""
    for document in documents:
        if not isinstance(document, dict):
            continue
        kind, spec = document.get("kind"), document.get("spec") or {}
        if kind == "DynamoGraphDeployment":
            yield from _graph(spec)
        elif kind == "LeaderWorkerSet":
            yield from _group(str(document["metadata"]["name"]), spec)
        elif "modelArtifacts" in document:
            yield from _values(document)
        elif kind is None and "services" in document:
            yield from _compose(document["services"])


def _graph(spec: Mapping[str, Any]) -> Iterator[Pod]:
    for each in spec.get("components") or ():
        containers = ((each.get("podTemplate") or {}).get("spec") or {}).get("containers") or ()
        for container in containers:
            count = each.get("replicas", 1) * (each.get("multinode") or {}).get("nodeCount", 1)
            yield _pod(each.get("name"), count, container, _limit(container))
    for name, each in (spec.get("services") or {}).items():
        container = (each.get("extraPodSpec") or {}).get("mainContainer") or {}
        count = each.get("replicas", 1) * (each.get("multinode") or {}).get("nodeCount", 1)
        gpus = int(((each.get("resources") or {}).get("limits") or {}).get("gpu", 0))
        yield _pod(name, count, container, gpus)


def _group(name: str, spec: Mapping[str, Any]) -> Iterator[Pod]:
    template = spec["leaderWorkerTemplate"]
    groups, size = spec.get("replicas", 1), template.get("size", 1)
    leads = "leaderTemplate" in template
    parts = [("leaderTemplate", 1)] if leads else []
    if size > leads:
        parts.append(("workerTemplate", size - leads))
    for part, pods_each in parts:
        for container in template[part]["spec"]["containers"]:
            yield _pod(f"{name} {part}", groups * pods_each, container, _limit(container))


def _values(values: Mapping[str, Any]) -> Iterator[Pod]:
    for role in ("prefill", "decode"):
        each = values.get(role) or {}
        if each.get("create", True) is False:
            continue
        count = each.get("replicas", 1) * (each.get("parallelism") or {}).get("workers", 1)
        for container in each.get("containers") or ():
            yield _pod(role, count, container, _limit(container))


def _compose(services: Mapping[str, Any]) -> Iterator[Pod]:
    for name, each in services.items():
        reserved = ((each.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
        gpus = sum(len(device.get("device_ids") or ()) for device in reserved.get("devices") or ())
        words = [*(each.get("entrypoint") or ()), *(each.get("command") or ())]
        yield Pod(str(name), 1, gpus, tuple(str(word) for word in words))


def _pod(name: Any, count: int, container: Mapping[str, Any], gpus: int) -> Pod:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return Pod(str(name), count, gpus, tuple(str(word) for word in words))


def _limit(container: Mapping[str, Any]) -> int:
    limits = (container.get("resources") or {}).get("limits") or {}
    return int(limits.get("nvidia.com/gpu", 0))
