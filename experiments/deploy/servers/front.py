"""What stands before a group's workers: the engine's router, TensorRT-LLM's server for pairs, or nginx."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aicfg.experiments.deploy.command import Command, Option, Word
from aicfg.experiments.deploy.deployment import Group
from aicfg.experiments.deploy.dialect import Dialect
from aicfg.experiments.deploy.worker import WorkerType

START_SECONDS = 7200
"""Servers that load large weights take long to answer first."""
NGINX_IMAGE = "nginx:1.29"
Kind = Literal["none", "router", "trtllm", "nginx"]


@dataclass(frozen=True)
class Backend:
    """One worker as the front reaches it."""

    worker: WorkerType
    host: str
    port: int
    bootstrap_port: int | None = None

    @property
    def url(self) -> str:
        """Address of its server."""
        return f"http://{self.host}:{self.port}"


def kind(group: Group) -> Kind:
    """Which front a group has; a single aggregated worker needs none."""
    if not group.split and sum(each.workers for each in group.types) == 1:
        return "none"
    if group.backend == "trtllm":
        return "trtllm" if group.split else "nginx"
    return "router"


def router(group: Group, dialect: Dialect, port: int, backends: Sequence[tuple[Backend, Word]]) -> Command:
    """The engine's router; each backend comes with its address as a word."""
    data = dialect.data["router"]
    options: list[Option] = [("--host", "0.0.0.0"), ("--port", str(port)), ("--policy", "round_robin")]
    options.append(("--worker-startup-timeout-secs", str(START_SECONDS)))
    if not group.split:
        options.append(("--worker-urls", *(url for _, url in backends)))
        return Command(tuple(data["program"]), tuple(options))
    options.append((data["disaggregated"],))
    for backend, url in backends:
        handshake = () if backend.bootstrap_port is None else (str(backend.bootstrap_port),)
        prefill = backend.worker.role == "prefill"
        options.append(("--prefill", url, *handshake) if prefill else ("--decode", url))
    return Command(tuple(data["program"]), tuple(options))


def disaggregated_file(port: int, backends: Sequence[Backend]) -> dict[str, Any]:
    """Configuration of ``trtllm-serve disaggregated``."""

    def servers(role: str) -> dict[str, Any]:
        urls = [f"{each.host}:{each.port}" for each in backends if each.worker.role == role]
        return {"num_instances": len(urls), "urls": urls}

    return {
        "hostname": "0.0.0.0",
        "port": port,
        "backend": "pytorch",
        "context_servers": servers("prefill"),
        "generation_servers": servers("decode"),
    }


def nginx_file(port: int, backends: Sequence[Backend]) -> str:
    """Configuration of nginx that spreads requests over equal workers, tokens as they come."""
    servers = "\n".join(f"    server {each.host}:{each.port};" for each in backends)
    return (
        "worker_processes auto;\n"
        "pid /tmp/aicfg-nginx.pid;\n"
        "events { worker_connections 65536; }\n"
        "http {\n"
        "  access_log off;\n"
        "  client_max_body_size 0;\n"
        f"  upstream workers {{\n    least_conn;\n{servers}\n  }}\n"
        "  server {\n"
        f"    listen {port};\n"
        "    location / {\n"
        "      proxy_pass http://workers;\n"
        "      proxy_http_version 1.1;\n"
        '      proxy_set_header Connection "";\n'
        "      proxy_buffering off;\n"
        "      proxy_read_timeout 3600s;\n"
        "    }\n"
        "  }\n"
        "}\n"
    )


def install(dialect: Dialect) -> str:
    """The router's package, as pip names it."""
    data = dialect.data["router"]
    return f"{data['package']}=={data['version']}"
