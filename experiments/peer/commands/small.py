"""``aicfg convert``, ``schema``, ``completion`` and ``version``."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from aicfg import __version__
from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.model_specs.errors import InputError

SHELLS = ("bash", "zsh", "fish")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        raise InputError(f"{self.prog.removeprefix('aicfg ')}: {message} (see {self.prog} --help)")


def run(name: str, words: Sequence[str]) -> int:
    """Run one of them; the exit code."""
    commands: dict[str, Callable[[Sequence[str]], str]] = {
        "convert": _convert,
        "schema": _schema,
        "completion": _completion,
        "version": _version,
    }
    print(commands[name](words), end="")
    return 0


def _convert(words: Sequence[str]) -> str:
    parser = _Parser(
        prog="aicfg convert",
        description="AIConfigurator's experiment file (nested or flat) as a file for aicfg solve.",
        epilog="example:\n  aicfg convert old.yaml > ours.yaml && aicfg solve ours.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="experiments in AIConfigurator's YAML")
    parser.add_argument(
        "--profile", default=DEFAULT_PROFILE, metavar="NAME", help="coefficients to write down"
    )
    given = parser.parse_args(list(words))
    return converted(given.file, given.profile)


def converted(file: str, profile: str) -> str:
    """The experiments of a file in our own form; what it asks for and is not modelled stands in comments.

    Where it limits the workers of a replica, one replica is taken to have the whole budget.
    """
    import yaml

    from aicfg.experiments.peer.requests.documents import read_requests
    from aicfg.experiments.peer.requests.replicas import limit_constraints
    from aicfg.experiments.peer.requests.several import spread
    from aicfg.experiments.peer.requests.translate import Settings, translate

    experiments: dict[str, Any] = {}
    notes: list[str] = []
    requests, _ = spread(read_requests(file))
    for request in requests:
        translation = translate(request, Settings(profile))
        notes += [f"# {request.name}: {note}\n" for note in translation.notes]
        for plain in translation.experiments:
            own = {key: value for key, value in plain.items() if key != "name"}
            if bounds := [*own.get("constraints", ()), *limit_constraints(request)]:
                own["constraints"] = bounds
            experiments[plain["name"]] = own
    return "".join(notes) + yaml.safe_dump({"experiments": experiments}, sort_keys=False, allow_unicode=True)


def _schema(words: Sequence[str]) -> str:
    parser = _Parser(
        prog="aicfg schema",
        description="The experiment as JSON schema, for editors that check and complete YAML.",
        epilog="example (first line of a YAML file, for yaml-language-server):\n"
        "  # yaml-language-server: $schema=experiment.schema.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(list(words))
    return json.dumps(json_schema(), indent=2) + "\n"


def json_schema() -> dict[str, Any]:
    """The schema of a file: one experiment, or several with shared defaults."""
    import msgspec

    from aicfg.experiments.ask.schema import Experiment
    from aicfg.experiments.ask.short_forms import with_short_forms

    _, full = msgspec.json.schema_components((Experiment,), ref_template="#/$defs/{name}")
    parts = with_short_forms(full)
    loose = {name: _without_required(part) for name, part in parts.items()}
    several = {
        "type": "object",
        "additionalProperties": False,
        "required": ["experiments"],
        "properties": {
            "defaults": {"$ref": "#/$defs/SharedExperiment"},
            "experiments": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/SharedExperiment"},
            },
        },
    }
    shared = {f"Shared{name}": _shared(part, parts) for name, part in loose.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aicfg experiment",
        "anyOf": [{"$ref": "#/$defs/Experiment"}, several],
        "$defs": parts | shared,
    }


def _without_required(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "required"}


def _shared(value: Any, parts: dict[str, Any]) -> Any:
    """A part whose keys may stand in the defaults as well as in an experiment, so that none is required."""
    if isinstance(value, dict):
        return {key: _shared(each, parts) for key, each in value.items()}
    if isinstance(value, list):
        return [_shared(each, parts) for each in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return value.replace("#/$defs/", "#/$defs/Shared")
    return value


def _completion(words: Sequence[str]) -> str:
    from aicfg.experiments.peer.commands.completion import script

    parser = _Parser(
        prog="aicfg completion",
        description="A completion script for a shell.",
        epilog='examples:\n  eval "$(aicfg completion bash)"\n'
        "  aicfg completion fish > ~/.config/fish/completions/aicfg.fish",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    return script(parser.parse_args(list(words)).shell)


def _version(words: Sequence[str]) -> str:
    _Parser(prog="aicfg version", description="The version.").parse_args(list(words))
    return f"aicfg {__version__}\n"
