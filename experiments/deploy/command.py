"""Commands as words, and how a shell, Kubernetes and compose write them.

A word is plain text, whatever it contains, or a ``Ref`` to something known only where the command runs. Text
is never pasted: each writer quotes it by the rules of its own language.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Ref:
    """An environment variable's value, with fixed text around it."""

    name: str
    before: str = ""
    after: str = ""
    times: int = 1
    """What its number is multiplied by; beyond 1 only a shell can write it."""


Word = str | Ref
Option = tuple[Word, ...]
"""A flag with its values, or words that belong on one line."""


@dataclass(frozen=True)
class Command:
    """A program with its options, and what its environment holds."""

    program: Option
    options: tuple[Option, ...] = ()
    env: Mapping[str, Word] = field(default_factory=dict)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return (*self.program, *self.arguments)

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the program."""
        return tuple(word for option in self.options for word in option)

    @property
    def needs_shell(self) -> bool:
        """Whether a word is known only where the command runs."""
        return any(isinstance(word, Ref) for word in self.words)

    def with_env(self, env: Mapping[str, Word]) -> "Command":
        """The same command with more in its environment."""
        return replace(self, env={**self.env, **env})

    def under(self, program: Option, options: Iterable[Option] = ()) -> "Command":
        """The same command, started by another program."""
        return Command(program, (*options, self.program, *self.options), self.env)


def shell_word(word: Word) -> str:
    """A word as bash writes it."""
    if isinstance(word, str):
        return shlex.quote(word)
    value = f"$(({word.name} * {word.times}))" if word.times != 1 else f"${{{word.name}}}"
    return f'"{word.before}{value}{word.after}"'


def shell_lines(command: Command, indent: str = "  ", env: bool = True) -> str:
    """A command as bash writes it: the program, then one option a line."""
    first = " ".join(shell_word(word) for word in command.program)
    rest = [" ".join(shell_word(word) for word in option) for option in command.options]
    lines = [first, *(f"{indent}{line}" for line in rest)]
    if env and command.env:
        settings = " ".join(f"{name}={shell_word(value)}" for name, value in command.env.items())
        lines = [f"env {settings}", *(f"{indent}{line}" for line in lines)]
    return " \\\n".join(lines)


def shell_line(command: Command) -> str:
    """A command as bash writes it, on one line and without its environment."""
    return " ".join(shell_word(word) for word in command.words)


def kubernetes_word(word: Word) -> str:
    """A word of a container's command: ``$(NAME)`` is a reference there, and ``$$`` a dollar sign."""
    if isinstance(word, str):
        return word.replace("$", "$$")
    assert word.times == 1, "only a shell can compute"
    return f"{word.before}$({word.name}){word.after}"


def compose_word(word: Word) -> str:
    """A word of a compose file, where ``$$`` is a dollar sign."""
    assert isinstance(word, str), "a compose file knows nothing of other nodes"
    return word.replace("$", "$$")
