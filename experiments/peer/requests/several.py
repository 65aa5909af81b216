"""One request for several engines into one for each."""

from collections.abc import Sequence

from aicfg.experiments.peer.requests.keys import BACKENDS
from aicfg.experiments.peer.requests.request import Request


def spread(requests: Sequence[Request]) -> tuple[list[Request], list[str]]:
    """Each request once for each engine that it leaves open (``auto``, ``any``), and the shared names."""
    found: list[Request] = []
    names: list[str] = []
    for request in requests:
        for each in _engines(request):
            found.append(each)
            names.append(request.name)
    return found, names


def _engines(request: Request) -> list[Request]:
    asked = {request.of(role, "backend_name") for role in request.roles}
    if not asked & {"auto", "any"}:
        return [request]
    kept = {key: value for key, value in request.values.items() if not key.endswith("backend_name")}
    return [Request(f"{request.name}-{name}", {**kept, "backend_name": name}) for name in BACKENDS]
