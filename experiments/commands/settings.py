"""Options that several commands share, as settings of the experiment."""

import json
from argparse import ArgumentParser, Namespace


def add_settings(command: ArgumentParser) -> None:
    """Options that change what the file says."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="override a key of the file",
    )
    add_systems_paths(command)
    command.add_argument(
        "--assume-family",
        metavar="NAME",
        help="go on with a model of an unknown class as if it were of this family",
    )


def add_systems_paths(command: ArgumentParser) -> None:
    """The search list of systems and tables."""
    command.add_argument(
        "--systems-paths",
        metavar="A,B",
        help="folders of your own systems and tables; default: the shipped ones",
    )


def settings_of(options: Namespace) -> list[str]:
    """What those options say, as ``--set`` would say it; ``--set`` itself counts last."""
    settings = []
    if options.systems_paths is not None:
        paths = [path for path in options.systems_paths.split(",") if path]
        settings.append(f"serving.systems_paths={json.dumps(paths)}")
    if options.assume_family is not None:
        settings.append(f"assume_family={json.dumps(options.assume_family)}")
    return [*settings, *options.settings]
