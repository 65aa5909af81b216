"""Flags into parsed options: one parser a command, whose help fits one screen."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any

from aicfg.experiments.peer.commands.flag import Flag
from aicfg.experiments.peer.commands.flags import COMMANDS
from aicfg.experiments.peer.requests.kinds import Kind, wrong
from aicfg.model_specs.errors import InputError, nearest

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

ABOUT = {
    "default": "The best way to serve a model: aggregated and disaggregated plans, with the frontier.",
    "exp": "Every experiment of a file in AIConfigurator's YAML, solved and compared.",
    "generate": "The smallest layout that holds the model, without a search and without an agreement.",
    "recommend": "The fewest GPUs that serve a load within the agreement.",
}
EXAMPLES = {
    "default": """\
  aicfg default --model Qwen/Qwen3-32B-FP8 --total-gpus 16 --system h100_sxm --ttft 1000 --tpot 40
  aicfg default --model Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend auto --save-dir out
  aicfg default --model Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --request-latency 12000
  aicfg default --model Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --print-experiment > ours.yaml""",
    "exp": """\
  aicfg exp --yaml-path experiments.yaml --save-dir out
  aicfg convert experiments.yaml > ours.yaml""",
    "generate": """\
  aicfg generate --model Qwen/Qwen3-32B --total-gpus 8 --system h100_sxm --backend vllm""",
    "recommend": """\
  aicfg recommend --model Qwen/Qwen3-32B --system h200_sxm --target-request-rate 20 --tpot 30
  aicfg recommend --model Qwen/Qwen3-32B --system h200_sxm --target-concurrency 500""",
}
ENDS = "exit codes: 0 a plan, 2 bad input, 3 proven infeasible, 4 stopped or --fail-on-any, 1 a defect"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        raise InputError(f"{self.prog.removeprefix('aicfg ')}: {message} (see {self.prog} --help)")


def parse(command: str, words: Sequence[str]) -> argparse.Namespace:
    """The options that ``words`` (in dashes) give; help is printed on the way.

    Raises
    ------
    InputError
        One line: the flag, what was given, what would be accepted.
    """
    flags = COMMANDS[command]
    _refuse_unknown(command, flags, words)
    return _parser(command, flags, full="--help-all" in words).parse_args(list(words))


def keys_given(command: str, options: argparse.Namespace) -> dict[str, Any]:
    """The flat keys that the options set, in canonical types."""
    given = {}
    for flag in COMMANDS[command]:
        value = getattr(options, flag.dest)
        if flag.key and value is not None:
            given[flag.key] = value
    return given


def flag_of(command: str, key: str) -> str:
    """The flag that sets a flat key, as a message names it."""
    return next((flag.names[0] for flag in COMMANDS[command] if flag.key == key), key)


def _refuse_unknown(command: str, flags: Sequence[Flag], words: Sequence[str]) -> None:
    known = [name for flag in flags for name in flag.names] + ["--help", "--help-all"]
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and not any(each.startswith(name) for each in known):
            raise InputError(
                f"{command}: unknown flag {name}{nearest(name, known)} (see aicfg {command} --help)"
            )


def _parser(command: str, flags: Sequence[Flag], *, full: bool) -> argparse.ArgumentParser:
    required = " ".join(f"{flag.names[0]} {flag.metavar}" for flag in flags if flag.required)
    parser = _Parser(
        prog=f"aicfg {command}",
        usage=f"aicfg {command} {required} [flags]",
        description=ABOUT[command],
        epilog=f"examples:\n{EXAMPLES[command]}\n\n{ENDS}",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=34, width=100
        ),
        add_help=False,
    )
    groups = {name: parser.add_argument_group(name) for name in ("what to serve", "agreement", "output")}
    for flag in flags:
        shown = full or flag.group != "more"
        _add(groups.get(flag.group) or parser, flag, shown=shown)
    shown_help = "this help, with every flag" if full else "this help (--help-all: every flag)"
    groups["output"].add_argument("-h", "--help", "--help-all", action=_Help, help=shown_help)
    return parser


class _Help(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.print_help(sys.stdout)
        raise SystemExit(0)


def _add(group: Any, flag: Flag, *, shown: bool) -> None:
    settings: dict[str, Any] = {"help": flag.help if shown else argparse.SUPPRESS, "dest": flag.dest}
    if flag.required:
        settings["required"] = True
    if flag.kind.switch:
        settings |= {"action": "store_const", "const": not flag.negated}
    else:
        settings |= {"type": _reader(flag.kind), "metavar": flag.metavar or _metavar(flag)}
        if flag.kind.several:
            settings["nargs"] = "+"
            settings["type"] = scalar
        if flag.repeated:
            settings["action"] = "append"
        if flag.optional_value is not None:
            settings |= {"nargs": "?", "const": flag.optional_value}
    group.add_argument(*flag.names, **settings)


def _metavar(flag: Flag) -> str:
    short = flag.kind.choices and sum(map(len, flag.kind.choices)) < 30
    return "{" + ",".join(flag.kind.choices) + "}" if short else flag.names[0].split("-")[-1].upper()


def _reader(kind: Kind) -> Any:
    def read(text: str) -> Any:
        try:
            return kind.read(scalar(text))
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(wrong(scalar(text), kind, error)) from None

    return read


def scalar(text: str) -> Any:
    """A flag's text as a number, where it is one."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
