"""A node's launch script, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aicfg.experiments.deploy.command import Command, shell_lines
from aicfg.experiments.deploy.servers.spots import HEAD, OWN, refs

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass
class Script:
    """Commands that one node starts, and what they need before."""

    title: str
    gpus: int
    nodes: int
    head_ip: str | None
    beside: bool = False
    """Whether files beside the script are read."""
    exports: list[str] = field(default_factory=list)
    """Lines that set the environment of all commands; they may use the addresses."""
    body: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Variables that the commands refer to."""

    def start(self, name: str, command: Command, comment: str) -> None:
        """Add a server that runs until it ends."""
        self.used |= refs(command.words) | refs(command.env.values())
        self.body += ["", f"# {comment}", f"start {name} {shell_lines(command)}"]

    def line(self, text: str, used: Sequence[str] = ()) -> None:
        """Add lines as they are."""
        self.used |= set(used)
        self.body.append(text)

    def text(self) -> str:
        """The whole script."""
        head = ["#!/usr/bin/env bash", f"# {self.title}", f"# aicfg-gpus: {self.gpus}", "set -euo pipefail"]
        if self.beside:
            head.append('cd "$(dirname "${BASH_SOURCE[0]}")"')
        lines = [*head, *self._addresses(), *self.exports, "", _template("start.sh"), *self.body]
        return "\n".join([*lines, "", _template("watch.sh")]) + "\n"

    def _addresses(self) -> list[str]:
        """The addresses in use, each required and none guessed but this node's own."""
        lines = []
        others = any(name.startswith("NODES[") for name in self.used)
        if others:
            words = f"addresses of the {self.nodes} nodes in order, separated by spaces"
            lines.append(f'read -r -a NODES <<<"${{NODE_IPS:?{words}}}"')
            lines.append(
                f'((${{#NODES[@]}} == {self.nodes})) || {{ echo "NODE_IPS: expected {words}" >&2; exit 2; }}'
            )
        if HEAD in self.used:
            if self.head_ip is not None:
                lines.append(f"HEAD_NODE_IP=${{HEAD_NODE_IP:-{self.head_ip}}}")
            else:
                lines.append(
                    "HEAD_NODE_IP=${HEAD_NODE_IP:-${NODES[0]}}"
                    if others
                    else ': "${HEAD_NODE_IP:?address of node 0}"'
                )
        if OWN in self.used:
            lines.append("NODE_IP=${NODE_IP:-$(hostname -I | awk '{print $1}')}")
        if "SSH_PORT" in self.used:
            lines.append("SSH_PORT=${SSH_PORT:-2222}")
        if "mpi_env[@]" in self.used:
            lines += [
                "mpi_env=(-x PATH -x LD_LIBRARY_PATH)",
                "if [[ -n ${HF_TOKEN:-} ]]; then mpi_env+=(-x HF_TOKEN); fi",
            ]
        return ["", *lines] if lines else []


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").rstrip("\n")
