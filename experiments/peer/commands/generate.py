"""``aicfg generate``: the smallest layout that holds a model, with files that start it."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from aicfg.experiments.peer.answers.naive import DoesNotFitError, Naive, experiment_of, naive, solved
from aicfg.experiments.peer.commands.compare import settings_of
from aicfg.experiments.peer.commands.parser import keys_given
from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError

OUTPUT = "output"


def run_generate(options: Namespace) -> int:
    """Choose the layout, print it, write its files; 3 where the model does not fit."""
    from aicfg.experiments.peer.forms.handing_on import generator_of, write_files

    keys, settings = keys_given("generate", options), settings_of(options)
    if "total_gpus" not in keys:
        raise InputError("generate: --total-gpus: missing; expected the GPUs of the budget")
    generator = generator_of(options)
    settings_of_files = generator.settings()
    backend = keys.get("backend_name", "trtllm")
    try:
        found = naive(
            keys["model_path"], keys["total_gpus"], keys["system_name"], settings, force=bool(options.force)
        )
    except DoesNotFitError as error:
        print(f"aicfg: error: {error}", file=sys.stderr)
        return 3
    if options.print_experiment:
        import yaml

        print(yaml.safe_dump(experiment_of(found, backend, settings), sort_keys=False), end="")
        return 0
    plan = solved(found, backend, settings)
    folder = Path(options.save_dir or OUTPUT) / folder_name(found, backend)
    names = write_files(plan, settings_of_files, folder, generator.target)
    if options.json:
        print(plan.to_json(indent=2))
    else:
        print(summary(found, plan, keys["total_gpus"], folder, names), end="")
    return 0


def folder_name(found: Naive, backend: str) -> str:
    """Where its files go: the same question has the same folder."""
    model = found.model.strip("/").replace("/", "--")
    return f"{model}_{found.system}_{backend}_naive_tp{found.tp}_pp{found.pp}"


def summary(found: Naive, plan: Plan, total_gpus: int, folder: Path, names: Sequence[str]) -> str:
    """What was chosen, as AIConfigurator's users know it."""
    pool = plan.pools[0]
    held = f"{found.weights_gib:,.1f} GiB of weights in {found.gpus_per_worker * found.memory_gib:,.0f} GiB"
    lines = [
        "=" * 60,
        f"  {'Model:':<17}{found.model}",
        f"  {'System:':<17}{found.system}",
        f"  {'Backend:':<17}{pool.backend} ({pool.backend_version or 'no tables'})",
        f"  {'Total GPUs:':<17}{total_gpus} (using {found.gpus_used})",
        f"  {'Parallelism:':<17}TP={found.tp}, PP={found.pp}",
        f"  {'Replicas:':<17}{found.replicas} (each using {found.gpus_per_worker} GPUs, {held})",
        f"  {'Max Batch Size:':<17}{pool.batch}",
        f"  {'Output:':<17}{folder}",
        "=" * 60,
        *(f"  - {name}" for name in names),
        "A layout by memory alone, with no search and no agreement: `aicfg default` finds the best one.",
    ]
    if found.gpus_used > total_gpus:
        lines.append(f"Forced: it takes {found.gpus_used} GPUs, more than the {total_gpus} of the budget.")
    return "\n".join(lines) + "\n"
