"""``aicfg estimate``: one given configuration, and where its time goes."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aicfg.experiments.commands.settings import settings_of
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from aicfg.experiments.predictions.estimate import Worker
    from aicfg.experiments.solving.prepare import Case
    from aicfg.hardware.curve import Role

DEGREES = ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep")
ROLES: dict[str, tuple["Role", ...]] = {
    "agg": ("agg",),
    "prefill": ("prefill",),
    "decode": ("decode",),
    "disagg": ("prefill", "decode"),
}
DEFAULTS = {"name": "estimate", "workload": {"isl": 4000, "osl": 1000}, "fleet": {"gpus": 1}}
"""What flags alone need not say; the GPUs of the fleet are those that the configuration takes."""
_MOST = 65_536


def run_estimate(options: Namespace) -> int:
    """Print what the given workers do, and the time of each of their operations."""
    if options.batch_file is not None:
        from aicfg.experiments.commands.batch import run_batch

        return run_batch(options)
    from aicfg.experiments.predictions.estimate import estimate_of

    case, workers = _of_plan(options) if options.plan else _of_words(options)
    estimate = estimate_of(case, workers)
    if options.json:
        print(estimate.to_json(indent=2))
        return 0
    from aicfg.experiments.reports.estimate import print_estimate

    print_estimate(estimate, sys.stdout, color=not options.no_color)
    return 0


def _of_plan(options: Namespace) -> "tuple[Case, list[Worker]]":
    """The pools of a plan that ``aicfg solve --json`` printed."""
    from aicfg.experiments.ask.loader import load
    from aicfg.experiments.plans.plan import Plan
    from aicfg.experiments.predictions.estimate import Worker
    from aicfg.experiments.solving.prepare import prepare

    given = [option for option in ("file", "role", "batch", *DEGREES) if getattr(options, option) is not None]
    if given:
        raise InputError(f"--plan {options.plan}: says it all; leave out {', '.join(given)}")
    plan = Plan.from_json(_text(options.plan))
    if not plan.pools:
        raise InputError(f"--plan {options.plan}: has no pools ({plan.status})")
    (experiment,) = load(plan.inputs, settings=settings_of(options))
    same = ("role", "batch", "chunk_tokens", "workers", *DEGREES)
    return prepare(experiment), [
        Worker(**{name: getattr(pool, name) for name in same}) for pool in plan.pools
    ]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InputError(f"--plan {path}: cannot be read: {reason}") from None


def _of_words(options: Namespace) -> "tuple[Case, list[Worker]]":
    """An experiment's file, or flags alone, with the workers that the flags name."""
    from aicfg.experiments.ask.loader import load
    from aicfg.experiments.solving.prepare import prepare

    if options.role is None:
        raise InputError(f"--role: missing; expected one of {', '.join(ROLES)} (or --plan)")
    experiments = load(options.file or DEFAULTS, settings=[*_settings(options), *settings_of(options)])
    if len(experiments) > 1:
        raise InputError(f"{options.file}: holds {len(experiments)} experiments; expected one")
    return prepare(experiments[0]), list(_workers(options))


def _settings(options: Namespace) -> Iterator[str]:
    """What flags say of the experiment, as ``--set`` would say it."""
    keys = {
        "model": "model",
        "system": "fleet.system",
        "backend": "serving.backend",
        "isl": "workload.isl",
        "osl": "workload.osl",
        "data_mode": "serving.data_mode",
        "profile": "profile",
    }
    for option, key in keys.items():
        value = getattr(options, option)
        if value is not None:
            yield f"{key}={json.dumps(value)}"


def _workers(options: Namespace) -> "Iterator[Worker]":
    from aicfg.experiments.predictions.estimate import Worker

    roles = ROLES[options.role]
    if options.chunk is not None and options.role != "agg":
        raise InputError("--chunk: only aggregated workers prefill in chunks")
    for at, role in enumerate(roles):
        given = {
            name: _value(options, name, at, len(roles)) for name in (*DEGREES, "batch", "workers", "chunk")
        }
        given["chunk_tokens"] = given.pop("chunk")
        yield Worker(role=role, **{name: value for name, value in given.items() if value is not None})


def _value(options: Namespace, name: str, at: int, roles: int) -> int | None:
    """The value of one role; ``4/8`` gives prefill and decode workers each their own."""
    text = getattr(options, name)
    if text is None:
        return None
    parts = text.split("/")
    whole = all(part.isascii() and part.isdigit() and 1 <= int(part[:9]) <= _MOST for part in parts)
    if not whole or len(parts) not in (1, roles):
        pair = ", or PREFILL/DECODE such as 4/8" if roles == 2 else ""
        raise InputError(
            f"--{name.replace('_', '-')}: got {text!r}; expected a whole number from 1 to {_MOST:,}{pair}"
        )
    return int(parts[at % len(parts)])
