"""Completion scripts: commands, flags and their choices written out, so that nothing runs on a tab."""

import argparse
from collections.abc import Mapping, Sequence

from aicfg.experiments.peer.commands.dispatch import HELP
from aicfg.experiments.peer.commands.flag import Flag
from aicfg.experiments.peer.commands.flags import COMMANDS


def grammar() -> dict[str, dict[str, tuple[str, ...]]]:
    """Commands -> their flags -> the values that a flag may have (empty: any)."""
    ours = {name: _flags(flags) for name, flags in COMMANDS.items()}
    return dict(sorted((_own_commands() | ours).items()))


def _own_commands() -> dict[str, dict[str, tuple[str, ...]]]:
    """The commands that argparse knows, with their flags."""
    from aicfg.experiments.commands.grammar import parser

    actions = parser(others=HELP)._actions
    (commands,) = (each for each in actions if isinstance(each, argparse._SubParsersAction))
    return {
        name: {
            flag: tuple(map(str, action.choices or ()))
            for action in each._actions
            for flag in action.option_strings
            if flag.startswith("--")
        }
        for name, each in commands.choices.items()
    }


def _flags(flags: Sequence[Flag]) -> dict[str, tuple[str, ...]]:
    return {name: flag.kind.choices for flag in flags for name in flag.names} | {"--help": ()}


def script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    known = grammar()
    if shell == "fish":
        return _fish(known)
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + _bash(known)


def _bash(known: Mapping[str, Mapping[str, tuple[str, ...]]]) -> str:
    flags = "\n".join(f"    {name}) flags='{' '.join(each)}' ;;" for name, each in known.items())
    values = sorted({(flag, choices) for each in known.values() for flag, choices in each.items() if choices})
    choices = "\n".join(
        f"    {flag}) COMPREPLY=($(compgen -W '{' '.join(words)}' -- \"$word\")); return ;;"
        for flag, words in values
    )
    return f"""\
_aicfg() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local command=${{COMP_WORDS[1]}} flags=
  [ "$command" = cli ] && command=${{COMP_WORDS[2]}}
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(known)}' -- "$word")); return
  fi
  case $before in
{choices}
  esac
  case $command in
{flags}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _aicfg aicfg
"""


def _fish(known: Mapping[str, Mapping[str, tuple[str, ...]]]) -> str:
    lines = [f"complete -c aicfg -n __fish_use_subcommand -f -a '{' '.join(known)}'"]
    for command, flags in known.items():
        for flag, choices in flags.items():
            values = f" -x -a '{' '.join(choices)}'" if choices else ""
            lines.append(
                f"complete -c aicfg -n '__fish_seen_subcommand_from {command}'"
                f" -l {flag.removeprefix('--')}{values}"
            )
    return "\n".join(lines) + "\n"
