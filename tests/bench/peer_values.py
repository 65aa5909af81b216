"""What the peer says of one aggregated worker, as rows of ``tests/data/check_values_*.csv``.

    /path/to/peer/python tests/bench/peer_values.py CASES.txt > tests/data/check_values_hybrid.csv

Runs in the environment that has AIConfigurator 0.12.0. Each line of CASES.txt is
``model system backend tp pp dp moe_tp moe_ep batch chunk_tokens isl osl [name=value ...]``, where a name is a
component's format (gemm, moe, fmha, kvcache), ``prefix`` or ``nextn``; # begins a comment.
"""

import csv
import logging
import sys
from pathlib import Path
from typing import Any

ACCEPTED = 0.8
"""Draft tokens accepted a step, where some are drafted."""
DEGREES = ("tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
SIZES = ("batch_size", "ctx_tokens", "isl", "osl")
PARTS = {"weights": "weights", "activations": "activations", "kvcache": "kvcache", "total": "total"}


def rows(line: str) -> list[tuple[str, str, str, str, float]]:
    """Kind, case, quantity, unit and value of one case's figures."""
    from aiconfigurator.cli.api import cli_estimate

    words = line.split()
    model, system, backend, *numbers = words[:12]
    named: dict[str, Any] = dict(word.split("=") for word in words[12:])
    sizes = dict(zip((*DEGREES, *SIZES), map(int, numbers), strict=True))
    asked: dict[str, Any] = {f"{part}_quant_mode": named[part] for part in FORMATS if part in named}
    asked |= {name: int(named[name]) for name in ("prefix", "nextn") if name in named}
    if "nextn" in asked:
        asked["nextn_accepted"] = ACCEPTED
    found = cli_estimate(model, system, backend_name=backend, mode="agg", **sizes, **asked)
    case = _case(found, model, f"{system}/{backend}", sizes, asked)
    steps, memory = found.per_ops_data["scheduling"], found.summary.get_memory()
    figures = {
        ("mix_step", "ms"): steps["mix_step_latency_ms"],
        ("genonly_step", "ms"): steps["genonly_step_latency_ms"],
        ("ttft", "ms"): found.raw["ttft"],
        ("tpot", "ms"): found.raw["tpot"],
        ("tokens/s/gpu", "tokens/s"): found.raw["tokens/s/gpu"],
        **{(f"memory_{part}", "GiB"): memory[key] for part, key in PARTS.items()},
    }
    return [("e2e_agg", case, quantity, unit, value) for (quantity, unit), value in figures.items()]


FORMATS = ("gemm", "moe", "fmha", "kvcache")


def _case(found: Any, model: str, where: str, sizes: dict[str, int], asked: dict[str, Any]) -> str:
    """The case's name, as ``tests/hardware/test_check_values.py`` reads it."""
    tp, pp, dp, moe_tp, moe_ep = (sizes[name] for name in DEGREES)
    layout = f"tp{tp}pp{pp}dp{dp}etp{moe_tp}ep{moe_ep}"
    work = f"b={sizes['batch_size']} C={sizes['ctx_tokens']} isl={sizes['isl']} osl={sizes['osl']}"
    formats = " ".join(f"{'kv' if part == 'kvcache' else part}={found.raw[part]}" for part in FORMATS)
    prefix = f" prefix={asked['prefix']}" if "prefix" in asked else ""
    drafts = {name: asked[name] for name in ("nextn", "nextn_accepted") if name in asked}
    return f"agg {model} {where} {layout} {work}{prefix} [{formats}]{f' {drafts}' if drafts else ''}"


def main() -> None:
    """Write every case's rows to standard output."""
    logging.disable(logging.ERROR)
    lines = [line.partition("#")[0].strip() for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(("kind", "case", "quantity", "unit", "value"))
    for line in filter(None, lines):
        table.writerows(rows(line))


if __name__ == "__main__":
    main()
