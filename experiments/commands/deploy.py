"""``aicfg deploy``: deployment files from a saved plan, and a check of such files."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError

FAULTY = 2


def add_deploy_arguments(command: ArgumentParser) -> None:
    """Arguments of ``aicfg deploy``."""
    from aicfg.experiments.deploy.settings.options import add_generator_options

    command.set_defaults(run=run_deploy)
    command.add_argument("plan", nargs="?", metavar="PLAN", help="a saved plan.json, or the word check")
    command.add_argument("folder", nargs="?", metavar="DIR", help="after check: the folder to check")
    command.add_argument(
        "--target",
        action="append",
        metavar="NAME",
        help="dynamo-k8s, dynamo, bare, lws, compose or llm-d; may be repeated (default: all that fit)",
    )
    command.add_argument(
        "--out", metavar="DIR", help="where to write (a new folder, or an earlier deployment)"
    )
    add_generator_options(command)
    command.add_argument(
        "--generator-help",
        nargs="?",
        const="all",
        choices=("deploy", "backend", "all"),
        metavar="SECTION",
        help="list the settings of a section (deploy or backend) and end",
    )


def run_deploy(options: Namespace) -> int:
    """Write or check deployment files; the exit code."""
    if options.generator_help is not None:
        from aicfg.experiments.deploy.settings.help import help_text

        print(help_text(None if options.generator_help == "all" else options.generator_help))
        return 0
    if options.plan == "check":
        return _check(options.folder)
    if options.plan is None or options.folder is not None:
        raise InputError(
            "deploy: expected one plan: aicfg deploy plan.json --out DIR, or aicfg deploy check DIR"
        )
    if options.out is None:
        raise InputError("deploy: --out DIR is missing: name the folder to write")
    return _write(options)


def _write(options: Namespace) -> int:
    from aicfg.experiments.deploy.deployment import deployment
    from aicfg.experiments.deploy.record import record
    from aicfg.experiments.deploy.settings.options import generator_settings
    from aicfg.experiments.deploy.settings.schema import Settings
    from aicfg.experiments.deploy.write import notes, write_deployment

    plan = _plan(Path(options.plan))
    settings = generator_settings(options, record(deployment(plan, Settings())))
    files = write_deployment(plan, Path(options.out), settings, options.target)
    for file in files:
        print(file)
    for note in notes(plan, settings):
        print(f"aicfg: note: {note}", file=sys.stderr)
    return 0


def _plan(path: Path) -> Plan:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return Plan.from_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check(folder: str | None) -> int:
    from aicfg.experiments.deploy.checks.folder import check_folder

    if folder is None:
        raise InputError("deploy check: the folder is missing: aicfg deploy check DIR")
    report = check_folder(Path(folder))
    for fault in report.faults:
        print(fault)
    if report.unchecked:
        missing = " and ".join(report.unchecked)
        print(f"aicfg: note: schemas are not checked: pip install {missing}", file=sys.stderr)
    print(f"{len(report.faults)} faults in {report.files} files", file=sys.stderr)
    return FAULTY if report.faults else 0
