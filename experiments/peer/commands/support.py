"""``aicfg support`` with AIConfigurator's flags: a verdict for aggregated and for disaggregated serving."""

import argparse
from collections.abc import Sequence

from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.experiments.peer.requests.keys import BACKENDS
from aicfg.experiments.peer.requests.translate import Settings
from aicfg.model_specs.errors import InputError, nearest


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        raise InputError(f"support: {message} (see aicfg support --help)")


def run_support(words: Sequence[str]) -> int:
    """Print the verdict; 0 for a no as well. ``--system all`` prints the matrix of ``aicfg support``."""
    given = _parser().parse_args(list(words))
    paths = tuple(path for path in (given.systems_paths or "").split(",") if path) or None
    if given.system == "all":
        return _matrix(given)
    backends = BACKENDS if given.backend == "all" else (given.backend,)
    if given.backend not in (*BACKENDS, "all"):
        choices = (*BACKENDS, "all")
        raise InputError(
            f"--backend: got {given.backend!r}; expected one of {', '.join(choices)}"
            f"{nearest(given.backend, choices)}"
        )
    from aicfg.experiments.peer.answers.supporting import support, text

    for backend in backends:
        print(
            text(
                support(
                    given.model, given.system, backend, Settings(given.profile, paths), given.backend_version
                )
            ),
            end="",
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="aicfg support", description="Can this model be served on this system?")
    parser.add_argument("--model-path", "--model", dest="model", required=True, metavar="ID")
    parser.add_argument("--system", required=True, metavar="NAME", help="a GPU system, or all")
    parser.add_argument(
        "--backend", default="trtllm", metavar="NAME", help="an engine, or all (default trtllm)"
    )
    parser.add_argument("--backend-version", "--perf-db-version", metavar="V")
    parser.add_argument("--profile", default=DEFAULT_PROFILE, metavar="NAME")
    parser.add_argument("--systems-paths", metavar="A,B")
    parser.add_argument("--log-level", help=argparse.SUPPRESS)
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-color", action="store_true", help=argparse.SUPPRESS)
    return parser


def _matrix(given: argparse.Namespace) -> int:
    from aicfg.experiments.commands.grammar import run

    own = ["support", "--model", given.model, "--profile", given.profile]
    if given.backend in BACKENDS:
        own += ["--backend", given.backend]
    if given.systems_paths:
        own += ["--systems-paths", given.systems_paths]
    return run(own)
