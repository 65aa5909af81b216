"""Every command of the matrix, parsed by the servers' own argument parsers (opt-in: docs/deploy.md).

Each needs an interpreter with the server's light dependencies, and an unpacked wheel:
``AICFG_VLLM="PYTHON FOLDER"``, ``AICFG_SGLANG=…``, ``AICFG_VLLM_ROUTER=…``, ``AICFG_SGLANG_ROUTER=…``; for
another version than the default ``AICFG_VLLM_VERSION``, ``AICFG_SGLANG_VERSION``.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_plans import CASES, MOE, plan, pool

from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.experiments.deploy.write import render
from aicfg.experiments.plans.plan import Plan

PROGRAMS = {
    "vllm": ["vllm", "serve"],
    "sglang": ["-m", "sglang.launch_server"],
    "vllm-router": ["vllm-router"],
    "sglang-router": ["-m", "sglang_router.launch_router"],
}
DRAFTS = {"serving": {"speculative": {"nextn": 2}, "memory_fraction": 0.8}}


def plans(engine: str) -> Iterator[Plan]:
    """The matrix, and what it does not hold: drafts, prefix, memory fraction, context parallelism."""
    yield from (made for case, made in CASES if case.backend == engine)
    prefix = {"workload": {"isl": 4000, "osl": 500, "prefix": 1000}}
    yield plan(
        pool(engine, "agg", 2, tp=2, dp=1 if engine == "vllm" else 4, moe_ep=8), model=MOE, **DRAFTS, **prefix
    )
    if engine == "sglang":
        yield plan(pool(engine, "prefill", 1, cp=2, pp=2), pool(engine, "decode", 1, tp=4), model=MOE)


def commands(server: str) -> Iterator[list[str]]:
    """The words after the program, of every start of a server in every script."""
    engine = server.removesuffix("-router")
    version = os.environ.get(f"AICFG_{engine.upper()}_VERSION")
    for made in plans(engine):
        for name, text in render(made, Settings(generated_config_version=version), ["bare"]).items():
            for line in text.replace("\\\n", " ").splitlines() if name.endswith(".sh") else ():
                words = shlex.split(line) if line.startswith("start ") else []
                for at in range(len(words)):
                    if words[at : at + len(PROGRAMS[server])] == PROGRAMS[server]:
                        yield [_settled(word) for word in words[at + len(PROGRAMS[server]) :]]


def _settled(word: str) -> str:
    """A word with its variables set."""
    return (
        "http://10.0.0.1:8100" if word.startswith("http://$") else word.replace("${HEAD_NODE_IP}", "10.0.0.1")
    )


@pytest.mark.parametrize("server", PROGRAMS)
def test_the_servers_own_parser_takes_every_command(server: str) -> None:
    """Not one is refused."""
    where = os.environ.get(f"AICFG_{server.upper().replace('-', '_')}")
    if where is None:
        pytest.skip("opt-in: docs/deploy.md")
    lines = [json.dumps(words) for words in commands(server)]
    assert len(lines) > 10
    python, folder = where.split()
    script = Path(__file__).with_name("server_parsers.py")
    done = subprocess.run(
        [python, script, server, folder], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{len(lines)} commands parsed" in done.stdout
    print(done.stdout)
