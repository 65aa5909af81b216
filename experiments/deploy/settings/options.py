"""Options of the generator, the same for every command that writes deployments."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aicfg.experiments.deploy.settings.schema import Settings

_SHORTCUTS = {
    "generated_config_version": "generated_config_version",
    "generator_dynamo_version": "generator_dynamo_version",
    "namespace": "K8sConfig.k8s_namespace",
    "image_pull_secret": "K8sConfig.k8s_image_pull_secret",
    "transport": "K8sConfig.transport",
}


def add_generator_options(command: ArgumentParser) -> None:
    """Add ``--generator-config``, ``--generator-set`` and their shortcuts."""
    group = command.add_argument_group("deployment files")
    group.add_argument(
        "--generator-config", metavar="FILE", help="settings in YAML (--generator-help lists them)"
    )
    group.add_argument(
        "--generator-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting; may be repeated",
    )
    for words, metavar, what in (
        (
            ("--generated_config_version", "--generated-config-version", "--config-template-version"),
            "V",
            "engine",
        ),
        (("--generator-dynamo-version", "--dynamo-version"), "V", "Dynamo"),
    ):
        group.add_argument(*words, metavar=metavar, help=f"{what} version to write for")
    group.add_argument("--namespace", metavar="NAME", help="Kubernetes namespace")
    group.add_argument("--image-pull-secret", metavar="NAME", help="Kubernetes secret that pulls images")
    group.add_argument("--transport", choices=("nvlink", "ib", "efa"), help="network device of pods")


def generator_settings(options: Namespace, recorded: Mapping[str, Any] | None = None) -> "Settings":
    """The settings that those options make. Raises ``InputError`` with one line a fault."""
    from aicfg.experiments.deploy.settings.reading import read_settings

    file = None if options.generator_config is None else Path(options.generator_config)
    given = {key: getattr(options, name) for name, key in _SHORTCUTS.items()}
    shortcuts = {key: value for key, value in given.items() if value is not None}
    return read_settings(file, options.generator_set, shortcuts, recorded)
