"""Server commands inside shell text and containers, as far as they can be read without running them."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from aicfg.experiments.deploy.dialect import Dialect, allowed
from aicfg.experiments.deploy.flag_values import Allowed, flag_fault, values_after
from aicfg.experiments.deploy.release import Release

_UNKNOWN = re.compile(r"\$\{[^}]*\}|\$\(\([^)]*\)\)|\$\([^)]*\)|\$\w+")
_POSITIONAL = {"vllm": 1, "trtllm": 1}
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?\n\s*\2[ \t]*(?=\n|$)", re.S)
_STAGES = ("--pipeline-parallel-size", "--pp-size")
_ENDS = frozenset({">&2", "&", "&&", "||", ";", "|"})


@dataclass(frozen=True)
class Found:
    """One server's command: which program, its flags, and the words that belong to none."""

    engine: str
    wrapped: bool
    """Whether Dynamo's wrapper runs it."""
    flags: tuple[tuple[str, tuple[str | None, ...]], ...]
    """None: a value that only the machine knows."""
    words: tuple[str, ...]

    @property
    def gpus(self) -> int | None:
        """GPUs that the degrees take together; None when an engine file holds them."""
        if self.engine == "trtllm":
            return None
        tp, pp = self._number("--tensor-parallel-size", "--tp-size"), self._number(*_STAGES)
        dp = self._number("--data-parallel-size", "--dp-size")
        attention = any(flag == "--enable-dp-attention" for flag, _ in self.flags)
        return tp * pp * (1 if attention else dp)

    @property
    def sequences(self) -> int | None:
        """Requests in flight that the server admits, of one rank (vLLM) or of all (SGLang)."""
        return self._number("--max-num-seqs", "--max-running-requests", default=0) or None

    def _number(self, *names: str, default: int = 1) -> int:
        """The whole number that the last of some flags is given."""
        given = [values[0] for flag, values in self.flags if flag in names and values and values[0]]
        return int(given[-1]) if given and given[-1].isdigit() else default


def bash_fault(text: str) -> str | None:
    """What bash says is wrong with a script; None when it is well-formed (or there is no bash)."""
    bash = shutil.which("bash")
    if bash is None:
        return None
    done = subprocess.run([bash, "-n"], input=text, capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["bash -n fails"])[0] if done.returncode else None


def shell_commands(text: str) -> Iterator[Found]:
    """The servers that shell text starts."""
    joined = re.sub(r"\\\n", " ", _HEREDOC.sub("", text))
    for line in joined.splitlines():
        if line.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(line, comments=False)
        except ValueError:
            continue
        found = command(words)
        if found is not None:
            yield found


def command(words: Sequence[str]) -> Found | None:
    """The server that words start, if any."""
    for at, word in enumerate(words):
        name = word.rsplit("/", 1)[-1]
        following = words[at + 1] if at + 1 < len(words) else ""
        if name == "vllm" and following == "serve":
            return _read("vllm", False, words[at + 2 :])
        if name == "trtllm-serve" and following != "disaggregated":
            return _read("trtllm", False, words[at + 1 :])
        if word == "-m" and following == "sglang.launch_server":
            return _read("sglang", False, words[at + 2 :])
        if word == "-m" and following.startswith("dynamo.") and following != "dynamo.frontend":
            return _read(following.removeprefix("dynamo."), True, words[at + 2 :])
    return None


def faults(found: Found, dialect: Dialect, release: Release) -> Iterator[str]:
    """Flags of a server that it does not take, or not with these values."""
    known = _allowed(found, dialect, release)
    for flag, values in found.flags:
        fault = flag_fault(flag, values, known)
        if fault is not None:
            yield f"{found.engine}: {fault}"
    extra = found.words[0 if found.wrapped else _POSITIONAL.get(found.engine, 0) :]
    if extra:
        yield f"{found.engine}: stray word {extra[0]!r}"


def _allowed(found: Found, dialect: Dialect, release: Release) -> Allowed:
    if not found.wrapped:
        return dialect.allowed
    own = release.allowed(found.engine)
    return own if found.engine == "trtllm" else {**allowed(dialect.data["flags_file"], "serve"), **own}


def _read(engine: str, wrapped: bool, words: Sequence[str]) -> Found:
    flags: list[tuple[str, tuple[str | None, ...]]] = []
    rest: list[str] = []
    at = 0
    words = list(takewhile(lambda word: word not in _ENDS, words))
    while at < len(words):
        if not words[at].startswith("-"):
            rest.append(words[at])
            at += 1
            continue
        flag, equals, value = words[at].partition("=")
        end = at + 1 if equals else values_after(words, at + 1)
        given = (value,) if equals else tuple(words[at + 1 : end])
        flags.append((flag, tuple(None if _UNKNOWN.search(each) else each for each in given)))
        at = end
    return Found(engine, wrapped, tuple(flags), tuple(rest))
