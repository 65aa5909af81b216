"""AIConfigurator's commands on our command line: ``aicfg default``, ``exp``, ``generate``, ``recommend``, ...

``words`` makes one grammar of two: a leading ``cli`` is dropped and underscores in flags become dashes, so
that ``alias aiconfigurator=aicfg`` works. ``run`` runs what is one of these commands.
"""

from collections.abc import Sequence

HELP = {
    "default": "compare aggregated and disaggregated plans (AIConfigurator's default)",
    "exp": "solve the experiments of AIConfigurator's YAML",
    "recommend": "the fewest GPUs for a load",
    "generate": "the smallest layout that holds a model",
    "convert": "AIConfigurator's YAML into our own",
    "schema": "the experiment as JSON schema, for editors",
    "completion": "a completion script for bash, zsh or fish",
    "version": "the version",
}
"""Commands that are run here, and what they do."""

_FOREIGN_SUPPORT = ("--model-path", "--backend-version", "--perf-db-version")
_OWN_ESTIMATE = ("--role", "--plan", "--batch", "--chunk", "--workers", "--data-mode")


def words(arguments: Sequence[str]) -> list[str]:
    """The command line in one spelling: no ``cli``, dashes in every flag's name (values stay as they are)."""
    given = list(arguments)
    if given[:1] == ["cli"] and len(given) > 1:
        given = given[1:]
    end = given.index("--") if "--" in given else len(given)
    return [_dashed(word) for word in given[:end]] + given[end:]


def _dashed(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def run(given: Sequence[str]) -> int | None:
    """Run one of these commands, in the spelling of ``words``; None where it is none of them."""
    name, rest = (given[0], list(given[1:])) if given else ("", [])
    if name in ("default", "exp", "recommend", "generate"):
        from aicfg.experiments.peer.commands import compare

        return compare.run(name, rest)
    if name in ("convert", "schema", "completion", "version"):
        from aicfg.experiments.peer.commands import small

        return small.run(name, rest)
    if name == "support" and _has(rest, _FOREIGN_SUPPORT):
        from aicfg.experiments.peer.commands.support import run_support

        return run_support(rest)
    if name == "estimate" and is_foreign_estimate(rest):
        from aicfg.experiments.peer.commands.estimate import run_estimate

        return run_estimate(rest)
    return None


def is_foreign_estimate(rest: Sequence[str]) -> bool:
    """Whether flags of ``estimate`` are AIConfigurator's: a model and neither a role nor a file."""
    if _has(rest, _OWN_ESTIMATE) or not rest or not rest[0].startswith("-"):
        return False
    return _has(rest, ("--model-path", "--model"))


def _has(rest: Sequence[str], names: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in names for word in rest)
